# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The grammar of vmm_networks, and of a single network's variables. All raise Refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from typing import Any, TypeVar

from ansible_collections.puffy.vmm.plugins.module_utils._grammar.addresses import (
    ipv4,
    ipv4_network,
    ipv6,
    ipv6_network,
)
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.interfaces import (
    network_name,
    switch_name,
)
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.plain.values import (
    Parse,
    record,
    sequence,
)
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Refused, shown

A = TypeVar("A", IPv4Address, IPv6Address)

# The name of the network that single variables describe, where there is no list.
DEFAULT_NETWORK = "default"

# What each VM gets of ipv6_prefixes.
PREFIX_LENGTH = 64


@dataclass(frozen=True)
class DeclaredNetwork:
    """A network as its variables declare it: parts that fit their grammar, by their keys."""

    name: str
    parts: Mapping[str, Any]


def ipv6_prefixes(value: object) -> IPv6Network:
    """Return the network that the /64 of each VM is taken from."""
    network = ipv6_network(value)
    if network.prefixlen >= PREFIX_LENGTH:
        raise Refused(
            f"{network} has no room: each VM gets a /{PREFIX_LENGTH} of it, and the first of them "
            f"stays free; use a shorter prefix, such as 2001:db8:100::/40"
        )
    return network


def ipv4_range(value: object) -> tuple[IPv4Address, IPv4Address]:
    """Return the first and the last address."""
    first, last = _two(value, "[203.0.113.10, 203.0.113.200]")
    return _ordered(ipv4(first), ipv4(last))


def ipv6_range(value: object) -> tuple[IPv6Address, IPv6Address]:
    """Return the first and the last address."""
    first, last = _two(value, "['2001:db8:6::10', '2001:db8:6::ffff']")
    return _ordered(ipv6(first), ipv6(last))


def ipv6_gateway(value: object) -> IPv6Address:
    """Return an IPv6 address; a link-local one may have the zone of the VM's only interface."""
    return ipv6(value.removesuffix("%vio0") if isinstance(value, str) else value)


# The parts that are single variables too, where a server has one network.
SHORT_PARTS: Mapping[str, Parse] = {
    "ipv4_network": ipv4_network,
    "ipv4_gateway": ipv4,
    "ipv4_range": ipv4_range,
    "ipv6_network": ipv6_network,
    "ipv6_gateway": ipv6_gateway,
    "ipv6_range": ipv6_range,
    "server_ipv4": ipv4,
    "server_ipv6": ipv6,
    "ipv6_prefixes": ipv6_prefixes,
}
PARTS: Mapping[str, Parse] = {**SHORT_PARTS, "switch": switch_name}

_EXAMPLE = "{name: lan, ipv4_network: 203.0.113.0/24, ipv4_gateway: 203.0.113.1}"


def networks(value: object) -> tuple[DeclaredNetwork, ...]:
    """Return the networks of a server, each with a name of its own."""
    items = sequence(value, _network, f"networks, as in [{_EXAMPLE}]", distinct=False)
    names = [network.name for network in items]
    for position, name in enumerate(names):
        if name in names[:position]:
            raise Refused(f"{name} is the name of two networks; every network needs its own")
    return items


def _network(value: object) -> DeclaredNetwork:
    parsers = {"name": network_name, **PARTS}
    required = ("name", "ipv4_network", "ipv4_gateway")
    parts = record(value, parsers, _EXAMPLE, required)
    return DeclaredNetwork(parts.pop("name"), parts)


def _two(value: object, example: str) -> tuple[object, object]:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise Refused(f"is {shown(value)}; give the first and the last address, as in {example}")
    return value[0], value[1]


def _ordered(first: A, last: A) -> tuple[A, A]:
    if int(first) > int(last):
        raise Refused(f"{first} is above {last}; write the lower address first")
    return first, last
