# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Which network a VM gets its addresses from, and that they stay its own."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.model import Fleet
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.fleets import build, ledger, ledger_texts, problems, sound, vm
from unit.networks import DMZ, INSIDE, LAN, MORE, edge

SMALL = {**LAN, "ipv4_range": ["203.0.113.3", "203.0.113.4"]}


def at_edge(*lines: str) -> str:
    return vm(*lines, server="edge")


def addresses(fleet: Fleet) -> dict[str, str]:
    return {
        machine.name: f"{machine.number} {machine.network} {machine.ipv4}"
        for machine in sound(fleet).vms
    }


def test_a_vm_gets_an_address_of_the_first_network_that_has_room() -> None:
    vms = {f"{name}.yml": at_edge() for name in "abcd"}
    assert addresses(build(vms, servers={"edge": edge([SMALL, MORE])})) == {
        "a": "1 lan 203.0.113.3",
        "b": "2 lan 203.0.113.4",
        # The number's own address where it is free, and otherwise the lowest.
        "c": "3 more 203.0.113.67",
        "d": "4 more 203.0.113.68",
    }


def test_a_vm_that_names_its_network() -> None:
    vms = {"a.yml": at_edge("network: dmz"), "b.yml": at_edge(), "c.yml": at_edge("network: dmz")}
    fleet = build(vms, servers={"edge": edge([SMALL, DMZ])})
    assert addresses(fleet) == {
        # The first address is the gateway's.
        "a": "1 dmz 198.51.100.2",
        "b": "2 lan 203.0.113.4",
        "c": "3 dmz 198.51.100.3",
    }
    assert [machine.interfaces[0].switch for machine in fleet.vms] == ["dmz", "uplink", "dmz"]


def test_an_address_that_is_given_says_the_network() -> None:
    vms = {"a.yml": at_edge("ipv4: 198.51.100.77"), "b.yml": at_edge("number: 9")}
    assert addresses(build(vms, servers={"edge": edge([SMALL, DMZ])})) == {
        "a": "1 dmz 198.51.100.77",
        "b": "9 lan 203.0.113.3",
    }


def test_what_was_handed_out_never_moves() -> None:
    """Not for another order of networks, more room in the first, or more VMs."""
    vms = {f"{name}.yml": at_edge() for name in "bcd"}
    before = build(vms, servers={"edge": edge([SMALL, MORE])})
    kept = ledger_texts(before)
    vms["a.yml"] = at_edge()
    for networks in ([MORE, LAN], [LAN, MORE], [LAN, MORE, DMZ]):
        after = addresses(build(vms, kept, {"edge": edge(networks)}))
        assert {name: after[name] for name in "bcd"} == addresses(before)


def test_one_network_becomes_several() -> None:
    short = {key: value for key, value in LAN.items() if key != "name"}
    before = build({"a.yml": at_edge()}, servers={"edge": edge(None, **short)})
    assert addresses(before) == {"a": "2 default 203.0.113.2"}
    servers = {"edge": edge([LAN, DMZ])}
    assert addresses(build({"a.yml": at_edge()}, ledger_texts(before), servers)) == {
        "a": "2 lan 203.0.113.2"
    }


def test_further_interfaces_get_addresses_where_they_are_asked_for() -> None:
    text = at_edge(
        "number: 7",
        "interfaces: [{switch: dmz}, {switch: dmz, network: dmz}, "
        "{switch: dmz, ipv4: 198.51.100.99}]",
    )
    fleet = sound(build({"a.yml": text}, servers={"edge": edge([LAN, DMZ])}))
    (machine,) = fleet.vms
    assert [(nic.network, str(nic.ipv4), nic.group) for nic in machine.interfaces] == [
        ("lan", "203.0.113.7", "vm7nic"),
        (None, "None", None),
        ("dmz", "198.51.100.7", "vm7nicc"),
        ("dmz", "198.51.100.99", "vm7nicd"),
    ]
    (text,) = ledger_texts(fleet).values()
    assert "other_ipv4: [198.51.100.7, 198.51.100.99]" in text


def test_the_address_of_a_further_interface_stays_where_its_place_does_not() -> None:
    servers = {"edge": edge([LAN, DMZ])}
    before = at_edge("number: 7", "interfaces: [{switch: uplink}, {switch: dmz, network: dmz}]")
    taken = at_edge("number: 8", "network: dmz", "ipv4: 198.51.100.10")
    kept = ledger_texts(build({"a.yml": before}, servers=servers))
    text = at_edge("number: 7", "interfaces: [{switch: dmz, network: dmz}]")
    fleet = sound(build({"a.yml": text, "b.yml": taken}, kept, servers))
    assert str(fleet.vms[0].interfaces[1].ipv4) == "198.51.100.7"
    # What it had is nobody else's, and comes back with the interface.
    fleet = sound(build({"a.yml": at_edge("number: 7"), "b.yml": taken}, kept, servers))
    assert "other_ipv4: [198.51.100.7]" in ledger_texts(fleet)["edge.yml"]


