# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What goes wrong ends with one clear error, and with servers that are byte for byte as before."""

from __future__ import annotations

import pytest
import yaml
from integration.conftest import SPEED
from integration.harness import Site, messages, recap, state

# One file and what is written into it; what the error must say. Nothing of this reaches a server.
# Each file's mistakes, and the messages about them.
MISTAKES: dict[str, list[tuple[str, str]]] = {
    "web1": [
        ("color: red", "vms/web1.yml: color"),
        ("memory: [1G]", "vms/web1.yml: memory"),
        ("ssh_keys: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE4AAAA]", "vms/web1.yml: ssh_keys"),
    ],
    "db1": [
        ("memory: 1 GB", "vms/db1.yml: memory: '1 GB' is not a valid size; use a number with K, M"),
        ('user: "puffy\\nroot"', "vms/db1.yml: user"),
    ],
    "build1": [("user: 'puf\"fy'", "vms/build1.yml: user")],
    "lab1": [('user: \'{{ lookup("pipe", "touch evil") }}\'', "vms/lab1.yml: user")],
    # mail1 has this address.
    "shop1": [("mac: fe:e1:bb:d1:c6:99", "fe:e1:bb:d1:c6:99")],
    # Not as the ledger has it.
    "mail1": [("number: 77", "vms/mail1.yml: number")],
}


def test_mistakes_in_the_data_reach_no_server(converged: Site) -> None:
    """All problems of all files are told at once."""
    site, told = converged, [text for mistakes in MISTAKES.values() for _line, text in mistakes]
    good = {name: site.vm_file(name).read_text() for name in MISTAKES}
    ledger = site.fleet / "allocations/server1.yml"
    ledgers = {path: path.read_bytes() for path in (site.fleet / "allocations").glob("*.yml")}
    before = {name: state(server) for name, server in site.servers.items()}
    try:
        for name, mistakes in MISTAKES.items():
            wrong = {line.partition(":")[0] for line, _text in mistakes}
            kept = {key: x for key, x in yaml.safe_load(good[name]).items() if key not in wrong}
            lines = "".join(f"{line}\n" for line, _text in mistakes)
            site.vm_file(name).write_text(yaml.safe_dump(kept) + lines)
        result = site.play("site")
    finally:
        for name, text in good.items():
            site.vm_file(name).write_text(text)
    said = messages(result)
    assert result.returncode != 0
    for text in told:
        assert text in said, said
    assert "Traceback" not in said
    assert {name: state(server) for name, server in site.servers.items()} == before
    assert {path: path.read_bytes() for path in ledgers} == ledgers
    assert not (site.directory / "evil").exists()

    # A ledger that was edited to a clash.
    edited = ledgers[ledger].replace(b"203.0.113.14", b"203.0.113.10")
    assert edited != ledgers[ledger]
    ledger.write_bytes(edited)
    try:
        result = site.play("site")
        assert ledger.read_bytes() == edited
    finally:
        ledger.write_bytes(ledgers[ledger])
    assert result.returncode != 0
    assert "allocations/server1.yml" in messages(result)
    assert {name: state(server) for name, server in site.servers.items()} == before


def test_a_range_that_is_full(ready: Site) -> None:
    host = ready.directory / "inventories/example/host_vars/server1.yml"
    good = host.read_text()
    ledger = ready.fleet / "allocations/server1.yml"
    entries = ledger.read_bytes()
    more = [f"more{number}" for number in range(9)]
    for name in more:
        ready.vm_file(name).write_text(ready.vm_file("web1").read_text())
    before = state(ready.server1)

    # Every number up to the range's end is taken or reserved: all the new ones wait.
    host.write_text(good.replace("203.0.113.200", "203.0.113.14"))
    result = ready.play("site")
    assert result.returncode == 2
    full = "server1: vmm_ipv4_range: 203.0.113.10-203.0.113.14 is full"
    assert full in messages(result)
    assert "VMs without a number 9" in messages(result)
    assert recap(result, "server2")["failed"] == 0
    assert state(ready.server1) == before
    assert ledger.read_bytes() == entries

    # One fits; the run continues with it, and fails for the others.
    host.write_text(good.replace("203.0.113.200", "203.0.113.15"))
    result = ready.play("site")
    assert result.returncode == 2
    assert "VMs without a number 8" in messages(result)
    assert [name for name in more if f" {name}:" in ledger.read_text()] == ["more0"]
    assert set(entries.splitlines()) < set(ledger.read_bytes().splitlines())
    hosts = ready.server1.read("/etc/dhcpd.conf").decode()
    assert [name for name in more if f"host {name} " in hosts] == ["more0"]
    assert "host web1 " in hosts


