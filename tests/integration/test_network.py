# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The role network over real ssh: a bare server's switch, drift, and changes that cut it off."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path

import pytest
from integration.harness import Site, messages, recap, state

from sandbox.server import Server

UPLINK = (
    "vmm_uplink: {vlan: 42, parent: aggr0, members: [pair1, pair2]}\n"
    "vmm_server_ipv4: 203.0.113.2\nvmm_server_ipv6: '2001:db8:6::2'\nnetwork_manage: true\n"
)
PLAYBOOK = (
    "- hosts: server1\n  gather_facts: false\n  roles: [puffy.vmm.network]\n"
    "  vars: {network_confirm: 8}\n"
)


def run(site: Site, *words: str) -> subprocess.CompletedProcess[str]:
    return site.run("ansible-playbook", "-i", "inventories/example", "network.yml", *words)


def host_vars(site: Site) -> Path:
    return site.directory / "inventories/example/host_vars/server1.yml"


def said(server: Server, command: str) -> str:
    return server.run(command).stdout.decode()


@pytest.fixture
def bare(site: Site) -> Site:
    """Two more interfaces, and no switch."""
    site.server1.run("for i in pair1 pair2 tap9; do ifconfig $i create; done")
    (site.directory / "network.yml").write_text(PLAYBOOK)
    text = host_vars(site).read_text().replace("network_manage: true\n", "")
    host_vars(site).write_text(text + UPLINK)
    return site


def test_from_nothing_to_drift_and_back(bare: Site) -> None:
    server = bare.server1
    before = state(server)
    check = run(bare, "--check", "--diff")
    assert recap(check, "server1")["changed"] == 1, messages(check)
    assert "would put vlan42 into veb42" in check.stdout
    assert "+add vlan42" in check.stdout
    assert state(server) == before

    first = run(bare)
    assert recap(first, "server1")["changed"] == 1, messages(first)
    # The look before (check mode's too), the change, and its confirmation.
    assert len(bare.executions()) == 4
    shown = said(server, "ifconfig veb42; ifconfig vlan42; ifconfig pair85; ifconfig aggr0")
    for line in (
        "vlan42 flags=3", "pair84 flags=3", "patch: pair84", "encap: vnetid 42 parent aggr0",
        "inet 203.0.113.2 netmask 0xffffff00", "inet6 2001:db8:6::2 prefixlen 64",
        "pair1 port active", "pair2 port active",
    ):  # fmt: skip
        assert line in shown, shown

    there = state(server)
    # What netstart makes of the files at the next boot is the same.
    server.run("for i in veb42 pair84 pair85 vlan42 aggr0; do ifconfig $i destroy; done")
    started = server.run("sh /etc/netstart pair1 pair2 veb42 pair84 pair85 aggr0 vlan42")
    assert (started.returncode, started.stderr) == (0, b"")
    second = run(bare)
    assert recap(second, "server1")["changed"] == 0, messages(second)
    assert state(server) == there

    # Somebody else's member and address, and then what goes wrong.
    server.run("ifconfig veb42 add tap9; ifconfig pair85 inet 198.51.100.9/24 alias")
    server.run("echo 'description \"ours, $if\"' >> /etc/hostname.veb42")
    assert recap(run(bare), "server1")["changed"] == 0
    server.run("ifconfig veb42 del vlan42; ifconfig pair85 inet 203.0.113.2 -alias")
    server.run("ifconfig vlan42 destroy; ifconfig aggr0 -trunkport pair2; ifconfig pair1 down")
    repaired = run(bare)
    assert recap(repaired, "server1")["changed"] == 1, messages(repaired)
    assert "vlan42 flags=3" in said(server, "ifconfig veb42")
    assert "tap9 flags=3" in said(server, "ifconfig veb42")
    # The server's own address comes first again, without which the proof hears the other one.
    addresses = re.findall(r"inet (\S+)", said(server, "ifconfig pair85"))
    assert addresses == ["203.0.113.2", "198.51.100.9"]
    assert "description" in said(server, "cat /etc/hostname.veb42")

    # Another VLAN: our member goes, and other members stay.
    host_vars(bare).write_text(host_vars(bare).read_text().replace("vlan: 42", "vlan: 43"))
    moved = run(bare)
    assert recap(moved, "server1")["changed"] == 1, messages(moved)
    shown = said(server, "ifconfig veb42")
    assert "vlan43 flags=3" in shown
    assert "tap9 flags=3" in shown
    assert "vlan42 flags=3" not in shown
    assert recap(run(bare), "server1")["changed"] == 0


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("parent: aggr0, members: [pair1, pair2]", "parent: em9",
         "network: em9: there is no interface em9 on this server; it has vio0, pair1, pair2"),
        ("parent: aggr0, members: [pair1, pair2]", "parent: 'em0;reboot'", "vmm_uplink: parent"),
        ("members: [pair1, pair2]", "members: [pair1, vio0]",
         "vio0 has the address 10.0.2.15/24, which the server could not use any more"),
        ("vmm_server_ipv4: 203.0.113.2\n", "", "vmm_server_ipv4: is missing"),
        ("vmm_server_ipv4: 203.0.113.2", "vmm_server_ipv4: 10.0.2.15", "is not a usable address"),
    ],
)  # fmt: skip
def test_a_bad_value_is_refused_before_anything_is_touched(
    bare: Site, old: str, new: str, text: str
) -> None:
    assert old in host_vars(bare).read_text()
    host_vars(bare).write_text(host_vars(bare).read_text().replace(old, new))
    before = state(bare.server1)
    result = run(bare)
    assert result.returncode != 0
    assert text in messages(result), messages(result)
    assert state(bare.server1) == before


