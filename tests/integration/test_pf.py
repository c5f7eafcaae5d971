# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The role pf over real ssh: foreign rules stay, drift is repaired, running VMs are not cut off."""

from __future__ import annotations

import subprocess
import time

import pytest
from integration.harness import Site, messages, recap, state

from sandbox.server import Server

RULES = "/etc/pf.puffy.vmm.conf"
PLAYBOOK = (
    "- hosts: server1\n  gather_facts: false\n  roles: [puffy.vmm.network, puffy.vmm.pf]\n"
    "  vars: {network_confirm: 8, pf_confirm: 8}\n"
)


def run(site: Site, *words: str) -> subprocess.CompletedProcess[str]:
    return site.run("ansible-playbook", "-i", "inventories/example", "pf.yml", *words)


def said(server: Server, command: str) -> str:
    return server.run(command).stdout.decode()


@pytest.fixture
def bare(site: Site) -> Site:
    (site.directory / "pf.yml").write_text(PLAYBOOK)
    return site


def test_converge_drift_and_a_cut_connection(bare: Site) -> None:
    server = bare.server1
    foreign = server.read("/etc/pf.conf")
    assert foreign
    first = run(bare)
    assert recap(first, "server1")["changed"] == 2, messages(first)
    text = server.read("/etc/pf.conf")
    assert text.startswith(foreign)
    # OpenBSD's own pf.conf has a rule whose states hold on any interface.
    assert "Write set state-policy if-bound before the first rule" in messages(first)
    assert b'load anchor "puffy.vmm" from "/etc/pf.puffy.vmm.conf"' in text[len(foreign) :]
    assert said(server, f"ls -l {RULES}").startswith("-rw-------")
    assert 'anchor "puffy.vmm"' in said(server, "pfctl -s rules")
    live = said(server, "pfctl -a puffy.vmm -s rules")
    for rule in (
        "pass in quick on vm5nic inet from 203.0.113.14 to any no state",
        "block drop in quick on vm5nic all",
        "pass in quick on pair85 inet proto tcp from 203.0.113.14 to 203.0.113.1 port = 80",
        "block drop in quick on ! lo0 inet proto tcp from any to 203.0.113.1 port = 80",
    ):
        assert rule in live, live
    assert "LINK1" in said(server, "ifconfig veb42")

    # Nothing is to be done, and the same after a boot: pf.conf loads all of it.
    before = state(server)
    server.run("pfctl -a puffy.vmm -F rules; pfctl -F rules; pfctl -f /etc/pf.conf")
    second = run(bare)
    assert recap(second, "server1")["changed"] == 0, messages(second)
    assert state(server) == before

    drifts = (
        "pfctl -a puffy.vmm -F rules",
        "pfctl -F rules",
        "ifconfig veb42 -link1",
        f"echo 'pass all' >> {RULES}",
        "sed -n '/puffy/!p' /etc/pf.conf > /tmp/x; cat /tmp/x > /etc/pf.conf; "
        "pfctl -f /etc/pf.conf",
    )
    for drift in drifts:
        assert server.run(drift).returncode == 0, drift
        if drift == drifts[0]:
            check = run(bare, "--check", "--diff")
            assert recap(check, "server1")["changed"] == 1, drift + messages(check)
            assert said(server, "pfctl -a puffy.vmm -s rules") == ""
        repaired = run(bare)
        assert recap(repaired, "server1")["changed"] == 1, drift + messages(repaired)
        assert said(server, "pfctl -a puffy.vmm -s rules") == live
        assert 'anchor "puffy.vmm"' in said(server, "pfctl -s rules"), drift
        assert "LINK1" in said(server, "ifconfig veb42"), drift
    assert server.read("/etc/pf.conf") == text
    assert recap(run(bare), "server1")["changed"] == 0

    # A change that is not confirmed: network's look, then pf's look, change and confirmation.
    stable = state(server)
    server.fault("cut_after", "1", "4")
    result = run(bare, "-e", '{"pf_httpd_clients": ["192.0.2.0/24"]}')
    assert result.returncode != 0
    assert "192.0.2.0/24" in said(server, "pfctl -a puffy.vmm -s rules")
    _until_put_back(server)
    server.clear("cut_after")
    assert state(server) == stable
    assert said(server, "pfctl -a puffy.vmm -s rules") == live

    # Disabled by its owner: told, and left.
    server.run("pfctl -d")
    told = run(bare)
    assert recap(told, "server1")["changed"] == 0
    assert "pf(4): is disabled on this server" in messages(told)
    assert recap(run(bare, "-e", "pf_enable=true"), "server1")["changed"] == 1
    assert said(server, "pfctl -s info").startswith("Status: Enabled")