def test_a_vm_as_it_was_has_all_of_its_addresses() -> None:
    servers = {"edge": edge([LAN, DMZ])}
    text = at_edge("number: 7", "interfaces: [{switch: dmz, network: dmz}]")
    before = sound(build({"a.yml": text}, servers=servers))
    broken = {"a.yml": text + "nonsense: 1\n"}
    kept = ledger_texts(before)
    after = build(broken, kept, servers, kept=before.kept)
    assert [str(nic.ipv4) for nic in after.vms[0].interfaces] == ["203.0.113.7", "198.51.100.7"]
    # Somebody took them out of the ledger.
    lost = {"edge.yml": kept["edge.yml"].replace(", other_ipv4: [198.51.100.7]", "")}
    after = build(broken, lost, servers, kept=before.kept)
    assert (after.vms, after.unknown) == ((), {"edge": frozenset({"a"})})


def test_what_a_purged_vm_had_is_nobodys_for_a_while() -> None:
    servers = {"edge": edge([LAN, DMZ])}
    quarantine = (
        "vms: {}\nquarantine:\n  7: {vm: old, since: 2026-11-24, other_ipv4: [198.51.100.2]}\n"
    )
    text = at_edge("interfaces: [{switch: dmz, ipv4: 198.51.100.2}]")
    (complaint,) = problems({"a.yml": text}, {"edge.yml": quarantine}, servers)
    assert "198.51.100.2 is also the IPv4 address of old (purged)" in complaint


def test_a_prefix_for_each_vm_by_its_number() -> None:
    fleet = sound(build({"a.yml": at_edge("number: 7")}, servers={"edge": edge([INSIDE])}))
    assert str(fleet.vms[0].ipv6_prefix) == "2001:db8:100:7::/64"


@pytest.mark.parametrize(
    ("vms", "ledgers", "complaint"),
    [
        ({"a.yml": at_edge("network: lam")}, {}, "vms/a.yml: network: 'lam' is not a network of "
         "edge; use one of lan, dmz, or add it to vmm_networks"),
        ({"a.yml": at_edge("network: dmz", "ipv4: 203.0.113.4")}, {}, "vms/a.yml: ipv4: "
         "203.0.113.4 is not a usable address of edge's network 198.51.100.0/24; use another one, "
         "or none"),
        ({"a.yml": at_edge("ipv4: 192.0.2.4")}, {}, "vms/a.yml: ipv4: 192.0.2.4 is not an address "
         "of edge's networks (203.0.113.0/28, 198.51.100.0/24); use another one, or none"),
        ({"a.yml": at_edge("network: dmz")}, {"edge.yml": ledger(
            "a: {number: 3, mac: fe:e1:bb:d1:c8:03, ipv4: 203.0.113.4}")},
         "vms/a.yml: network: dmz contradicts allocations/edge.yml, where a has 203.0.113.4 of "
         "lan; to keep 203.0.113.4 of lan, take network out of this file, or else take a out of "
         "the ledger"),
        ({name: at_edge() for name in ("a.yml", "b.yml", "c.yml")}, {"edge.yml": ledger(
            "x: {number: 255, ipv4: 198.51.100.4}")},
         "edge: vmm_networks: lan, dmz have no room for 1 more (c); enlarge a range, add a "
         "network, or move VMs to another server"),
        ({"a.yml": at_edge("interfaces: [{switch: dmz, ipv4: 198.51.100.1}]")}, {}, "vms/a.yml: "
         "interfaces: the address 198.51.100.1 is the gateway of edge's network 198.51.100.0/24; "
         "give the interface another one with ipv4"),
        ({"a.yml": at_edge("network: dmz", "ipv4: 198.51.100.4",
                           "interfaces: [{switch: dmz, ipv4: 198.51.100.4}]")}, {},
         "vms/a.yml: interfaces: the address 198.51.100.4 belongs to another interface of this "
         "VM; give the interface another one with ipv4"),
        ({"a.yml": at_edge("interfaces: [{switch: dmz, network: dmz, group: web}]"),
          "b.yml": at_edge("group: web")}, {}, "vms/b.yml: group: web is also the group of a on "
         "edge (vms/a.yml); every VM needs its own"),
        ({"a.yml": at_edge("group: web", "interfaces: [{switch: dmz, network: dmz, group: web}]")},
         {}, "vms/a.yml: interfaces: web is the group of a's first interface; use another"),
    ],
)  # fmt: skip
def test_what_does_not_fit(vms: dict[str, str], ledgers: dict[str, str], complaint: str) -> None:
    dmz = {**DMZ, "ipv4_range": ["198.51.100.4", "198.51.100.4"]}
    small = {**LAN, "ipv4_range": ["203.0.113.3", "203.0.113.4"]}
    assert complaint in problems(vms, ledgers, {"edge": edge([small, dmz])})