def test_a_change_that_cuts_the_server_off_is_put_back(bare: Site) -> None:
    server = bare.server1
    before, network = state(server), said(server, "ifconfig -A")
    # The third execution would confirm.
    server.fault("cut_after", "1", "3")
    result = run(bare)
    assert result.returncode != 0
    assert "vlan42" in said(server, "ifconfig veb42")
    _until_put_back(server)
    assert state(server) == before
    assert said(server, "ifconfig -A") == network
    server.clear("cut_after")

    # A tap that came into the switch meanwhile: it is not destroyed with it.
    server.fault("cut_after", "1", "3")
    run(bare)
    server.run("ifconfig veb42 add tap9")
    _until_put_back(server)
    shown = said(server, "ifconfig veb42")
    assert "tap9 flags=3" in shown
    assert "vlan42" not in shown
    server.clear("cut_after")


def test_a_command_that_fails_takes_back_those_before_it(bare: Site) -> None:
    """pflog(4) is not Ethernet: ifconfig exits with 0, but the kernel did not accept it."""
    server = bare.server1
    text = host_vars(bare).read_text().replace("aggr0, members: [pair1, pair2]", "pflog0")
    host_vars(bare).write_text(text)
    before, network = state(server), said(server, "ifconfig -A")
    result = run(bare)
    assert recap(result, "server1")["failed"] == 1
    assert "network: vlan42: the kernel does not take this VLAN" in messages(result)
    assert "The server is as it was before." in messages(result)
    assert state(server) == before
    assert said(server, "ifconfig -A") == network


def test_without_an_uplink_only_when_asked(bare: Site) -> None:
    text = host_vars(bare).read_text().replace(UPLINK, "")
    host_vars(bare).write_text(text)
    assert recap(run(bare), "server1")["changed"] == 0
    assert bare.server1.run("ifconfig veb42").returncode != 0
    made = run(bare, "-e", "network_manage=true")
    assert recap(made, "server1")["changed"] == 1, messages(made)
    assert "pair84 flags=3" in said(bare.server1, "ifconfig veb42")
    assert "inet 203.0.113.1 " in said(bare.server1, "ifconfig pair85")


def test_a_server_with_a_vport_is_brought_over(bare: Site) -> None:
    """In one confirmed change, which leaves the taps of running VMs where they are."""
    server = bare.server1
    text = host_vars(bare).read_text()
    host_vars(bare).write_text(text + "vmm_host_interface: vport42\n")
    assert recap(run(bare), "server1")["changed"] == 1
    assert "inet 203.0.113.2 " in said(server, "ifconfig vport42")
    server.run("ifconfig veb42 add tap9; ifconfig tap9 description vm3-if0-web1 up")
    # A member that was put back is the last one.
    before, network = state(server), sorted(said(server, "ifconfig -A").splitlines())

    host_vars(bare).write_text(text)
    server.fault("cut_after", "1", "3")
    assert run(bare).returncode != 0
    assert "inet 203.0.113.2 " in said(server, "ifconfig pair85")
    _until_put_back(server)
    assert state(server) == before
    assert sorted(said(server, "ifconfig -A").splitlines()) == network
    server.clear("cut_after")

    moved = run(bare)
    assert recap(moved, "server1")["changed"] == 1, messages(moved)
    shown = said(server, "ifconfig veb42")
    members = ("pair84", "tap9", "vlan42", "vport42")
    there = [name for name in members if f"\t{name} flags" in shown]
    assert there == ["pair84", "tap9", "vlan42"]
    assert "inet " not in said(server, "ifconfig vport42")
    for line in ("patch: pair84", "inet 203.0.113.2 ", "inet6 2001:db8:6::2 "):
        assert line in said(server, "ifconfig pair85")
    assert "203.0.113.2" not in said(server, "cat /etc/hostname.vport42")
    assert recap(run(bare), "server1")["changed"] == 0
    # And back, for servers where pf does not see the ports.
    host_vars(bare).write_text(text + "vmm_host_interface: vport42\n")
    assert recap(run(bare), "server1")["changed"] == 1
    assert "inet 203.0.113.2 " in said(server, "ifconfig vport42")


def _until_put_back(server: Server) -> None:
    until = time.monotonic() + 60
    while server.run("test -e /var/backups/puffy.vmm/pending/journal").returncode == 0:
        assert time.monotonic() < until, "it was not put back"
        time.sleep(0.3)
