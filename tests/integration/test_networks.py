# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""A server with one network gets a second one, and a VM is installed there."""

from __future__ import annotations

import re

from integration.harness import Site, messages, provide_sets, recap
from integration.test_guests import add
from integration.test_vm import status

NETWORKS = """
vmm_networks:
  - name: lan
    ipv4_network: 203.0.113.0/24
    ipv4_gateway: 203.0.113.1
    ipv4_range: [203.0.113.10, 203.0.113.200]
    ipv6_network: 2001:db8:6::/64
    ipv6_gateway: 2001:db8:6::1
  - name: more
    ipv4_network: 203.0.114.0/29
    ipv4_gateway: 203.0.114.1
  - name: dmz
    ipv4_network: 198.51.100.128/25
    ipv4_gateway: 198.51.100.129
    switch: backup
"""


def test_a_second_network(ready: Site) -> None:
    server = ready.server1
    provide_sets(server)
    there = (ready.fleet / "allocations/server1.yml").read_text().splitlines()
    variables = ready.directory / "inventories/example/host_vars/server1.yml"
    short = re.compile(r"^vmm_(server_)?ipv[46].*\n", re.MULTILINE)
    variables.write_text(short.sub("", variables.read_text()) + NETWORKS)
    ready.vm_file("db1").write_text(
        ready.vm_file("db1")
        .read_text()
        .replace("{switch: backup}", "{switch: backup, network: dmz}")
    )
    add(ready, "front", "network: dmz")
    add(ready, "other", "network: more")

    first = ready.play("site", "--limit", "server1")
    assert first.returncode == 0, messages(first)
    again = ready.play("site", "--limit", "server1")
    assert recap(again, "server1")["changed"] == 0, messages(again)
    # What was handed out is still there, and more.
    ledger = (ready.fleet / "allocations/server1.yml").read_text()
    assert all(line.rstrip("}") in ledger for line in there if "number" in line)
    assert "other_ipv4: [198.51.100.130]" in ledger
    shown = server.run("ifconfig veb43; ifconfig pair87; cat /etc/hostname.pair87").stdout.decode()
    for line in ("pair86 flags=3", "patch: pair86", "inet 198.51.100.129 netmask 0xffffff80",
                 "inet alias 198.51.100.129/25"):  # fmt: skip
        assert line in shown, shown
    assert b"dhcpd_flags=pair85 pair87\n" in server.read("/etc/rc.conf.local")

    # Two networks on one switch.
    conf = server.read("/etc/dhcpd.conf").decode()
    shared = conf[: conf.index("\n}\n\nsubnet 198.51.100.128 ")].partition("shared-network")[2]
    assert re.findall(r"^\tsubnet (\S+)", shared, re.MULTILINE) == ["203.0.113.0", "203.0.114.0"]

    # It asks for its address, its response file and its sets in the dmz.
    installed = ready.play("vm", "-e", "vm=front,other")
    assert installed.returncode == 0, messages(installed)
    assert status(ready)["front"][1] == status(ready)["other"][1] == "running"
    sheet = (ready.fleet / "handover/other.md").read_text()
    assert re.search(r"IPv4 address: `203\.0\.114\.\d/29`, gateway `203\.0\.114\.1`", sheet)
    daemon = server.run("cat /var/log/daemon /var/www/logs/access.log").stdout.decode()
    assert re.search(r"DHCPACK on 198\.51\.100\.\d+ to fe:e1:bb:d1:c6:\S+ via pair87", daemon)
    assert re.search(r" 198\.51\.100\.\d+ .*GET /pub/OpenBSD/7\.8/amd64/base78\.tgz", daemon)
    sheet = (ready.fleet / "handover/front.md").read_text()
    assert re.search(r"IPv4 address: `198\.51\.100\.\d+/25`, gateway `198\.51\.100\.129`", sheet)
    # vmd(8) knows a switch as it was when it started; until then, taps get its group here.
    after = ready.play("site", "--limit", "server1")
    lines = re.findall(r"^server1  (\S.+)", after.stdout, re.MULTILINE)
    assert all(re.fullmatch(r"pf  put tap\d into the group vmswitch", line) for line in lines)
    last = ready.play("site", "--limit", "server1")
    assert recap(last, "server1")["changed"] == 0, messages(last)