def test_a_number_without_a_prefix() -> None:
    inside = {**INSIDE, "ipv6_prefixes": "2001:db8:100::/62"}
    vms = {f"{name}.yml": at_edge() for name in "abcd"}
    assert problems({"a.yml": at_edge("number: 4")}, servers={"edge": edge([inside])}) == [
        "vms/a.yml: number: 4 is too high for 2001:db8:100::/62, which has a /64 for 3 VMs; use "
        "another one, or none"
    ]
    assert problems(vms, servers={"edge": edge([inside])})[0].startswith(
        "edge: vmm_ipv6_prefixes: 2001:db8:100::/62 is full: numbers in all 3"
    )


@pytest.mark.parametrize(
    ("first", "second", "complaint"),
    [
        ("2001:db8:100::/40", "2001:db8:101::/48", "2001:db8:101::/48 overlaps with "
         "2001:db8:100::/40 of edge's network inside; a prefix belongs to one VM"),
        ("2001:db8:100::/40", "2001:db8:200::/40", None),
        # The first /64 of prefixes belongs to nobody.
        ("2001:db8:6::/48", "2001:db8:200::/40", None),
        ("2001:db8:5::/46", "2001:db8:200::/40", "2001:db8:4::/46"),
        ("2001:db8:4::/46", "2001:db8:200::/40", "2001:db8:4::/46 overlaps with 2001:db8:6::/64"),
    ],
)  # fmt: skip
def test_prefixes_are_of_one_network(first: str, second: str, complaint: str | None) -> None:
    inside = edge([{**INSIDE, "ipv6_prefixes": first}])
    other = {**INSIDE, "ipv4_network": "10.0.1.0/24", "ipv4_gateway": "10.0.1.1",
             "ipv6_network": "2001:db8:7::/64", "ipv6_gateway": "2001:db8:7::1",
             "ipv6_prefixes": second}  # fmt: skip
    two = edge([other], mac_prefix="fe:e1:bb:d1:c9")
    complaints = problems({}, servers={"edge": inside, "two": two})
    assert bool(complaints) == bool(complaint)
    assert complaint is None or complaint in complaints[0]


NETWORK = st.sampled_from(["", "network: lan", "network: more", "network: dmz"])
FURTHER = st.lists(st.sampled_from(["uplink, network: lan", "uplink, network: more",
                                    "dmz, network: dmz", "dmz"]), max_size=3)  # fmt: skip
VMS = st.lists(st.tuples(NETWORK, FURTHER), max_size=8)


@settings(max_examples=60)
@given(VMS, VMS)
def test_addresses_are_each_ones_own_and_stay(
    first: list[tuple[str, list[str]]], second: list[tuple[str, list[str]]]
) -> None:
    servers = {"edge": edge([LAN, MORE, DMZ])}
    vms: dict[str, str | None] = {}
    kept: dict[str, str | None] = {}
    before: dict[str, list[str]] = {}
    for prefix, wishes in (("b", first), ("a", second)):
        for place, (network, further) in enumerate(wishes):
            interfaces = ", ".join(f"{{switch: {interface}}}" for interface in further)
            vms[f"{prefix}{place}.yml"] = at_edge(network, f"interfaces: [{interfaces}]")
        fleet = build(vms, kept, servers)
        kept = dict(ledger_texts(fleet))
        now = {machine.name: [str(nic.ipv4) for nic in machine.interfaces if nic.network]
               for machine in fleet.vms}  # fmt: skip
        flat = [address for own in now.values() for address in own]
        assert len(flat) == len(set(flat))
        for machine in fleet.vms:
            for nic in machine.interfaces:
                network_ = fleet.servers["edge"].network(nic.network or "")
                assert network_ is None or ip_address(str(nic.ipv4)) in network_.ipv4.network
        assert {name: now[name] for name in before if name in now} == before
        before = now