def test_no_vault_secret(ready: Site) -> None:
    converged = ready
    for path in (converged.fleet / "credentials").iterdir():
        path.unlink()
    converged.environment["ANSIBLE_VAULT_PASSWORD_FILE"] = ""
    before = converged.executions()
    try:
        result = converged.play("site")
    finally:
        del converged.environment["ANSIBLE_VAULT_PASSWORD_FILE"]
    assert result.returncode != 0
    assert "vault" in messages(result)
    assert converged.executions() == before
    assert list((converged.fleet / "credentials").iterdir()) == []


# What an operator changes to make a role act, and what then fails on the server.
CHANGE_DHCPD = ("-e", "dhcpd_server_name=another.example.org")
CHANGE_HTTPD = ("-e", "httpd_release=7.9")
# Of another network.
RANGE = '{"dhcpd_range": ["198.51.100.1", "198.51.100.9"]}'


def test_a_file_that_the_checker_refuses(converged: Site) -> None:
    before = state(converged.server1)
    result = converged.play("site", "--limit", "server1", "-e", RANGE)
    said = messages(result)
    assert "dhcpd: /etc/dhcpd.conf: dhcpd refuses it: exit status 1" in said
    assert "Address range 198.51.100.1 to 198.51.100.9 not on net 203.0.113.0" in said
    assert "The server is as it was before." in said
    assert state(converged.server1) == before


def test_what_comes_before_a_failed_document_stays_and_what_comes_after_waits(
    converged: Site,
) -> None:
    server = converged.server1
    before = state(server)
    server.run("sysctl net.inet.ip.arpq.maxlen=7")
    server.remove("/etc/sensorsd/drive")
    result = converged.play("site", "--limit", "server1", "-e", RANGE)
    said = messages(result)
    assert result.returncode == 2
    assert "dhcpd failed and was put back; done before it and kept: sysctl." in said
    assert "server1  sysctl  set net.inet.ip.arpq.maxlen" in said
    assert "server1  sensorsd" not in said
    assert server.run("ls /etc/sensorsd/drive").returncode != 0
    converged.converged("--limit", "server1")
    assert state(server) == before


def test_a_switch_that_is_not_there_is_found_before_vmd_reads_of_it(converged: Site) -> None:
    before = state(converged.server1)
    host = converged.directory / "inventories/example/host_vars/server1.yml"
    good = host.read_text()
    host.write_text(good.replace("veb42}", "veb99}"))
    try:
        words = ("-e", "network_manage=false", "-e", "pf_manage=false")
        result = converged.play("site", "--limit", "server1", *words)
    finally:
        host.write_text(good)
    assert "vmd: interface veb99: does not exist on this server" in messages(result)
    assert state(converged.server1) == before
    assert converged.server1.run("rcctl check vmd").returncode == 0


def test_a_daemon_that_does_not_come_back(converged: Site) -> None:
    server = converged.server1
    before = state(server)
    server.fault("daemon_dies", "httpd")
    result = converged.play("site", "--limit", "server1", *CHANGE_HTTPD)
    server.clear("daemon_dies")
    said = messages(result)
    assert result.returncode != 0
    assert "httpd" in said
    assert "The server is as it was before." in said
    assert state(server) == before
    assert server.run("rcctl check httpd").returncode == 0


