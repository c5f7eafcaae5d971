# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The preset nat over real ssh: VMs behind a server with one public address, and ports for them."""

from __future__ import annotations

import subprocess

from integration.harness import Site, messages, recap

from sandbox.server import Server

FORWARD = "forward: [{port: 2201, to: 22}, {protocol: udp, port: 51820}]\n"


def said(server: Server, command: str) -> str:
    return server.run(command).stdout.decode()


def run(site: Site, *words: str) -> subprocess.CompletedProcess[str]:
    return site.play("site", "--limit", "server1", *words)


def roles(result: subprocess.CompletedProcess[str]) -> set[str]:
    """Return the roles that changed anything in a run."""
    lines = (line.split("  ") for line in result.stdout.splitlines())
    return {words[1] for words in lines if words[0] == "server1" and len(words) == 3}


def test_ports_come_and_go(site: Site) -> None:
    server = site.server1
    host_vars = site.directory / "inventories/example/host_vars/server1.yml"
    text = host_vars.read_text().replace("network_manage: true\n", "")
    host_vars.write_text(text.replace("vmm_preset: veb\n", "vmm_preset: nat\n"))
    first = run(site)
    assert first.returncode == 0, messages(first)
    assert said(server, "sysctl -n net.inet.ip.forwarding") == "1\n"
    assert "inet 203.0.113.1 netmask" in said(server, "ifconfig pair85")
    plain = said(server, "pfctl -a puffy.vmm -s rules")
    assert (
        "pass out quick on egress inet from 203.0.113.0/24 to any flags S/SA keep state (if-bound) "
        "nat-to (egress:0)\n" in plain
    )
    assert recap(run(site), "server1")["changed"] == 0

    web1 = site.vm_file("web1").read_text()
    site.vm_file("web1").write_text(web1 + FORWARD)
    check = run(site, "--check", "--diff")
    assert "+pass in quick on egress inet proto tcp to (egress) port 2201 rdr-to" in check.stdout
    assert said(server, "pfctl -a puffy.vmm -s rules") == plain
    added = run(site)
    assert roles(added) == {"pf"}, messages(added)
    live = said(server, "pfctl -a puffy.vmm -s rules")
    assert (
        "pass in quick on egress inet proto tcp from any to (egress) port = 2201 flags S/SA keep "
        "state (if-bound) rdr-to 203.0.113.14 port 22\n" in live
    )
    assert (
        "pass in quick on egress inet proto udp from any to (egress) port = 51820 keep state "
        "(if-bound) rdr-to 203.0.113.14\n" in live
    )
    # The same after a boot, and nothing is to be done.
    server.run("pfctl -a puffy.vmm -F rules; pfctl -F rules; pfctl -f /etc/pf.conf")
    assert said(server, "pfctl -a puffy.vmm -s rules") == live
    again = run(site)
    assert recap(again, "server1")["changed"] == 0, messages(again)

    # Another VM that wants one of the ports is left as it was.
    db1 = site.vm_file("db1").read_text()
    site.vm_file("db1").write_text(db1 + "forward: [{port: 2201}]\n")
    clash = run(site)
    assert "2201/tcp is also the port of " in messages(clash)
    assert "Traceback" not in messages(clash)
    assert said(server, "pfctl -a puffy.vmm -s rules") == live
    site.vm_file("db1").write_text(db1)

    site.vm_file("web1").write_text(web1)
    taken = run(site)
    assert roles(taken) == {"pf"}, messages(taken)
    assert said(server, "pfctl -a puffy.vmm -s rules") == plain
    assert recap(run(site), "server1")["changed"] == 0
