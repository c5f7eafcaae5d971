# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The preset nat, and ports of a server that lead to its VMs."""

from __future__ import annotations

import pytest
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.model import (
    server_variables,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.variables import vm_variables
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.forwards import (
    Forward,
    Ports,
    forwards,
    reserved_ports,
    ssh_port,
)
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Refused
from hypothesis import given
from hypothesis import strategies as st
from unit.fleets import SERVERS, build, ledger_texts, problems, server, sound, vm

NAT = {
    "server6": server(
        preset="nat",
        ipv4_network="10.0.6.0/24",
        ipv4_gateway="10.0.6.1",
        ipv4_range=["10.0.6.10", "10.0.6.99"],
    )
}


def test_what_the_preset_sets() -> None:
    host = server_variables(sound(build({}, servers=NAT)), "server6")["vmm_host"]
    assert (host["preset"], host["uplink"], host["host_interface"]) == ("nat", None, "pair1")
    assert host["switch"] == {"name": "private", "interface": "veb0", "group": "vmswitch"}
    assert host["sysctl"] == {"net.inet.ip.arpq.maxlen": "256", "net.inet.ip.forwarding": "1"}
    assert host["ipv4"]["server"] == host["ipv4"]["gateway"] == "10.0.6.1"
    assert [link["name"] for link in host["links"]] == ["pair0", "veb0", "vport0", "pair1"]


def test_a_bridge_does_as_well() -> None:
    servers = {"server6": {**NAT["server6"], "vmm_switch": {"interface": "bridge0"}}}
    host = server_variables(sound(build({}, servers=servers)), "server6")["vmm_host"]
    assert [link["name"] for link in host["links"]] == ["vether0", "bridge0"]
    assert host["links"][0]["addresses"][0] == "10.0.6.1/24"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            {"vmm_uplink": {"parent": "em1"}, "vmm_server_ipv4": "10.0.6.1"},
            "vmm_uplink: leads out of the switch, and with the preset nat the VMs are on a network "
            "behind the server; take it out, or use the preset veb",
        ),
        (
            {"vmm_server_ipv4": "10.0.6.2"},
            "vmm_server_ipv4: 10.0.6.2 is not the gateway, 10.0.6.1, which with the preset nat is "
            "the server itself; take it out",
        ),
        (
            {"vmm_host_interface": "em1"},
            "vmm_host_interface: em1 cannot have an address on a veb(4), which takes its ports "
            "away from the server; use a pair(4), such as pair1, or a vport(4), such as vport0",
        ),
        (
            {"vmm_host_interface": "em1", "vmm_switch": {"interface": "bridge0"}},
            "vmm_host_interface: em1 is not on the bridge(4); use a vether(4), such as vether0",
        ),
        (
            {"vmm_reserved_ports": ["22", "no"]},
            "vmm_reserved_ports: item 2: 'no' is not a whole number; use one from 1 to 65535",
        ),
        (
            {"vmm_reserved_ports": "22-8"},
            "vmm_reserved_ports: '22-8' is not a list; give a list of ports, such as [22, "
            "8000-8010]",
        ),
    ],
)
def test_what_a_server_with_nat_does_not_take(changes: dict[str, object], problem: str) -> None:
    servers = {"server6": {**NAT["server6"], **changes}}
    assert problems({}, servers=servers) == [f"server6: {problem}"]


def test_forwards_are_described_as_pf_has_them() -> None:
    line = (
        "forward: [{port: 2201, to: 22}, {protocol: udp, port: 51820}, {port: 8000-8010}, "
        "{port: 443, to: 443}]"
    )
    fleet = sound(build({"web1.yml": vm(line)}, servers=NAT))
    (web1,) = server_variables(fleet, "server6")["vmm_vms"]
    assert web1["forward"] == [
        {"protocol": "tcp", "ports": "2201", "to": "22"},
        {"protocol": "udp", "ports": "51820", "to": "51820"},
        {"protocol": "tcp", "ports": "8000:8010", "to": "8000:8010"},
        {"protocol": "tcp", "ports": "443", "to": "443"},
    ]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("2201", "'2201' is not a list; give a list of ports, as in [{port: 2201, to: 22}]"),
        ("[2201]", "item 1: '2201' is not a mapping; give port, protocol and to, as in "
         "{port: 2201, to: 22}"),
        ("[{to: 22}]", "item 1: port is missing; give it, as in "
         "{port: 2201, to: 22}"),
        ("[{port: 2201, from: any}]", "item 1: 'from' is unknown; give port, protocol and to, as "
         "in {port: 2201, to: 22}"),
        ("[{port: 0}]", "item 1: port: 0 is out of bounds; use a whole number from 1 to 65535"),
        ("[{port: 65536}]", "item 1: port: 65536 is out of bounds; use a whole number from 1 to "
         "65535"),
        ("[{port: http}]", "item 1: port: 'http' is not a whole number; use one from 1 to 65535"),
        ("[{port: 8010-8000}]", "item 1: port: '8010-8000' is not a range of ports; write the "
         "lower one first, up to 65535"),
        ("[{port: 8000-70000}]", "item 1: port: '8000-70000' is not a range of ports; write the "
         "lower one first, up to 65535"),
        ("[{port: 8000-8010, to: 80}]", "item 1: to: a range of ports keeps its numbers; take it "
         "out, or forward one port"),
        ("[{port: 2201, protocol: sctp}]", "item 1: protocol: 'sctp' is not one of tcp, udp"),
        ("[{port: 2201}, {port: 2201}]", "item 2 is the same as item 1"),
        ("[{port: 2201}, {port: 2201, to: 22}]", "item 2: 2201/tcp is already in item 1 "
         "(2201/tcp)"),
        ("[{port: 8000-8010}, {port: 8010-8020}]", "item 2: 8010-8020/tcp is already in item "
         "1 (8000-8010/tcp)"),
        ("[{port: 22}]", "22/tcp: 22 is a port of server6 itself, by vmm_reserved_ports; use "
         "another"),
        ("[{port: 20-30}]", "20-30/tcp: 22 is a port of server6 itself, by vmm_reserved_ports; "
         "use another"),
    ],
)  # fmt: skip
def test_what_forward_does_not_take(line: str, complaint: str) -> None:
    assert problems({"web1.yml": vm(f"forward: {line}")}, servers=NAT) == [
        f"vms/web1.yml: forward: {complaint}"
    ]