def test_a_connection_that_is_cut_in_the_middle_of_the_request(converged: Site) -> None:
    server = converged.server1
    before = state(server)
    tasks = converged.directory / "long.yml"
    tasks.write_text(
        "- hosts: server1\n  gather_facts: false\n  tasks:\n"
        "    - puffy.vmm.host_state:\n        name: long\n"
        "        files:\n"
        "          - {path: /etc/first, content: x}\n"
        f"          - {{path: /etc/long, content: {'x' * 90_000}}}\n"
    )
    server.fault("cut_after", "60000", "2")
    result = converged.run("ansible-playbook", "-i", "inventories/example", "long.yml")
    server.clear("cut_after")
    assert recap(result, "server1")["unreachable"] == 1, messages(result)
    assert state(server) == before
    again = converged.run("ansible-playbook", "-i", "inventories/example", "long.yml")
    assert recap(again, "server1")["changed"] == 1
    server.remove("/etc/first")
    server.remove("/etc/long")


@pytest.mark.parametrize("command", ["dhcpd", "rcctl"])
def test_a_connection_that_is_cut_in_the_middle_of_an_apply(converged: Site, command: str) -> None:
    server = converged.server1
    before = state(server)
    tasks = converged.directory / "cut.yml"
    tasks.write_text(
        "- hosts: server1\n  gather_facts: false\n  tasks:\n"
        "    - puffy.vmm.host_state:\n        name: cut\n"
        "        files: [{path: /etc/cut.conf, content: x}, "
        "{path: /etc/dhcpd.conf, content: '# empty', validate: 'dhcpd -n -c {path}'}]\n"
        "        services: [{name: dhcpd, flags: pair85 lo0}]\n"
    )
    server.fault("cut_at", command)
    result = converged.run("ansible-playbook", "-i", "inventories/example", "cut.yml")
    server.clear("cut_at")
    assert result.returncode != 0
    _settled(converged)
    assert state(server) == before
    assert server.run("rcctl check dhcpd").returncode == 0


def test_a_disk_that_is_full(converged: Site) -> None:
    server = converged.server1
    before = state(server)
    server.fault("disk_full", "/etc")
    result = converged.play("site", "--limit", "server1", *CHANGE_DHCPD)
    server.clear("disk_full")
    assert "No space left on device" in messages(result)
    assert "The server is as it was before." in messages(result)
    assert state(server) == before


def test_a_file_that_somebody_edits_meanwhile(converged: Site) -> None:
    server = converged.server1
    tasks = converged.directory / "edit.yml"
    tasks.write_text(
        "- hosts: server1\n  gather_facts: false\n  tasks:\n"
        "    - puffy.vmm.host_state:\n        name: edit\n"
        "        files: [{path: /etc/first, content: x}, {path: /etc/edited, content: new}]\n"
    )
    server.write("/etc/edited", "old\n")
    server.fault("edit_before_apply", "/etc/edited")
    result = converged.run("ansible-playbook", "-i", "inventories/example", "edit.yml")
    server.clear("edit_before_apply")
    assert "/etc/edited was changed by somebody else while this run was planning" in messages(
        result
    )
    assert server.read("/etc/edited").startswith(b"old\n")
    assert server.run("ls /etc/first").returncode != 0
    server.remove("/etc/edited")


def test_an_unreachable_server_stops_no_other(converged: Site) -> None:
    before = state(converged.server1)
    # Of the last of the roles.
    converged.server1.remove("/etc/sensorsd/drive")
    converged.servers["server2"].stop()
    try:
        result = converged.play("site")
    finally:
        converged.servers["server2"].start(speed=SPEED)
    assert recap(result, "server2")["unreachable"] == 1
    counts = recap(result, "server1")
    assert (counts["failed"], counts["unreachable"]) == (0, 0)
    assert counts["changed"] == 1
    assert state(converged.server1) == before


def _settled(site: Site) -> None:
    """Waits for an agent that lost its controller to have put everything back."""
    check = "while [ -e /var/backups/puffy.vmm/pending ]; do sleep 0.1; done"
    assert site.server1.run(f"timeout 30 sh -c '{check}'").returncode == 0
