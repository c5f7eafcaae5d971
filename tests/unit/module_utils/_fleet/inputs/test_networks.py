# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Several networks a server: what vmm_networks takes, and what it makes of a server."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.model import server_variables
from unit.fleets import build, problems, sound
from unit.networks import DMZ, LAN, MORE, edge

BEHIND = {"uplink": {"vlan": 42, "parent": "em0"}}


def host(networks: list[dict[str, object]] | None, **changes: object) -> dict[str, Any]:
    fleet = sound(build({}, servers={"edge": edge(networks, **changes)}))
    described: dict[str, Any] = server_variables(fleet, "edge")["vmm_host"]
    return described


@pytest.mark.parametrize(
    ("networks", "changes", "complaint"),
    [
        ("lan", {}, "vmm_networks: 'lan' is not a list; give a list of networks, as in [{name: "
         "lan, ipv4_network: 203.0.113.0/24, ipv4_gateway: 203.0.113.1}]"),
        ([{**LAN, "vlan": 42}], {}, "vmm_networks: item 1: 'vlan' is unknown; give name, "
         "ipv4_network, ipv4_gateway, ipv4_range, ipv6_network, ipv6_gateway, ipv6_range, "
         "server_ipv4, server_ipv6, ipv6_prefixes and switch, as in {name: lan, ipv4_network: "
         "203.0.113.0/24, ipv4_gateway: 203.0.113.1}"),
        ([{"name": "lan"}], {}, "vmm_networks: item 1: ipv4_network is missing; give it, as in "
         "{name: lan, ipv4_network: 203.0.113.0/24, ipv4_gateway: 203.0.113.1}"),
        ([{**LAN, "name": "Lan"}], {}, "vmm_networks: item 1: name: 'Lan' is not a name for a "
         "network; use a-z, 0-9 and hyphens, a letter first, at most 31 characters"),
        ([LAN, {**MORE, "name": "lan"}], {}, "vmm_networks: lan is the name of two networks; every "
         "network needs its own"),
        ([LAN, {**MORE, "ipv4_network": "203.0.113.8/29"}], {}, "vmm_networks: more: "
         "203.0.113.8/29 overlaps with the network lan; an address belongs to one network"),
        ([LAN, {**MORE, "switch": "nowhere"}], {}, "vmm_networks: more: switch: nowhere is not a "
         "switch of edge; use one of uplink, dmz, or add it to vmm_switches"),
        ([DMZ, LAN], {}, "vmm_networks: dmz: the first network is on the switch uplink, which "
         "vmm_switch names; put another one first"),
        ([LAN], {"ipv4_gateway": "203.0.113.1"}, "vmm_ipv4_gateway: is given as well as "
         "vmm_networks; give all networks there, and take this out"),
        ([LAN], BEHIND, "vmm_networks: lan: server_ipv4: is missing; behind vmm_uplink the gateway "
         "may be another machine, so give the server's own address on the VMs' network"),
        ([{**LAN, "ipv4_gateway": "203.0.113.15"}], {}, "vmm_networks: lan: ipv4_gateway: "
         "203.0.113.15 is not a usable address of 203.0.113.0/28"),
        ([{**LAN, "server_ipv4": "192.0.2.1"}], {}, "vmm_networks: lan: server_ipv4: 192.0.2.1 is "
         "not a usable address of 203.0.113.0/28"),
        ([{**LAN, "ipv6_prefixes": "2001:db8:100::/40"}], {}, "vmm_networks: lan: ipv6_prefixes: "
         "needs ipv6_network; give that too"),
        ([LAN, DMZ], {"host_interface": "pair3"}, "vmm_switches: pair2 would be the server's own "
         "interface on the switches uplink and dmz; give one of them another host_interface"),
    ],
)  # fmt: skip
def test_what_networks_do_not_take(
    networks: object, changes: dict[str, object], complaint: str
) -> None:
    complaints = problems({}, servers={"edge": edge(networks, **changes)})
    assert complaints[0] == f"edge: {complaint}"


def test_each_switch_with_networks_has_an_interface_of_the_server() -> None:
    described = host([LAN, DMZ])
    links = {link["name"]: link for link in described["links"]}
    assert links["veb1"] == {
        "name": "veb1", "members": ["pair2"], "without": ["vport1"], "prove": "198.51.100.1",
    }  # fmt: skip
    assert links["pair3"] == {
        "name": "pair3",
        "addresses": ["198.51.100.1/24"],
        "first_address": "198.51.100.1",
        "patch": "pair2",
    }
    # What there is for one network is as it was: the role has its proof.
    assert "prove" not in links["veb0"]
    assert [switch["group"] for switch in described["switches"]] == ["vmswitch", "vmswitch"]


def test_a_switch_of_vlan_has_its_uplink() -> None:
    dmz = {"name": "dmz", "interface": "veb1", "uplink": {"vlan": 43, "parent": "em0"}}
    networks = [{**LAN, "server_ipv4": "203.0.113.2"}, {**DMZ, "server_ipv4": "198.51.100.2"}]
    described = host(networks, switches=[dmz], **BEHIND)
    names = [link["name"] for link in described["links"] if not link.get("retired")]
    # The parent of both VLANs is there once.
    assert names == ["em0", "vlan42", "pair0", "veb0", "pair1", "vlan43", "pair2", "veb1", "pair3"]
    assert [wire["uplink"] for wire in described["wires"]] == ["vlan42", "vlan43"]


def test_a_second_network_on_a_switch_is_served_from_the_first() -> None:
    described = host([{**LAN, "server_ipv4": "203.0.113.2"}, MORE], **BEHIND)
    lan, more = described["networks"]
    assert (lan["beyond"], more["beyond"]) == (False, True)
    assert more["ipv4"]["server"] == more["dhcp"] == "203.0.113.2"
    (pair,) = (link for link in described["links"] if link["name"] == "pair1")
    assert pair["addresses"] == ["203.0.113.2/28"]


def test_a_single_address_that_is_routed_to_the_server() -> None:
    single: dict[str, object] = {
        "name": "one",
        "ipv4_network": "198.51.100.241/32",
        "ipv4_gateway": "10.255.0.1",
    }
    described = host([single])
    (pair,) = (link for link in described["links"] if link["name"] == "pair1")
    assert pair["addresses"] == ["10.255.0.1/32"]
    assert pair["routes"] == [{"to": "198.51.100.241/32"}]
    assert described["wires"][0]["foreign"]


def test_an_address_that_the_server_has_elsewhere_is_left_to_it() -> None:
    """Nobody here knows its length, and the wrong one would cut the server off."""
    single: dict[str, object] = {
        "name": "one", "ipv4_network": "198.51.100.241/32", "ipv4_gateway": "192.0.2.254",
        "server_ipv4": "192.0.2.4",
    }  # fmt: skip
    described = host([single], **BEHIND)
    (pair,) = (link for link in described["links"] if link["name"] == "pair1")
    assert pair["addresses"] == []
    assert described["networks"][0]["beyond"]


def test_the_short_form_may_have_its_gateway_elsewhere() -> None:
    short = {"ipv4_network": "198.51.100.48/29", "ipv4_gateway": "192.0.2.254"}
    described = host(None, **short)
    assert [network["name"] for network in described["networks"]] == ["default"]
    assert described["ipv4"]["gateway"] == "192.0.2.254"
