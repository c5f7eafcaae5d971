# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import pytest
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.address_plan import (
    AddressPlan,
    MacPlan,
    ipv4_bounds,
    ipv6_bounds,
    reserve,
    usable,
)
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("prefix", "base", "number", "mac"),
    [
        ("fe:e1:bb:d1:c8", "hex", 1, "fe:e1:bb:d1:c8:01"),
        ("fe:e1:bb:d1:c8", "hex", 10, "fe:e1:bb:d1:c8:0a"),
        ("fe:e1:bb:d1:c8", "hex", 255, "fe:e1:bb:d1:c8:ff"),
        # As deploy.pl of OpenBSD Amsterdam writes it: the prefix, a colon, the number.
        ("fe:e1:bb:d1:c8", "decimal", 10, "fe:e1:bb:d1:c8:10"),
        ("fe:e1:bb:d1:c8", "decimal", 99, "fe:e1:bb:d1:c8:99"),
        ("fe:e1:bb:d1", "hex", 10, "fe:e1:bb:d1:00:0a"),
        ("fe:e1:bb:d1", "hex", 65535, "fe:e1:bb:d1:ff:ff"),
        ("fe:e1:bb:d1", "decimal", 1234, "fe:e1:bb:d1:12:34"),
        ("00:00:00:00:00", "hex", 1, "00:00:00:00:00:01"),
    ],
)
def test_macs(prefix: str, base: str, number: int, mac: str) -> None:
    assert MacPlan(prefix, base).mac(number) == mac


@pytest.mark.parametrize(
    ("prefix", "base", "capacity"),
    [
        ("fe:e1:bb:d1:c8", "hex", 255),
        ("fe:e1:bb:d1:c8", "decimal", 99),
        ("fe:e1:bb:d1", "hex", 65535),
        ("fe:e1:bb:d1", "decimal", 9999),
    ],
)
def test_how_many_macs_there_are(prefix: str, base: str, capacity: int) -> None:
    plan = MacPlan(prefix, base)
    assert plan.capacity == capacity
    for number in (0, -1, capacity + 1):
        with pytest.raises(ValueError, match=f"{number} is not from 1 to {capacity}"):
            plan.mac(number)


@pytest.mark.parametrize(
    ("network", "first", "last"),
    [
        ("203.0.113.0/24", "203.0.113.1", "203.0.113.254"),
        ("203.0.113.8/30", "203.0.113.9", "203.0.113.10"),
        ("203.0.113.8/31", "203.0.113.8", "203.0.113.9"),
        ("203.0.113.8/32", "203.0.113.8", "203.0.113.8"),
    ],
)
def test_ipv4_bounds(network: str, first: str, last: str) -> None:
    assert ipv4_bounds(IPv4Network(network)) == (IPv4Address(first), IPv4Address(last))


@pytest.mark.parametrize(
    ("network", "first", "last"),
    [
        ("2001:db8:6::/64", "2001:db8:6::10", "2001:db8:6::ffff:ffff:ffff:ffff"),
        ("2001:db8:6::20/123", "2001:db8:6::30", "2001:db8:6::3f"),
        ("2001:db8:6::20/124", "2001:db8:6::21", "2001:db8:6::2f"),
        ("2001:db8:6::20/127", "2001:db8:6::20", "2001:db8:6::21"),
        ("2001:db8:6::20/128", "2001:db8:6::20", "2001:db8:6::20"),
    ],
)
def test_ipv6_bounds(network: str, first: str, last: str) -> None:
    assert ipv6_bounds(IPv6Network(network)) == (
        IPv6Address(first),
        IPv6Address(last),
    )


@pytest.mark.parametrize(
    ("network", "address", "answer"),
    [
        ("203.0.113.0/24", "203.0.113.0", False),
        ("203.0.113.0/24", "203.0.113.1", True),
        ("203.0.113.0/24", "203.0.113.254", True),
        ("203.0.113.0/24", "203.0.113.255", False),
        ("203.0.113.0/24", "198.51.100.1", False),
        ("203.0.113.0/31", "203.0.113.0", True),
        ("203.0.113.0/31", "203.0.113.1", True),
        ("203.0.113.7/32", "203.0.113.7", True),
        ("203.0.113.7/32", "203.0.113.8", False),
        ("2001:db8::/64", "2001:db8::", False),
        ("2001:db8::/64", "2001:db8::ffff:ffff:ffff:ffff", True),
        ("2001:db8::/127", "2001:db8::", True),
        ("2001:db8::/64", "203.0.113.1", False),
    ],
)
def test_usable_addresses(network: str, address: str, answer: bool) -> None:
    assert usable(ip_network(network), ip_address(address)) is answer


def test_addresses_by_number() -> None:
    network = IPv4Network("203.0.113.0/24")
    first, last = IPv4Address("203.0.113.10"), IPv4Address("203.0.113.19")
    plan = AddressPlan(network, first, last, IPv4Address("203.0.113.1"))
    assert [str(plan.address(number)) for number in (1, 10)] == ["203.0.113.10", "203.0.113.19"]
    assert (plan.capacity, plan.range) == (10, "203.0.113.10-203.0.113.19")
    for number in (0, 11):
        with pytest.raises(ValueError, match=f"{number} is not from 1 to 10"):
            plan.address(number)


SPANS = st.lists(
    st.tuples(
        st.sampled_from([IPv4Address, IPv6Address]), st.integers(0, 60), st.integers(0, 10)
    ).map(lambda span: (span[0](span[1]), span[0](span[1] + span[2])))
)


@given(SPANS)
def test_reserved_is_what_is_in_any_span(spans: list[tuple[IPv4Address, IPv4Address]]) -> None:
    reserved = reserve([], [], spans)
    for family in (IPv4Address, IPv6Address):
        for address in (family(number) for number in range(80)):
            inside = any(
                first.version == address.version and first <= address <= last
                for first, last in spans
            )
            assert reserved.has_address(address) is inside