def test_there_is_a_most() -> None:
    lines = ", ".join(f"{{port: {2200 + place}}}" for place in range(65))
    assert problems({"web1.yml": vm(f"forward: [{lines}]")}, servers=NAT) == [
        "vms/web1.yml: forward: are 65; forward at most 64, or use ranges of ports"
    ]
    assert problems({"web1.yml": vm("forward: []")}) == []


def test_only_a_server_with_nat_forwards() -> None:
    assert problems({"web1.yml": vm("forward: [{port: 2201}]")}) == [
        "vms/web1.yml: forward: is for servers with vmm_preset: nat, and server6 has veb; take it "
        "out"
    ]


def test_a_port_leads_to_one_vm_of_a_server() -> None:
    servers = {**NAT, "server7": {**SERVERS["server7"], "vmm_preset": "nat"}}
    vms = {
        "a.yml": vm("forward: [{port: 8000-8010}]"),
        "b.yml": vm("forward: [{port: 8005-8020}]"),
        "c.yml": vm("forward: [{port: 8005, protocol: udp}]"),
        "d.yml": vm("forward: [{port: 8005}]", server="server7"),
    }
    assert problems(vms, servers=servers) == [
        "vms/b.yml: forward: 8005/tcp is also the port of a on server6 (vms/a.yml); every VM needs "
        "its own"
    ]
    # Who is there already keeps it, whatever the names.
    before = sound(build({"b.yml": vms["b.yml"]}, servers=servers))
    after = build(vms, ledger_texts(before), servers, kept=before.kept)
    assert [machine.name for machine in after.vms] == ["b", "c", "d"]


def test_a_copy_whose_port_is_another_vms_now_does_not_do() -> None:
    before = sound(build({"a.yml": vm("forward: [{port: 2201}]")}, servers=NAT))
    vms = {"a.yml": vm("memory: 1 GB"), "b.yml": vm("forward: [{port: 2201}]")}
    after = build(vms, ledger_texts(before), NAT, kept=before.kept)
    assert after.unknown == {"server6": {"a"}}


def test_ports_that_are_nobodys_can_be_given_back() -> None:
    servers = {"server6": {**NAT["server6"], "vmm_reserved_ports": [2222, "8000-8010"]}}
    assert problems({"a.yml": vm("forward: [{port: 22}]")}, servers=servers) == []
    assert problems({"a.yml": vm("forward: [{port: 8010, protocol: udp}]")}, servers=servers) == [
        "vms/a.yml: forward: 8010/udp: 8000-8010 is a port of server6 itself, by "
        "vmm_reserved_ports; use another"
    ]
    assert reserved_ports([]) == ()


@pytest.mark.parametrize(
    ("line", "host", "port"),
    [
        ("[]", "10.0.6.10", None),
        ("[{port: 2201}]", "10.0.6.10", None),
        ("[{port: 2201, to: 22, protocol: udp}]", "10.0.6.10", None),
        ("[{port: 443}, {port: 2201, to: 22}, {port: 2202, to: 22}]", "vmm6.example.net", 2201),
    ],
)
def test_ansible_reaches_a_vm_by_its_servers_port(line: str, host: str, port: int | None) -> None:
    (web1,) = sound(build({"web1.yml": vm(f"forward: {line}")}, servers=NAT)).vms
    variables = vm_variables(web1, "vmm6.example.net")
    assert (variables["ansible_host"], variables.get("ansible_port")) == (host, port)
    assert variables["vmm_ssh_port"] == port
    assert vm_variables(web1)["ansible_host"] in (host, "server6")


def test_a_range_may_hold_ssh() -> None:
    assert ssh_port([Forward("tcp", Ports(20, 30))]) == 22


PORTS = st.integers(1, 65535)


@given(st.lists(st.tuples(st.sampled_from(["tcp", "udp"]), PORTS, PORTS), min_size=1, max_size=5))
def test_no_two_forwards_of_a_vm_are_for_the_same_packet(
    items: list[tuple[str, int, int]],
) -> None:
    data = [
        {"protocol": protocol, "port": low if low == high else f"{min(low, high)}-{max(low, high)}"}
        for protocol, low, high in items
    ]
    try:
        taken = forwards(data)
    except Refused:
        return
    ports = [port for forward in taken for port in forward.each]
    assert len(ports) == len(set(ports))
