# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Whose each address of a network is."""

from __future__ import annotations

import typing as t
from datetime import date
from itertools import pairwise

import pytest
from ansible_collections.puffy.vmm.plugins.plugin_utils._report.addresses import (
    addresses_of,
    networks,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._report.model import (
    Addresses,
    Kind,
    Network,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.fleets import build, ledger, server, sound, vm
from unit.reports import fleet

NO_IPV6: dict[str, object] = {"ipv6_network": None, "ipv6_gateway": None}
SMALL = server(
    ipv4_network="203.0.113.0/28", ipv4_range=["203.0.113.3", "203.0.113.12"],
    server_ipv4="203.0.113.2", reserved=["203.0.113.5-203.0.113.6", 6], **NO_IPV6,
)  # fmt: skip
LEDGER = ledger("web1: {number: 1}", "old: {number: 8, ipv4: 203.0.113.10}") + (
    "quarantine:\n  7: {vm: left, since: 2026-11-20, ipv4: 203.0.113.9}\n"
)
HOSTS = {
    "server6": [
        {"name": "camera", "mac": None, "addresses": ["203.0.113.13", "camera.example.org"]},
        {"name": "stale", "mac": None, "addresses": ["203.0.113.3"]},
    ]
}


def spans(network: Network) -> list[tuple[str, str, str]]:
    return [(span.text, span.kind, span.label) for span in network.spans]


def small(**more: t.Any) -> Network:
    made = sound(
        build(
            {"web1.yml": vm()}, {"server6.yml": LEDGER}, {"server6": SMALL},
            today=date(2026, 11, 29), **more,
        )
    )  # fmt: skip
    (network,) = networks(made, HOSTS)
    return network


def test_each_address_has_its_reason() -> None:
    assert spans(small()) == [
        ("203.0.113.0", "unusable", ""),
        ("203.0.113.1", "server", "gateway"),
        ("203.0.113.2", "server", "server6"),
        ("203.0.113.3", "used", "web1"),
        ("203.0.113.4", "free", ""),
        ("203.0.113.5-203.0.113.6", "reserved", "vmm_reserved"),
        ("203.0.113.7", "free", ""),
        ("203.0.113.8", "reserved", "number 6 is reserved"),
        ("203.0.113.9", "quarantined", "left (purged), until 2027-02-19"),
        ("203.0.113.10", "kept", "old, of which only the ledger has a line"),
        ("203.0.113.11-203.0.113.12", "free", ""),
        ("203.0.113.13", "foreign", "camera, in dhcpd.conf of server6"),
        ("203.0.113.14", "outside", ""),
        ("203.0.113.15", "unusable", ""),
    ]


def test_the_addresses_of_a_server_are_those_of_its_range() -> None:
    made = build({"web1.yml": vm()}, {"server6.yml": LEDGER}, {"server6": SMALL})
    counted = addresses_of(made.servers["server6"], networks(made, {}))
    assert counted == Addresses(total=10, taken=6)


def test_servers_share_a_network_and_each_has_its_range() -> None:
    first = server(
        ipv4_range=["203.0.113.10", "203.0.113.19"], server_ipv4="203.0.113.2", **NO_IPV6
    )
    two = {
        **first,
        "vmm_ipv4_range": ["203.0.113.30", "203.0.113.39"],
        "vmm_mac_prefix": "fe:e1:bb:d1:c9",
        "vmm_server_ipv4": "203.0.113.3",
    }
    made = sound(build({"web1.yml": vm()}, {}, {"server6": first, "server7": two}))
    (network,) = networks(made, {})
    assert network.servers == ("server6", "server7")
    assert network.counts == {
        Kind.SERVER: 3, Kind.USED: 1, Kind.FREE: 19, Kind.OUTSIDE: 231, Kind.UNUSABLE: 2,
    }  # fmt: skip
    assert addresses_of(made.servers["server7"], [network]) == Addresses(10, 0)
    assert addresses_of(made.servers["server6"], [network]) == Addresses(10, 1)


def test_a_large_network_takes_no_more_than_what_is_in_it() -> None:
    made = build({"web1.yml": vm()})
    _here, _there, ipv6 = networks(made, {})
    assert ipv6.version == 6
    assert ipv6.count(Kind.FREE) == (1 << 64) - 17
    assert spans(ipv6) == [
        ("2001:db8:6::", "unusable", ""),
        ("2001:db8:6::1", "server", "server6"),
        ("2001:db8:6::2-2001:db8:6::f", "outside", ""),
        ("2001:db8:6::10", "used", "web1"),
        ("2001:db8:6::11-2001:db8:6:0:ffff:ffff:ffff:ffff", "free", ""),
    ]


@pytest.mark.parametrize("network", ["203.0.113.8/31", "203.0.113.0/30", "203.0.112.0/23"])
def test_networks_of_other_sizes(network: str) -> None:
    gateway = network.rsplit(".", 1)[0] + (".9" if network.endswith("31") else ".1")
    made = build({}, {}, {"s": server(ipv4_network=network, ipv4_gateway=gateway, ipv4_range=None,
                                      dns_servers=["192.0.2.1"], **NO_IPV6)})  # fmt: skip
    (drawn,) = networks(made, {})
    assert covers(drawn)


def covers(network: Network) -> bool:
    """Whether each address of the network is in one span, and neighbors are not the same."""
    ends = [(a.last + 1, b.first, (a.kind, a.label) != (b.kind, b.label))
            for a, b in pairwise(network.spans)]  # fmt: skip
    whole = sum(network.counts.values()) == network.spans[-1].last - network.spans[0].first + 1
    return whole and all(end == first and differ for end, first, differ in ends)


@settings(max_examples=20, deadline=None)
@given(count=st.integers(1, 300))
def test_spans_cover_a_network(count: int) -> None:
    made = fleet(count)
    for network in networks(made, {}):
        assert covers(network)
        used = network.count(Kind.USED)
        assert used == len([vm for name in network.servers for vm in made.vms_of(name)])