# A foreign rule that pfctl(8) refuses, and values of ours; and what undoes the change.
REFUSED = [
    ("true", '{"pf_httpd_clients": ["no such"]}', "/etc/pf.puffy.vmm.conf:", "true"),
    ("true", '{"pf_sources": {"web1": ["$(id)"]}}', "/etc/pf.puffy.vmm.conf:", "true"),
    (
        "ifconfig pair1 create; ifconfig veb42 add pair1",
        "{}",
        "its member pair1 is not one that rules are written for",
        "ifconfig pair1 destroy",
    ),
    ("echo 'block retrun' >> /etc/pf.conf", "{}", "/etc/pf.conf:", "true"),
]


def test_what_is_refused_leaves_all_as_it_was(bare: Site) -> None:
    server = bare.server1
    assert run(bare, "-e", "pf_manage=false").returncode == 0
    assert "anchor" not in said(server, "pfctl -s rules")
    for change, variables, text, back in REFUSED:
        assert server.run(change).returncode == 0
        before = state(server)
        result = run(bare, "-e", variables)
        assert recap(result, "server1")["failed"] == 1, messages(result)
        assert text in messages(result)
        assert "Traceback" not in messages(result)
        assert state(server) == before
        assert server.run(back).returncode == 0


@pytest.mark.parametrize("missing", [True, False])
def test_without_a_pf_conf(bare: Site, missing: bool) -> None:
    bare.server1.run("rm /etc/pf.conf" if missing else ": > /etc/pf.conf")
    assert recap(run(bare), "server1")["changed"] == 2
    assert bare.server1.read("/etc/pf.conf").count(b"\n") == 4
    assert recap(run(bare), "server1")["changed"] == 0


def test_running_vms_keep_their_network(installed: Site) -> None:
    """A VM that was started without a group gets one, and a new switch gets its tap."""
    server = installed.server1
    (installed.directory / "pf.yml").write_text(PLAYBOOK)
    running = said(server, "vmctl status")
    tap = said(server, "ifconfig vm5nic").partition(":")[0]
    # As it was without the role pf.
    server.run(f"ifconfig {tap} -group vm5nic; ifconfig veb42 -link1; rm {RULES}")
    server.run("sed -i /puffy/d /etc/pf.conf; pfctl -a puffy.vmm -F rules; pfctl -f /etc/pf.conf")
    made = run(installed)
    assert recap(made, "server1")["failed"] == 0, messages(made)
    assert "vm5nic" in said(server, f"ifconfig {tap}")
    assert "LINK1" in said(server, "ifconfig veb42")
    assert said(server, "vmctl status") == running

    server.run("ifconfig veb42 destroy")
    repaired = run(installed)
    assert recap(repaired, "server1")["changed"] == 2, messages(repaired)
    shown = said(server, "ifconfig veb42")
    assert f"{tap} flags=3" in shown
    assert "pair84 flags=3" in shown
    assert "LINK1" in shown
    assert said(server, "vmctl status") == running
    assert recap(run(installed), "server1")["changed"] == 0


def test_a_vm_takes_its_rules_with_it_and_brings_them_back(installed: Site) -> None:
    server = installed.server1
    for verb, there in (("archive", False), ("restore", True)):
        done = installed.play("vm", "-e", "vm=web1", "-e", f"verb={verb}")
        assert done.returncode == 0, messages(done)
        assert ("# VM web1\n" in server.read(RULES).decode()) == there
        loaded = said(server, "pfctl -a puffy.vmm -s rules")
        assert ("from 203.0.113.14 " in loaded) == there
        # What test_vm.py does not look at: the VM comes and goes with its group's rules alone.
        assert "block drop in quick on vm3nic all" in loaded
    # Somebody else's rules are not this run's to change.
    server.run(f"sed -n '/vm3nic/!p' {RULES} > /tmp/x; cat /tmp/x > {RULES}")
    stopped = installed.play("vm", "-e", "vm=web1", "-e", "verb=archive")
    assert "it would also touch: shop1 in /etc/pf.puffy.vmm.conf" in messages(stopped)


def _until_put_back(server: Server) -> None:
    until = time.monotonic() + 60
    while server.run("test -e /var/backups/puffy.vmm/pending/journal").returncode == 0:
        assert time.monotonic() < until, "it was not put back"
        time.sleep(0.3)
