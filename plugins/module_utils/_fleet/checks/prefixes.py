# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""That no two VMs of a fleet can have the same IPv6 prefix, and none one that addresses are in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network, IPv6Network
from typing import NamedTuple

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.server import ServerSettings
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.networks import PREFIX_LENGTH
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Report


class _Used(NamedTuple):
    """Addresses from first to last that VMs of a network have, or prefixes that they get."""

    first: int
    last: int
    server: str
    network: str
    prefixes: bool
    text: str


def check_prefixes(servers: Mapping[str, ServerSettings], report: Report) -> frozenset[str]:
    """Report prefixes of a network that are another network's of the fleet, too, and their servers.

    Networks of one server may share prefixes, since a number belongs to one of its VMs.
    """
    widest: dict[bool, _Used] = {}
    wrong: set[str] = set()
    for used in sorted(one for server in servers.values() for one in _uses(server)):
        for other in widest.values():
            together = used.prefixes and other.prefixes and used.server == other.server
            if used.first <= other.last and (used.prefixes or other.prefixes) and not together:
                mine, theirs = (used, other) if used.prefixes else (other, used)
                wrong.add(mine.server)
                report.about(server=mine.server).add(
                    mine.server,
                    "vmm_networks",
                    f"{mine.network}: ipv6_prefixes: {mine.text} overlaps with {theirs.text} of "
                    f"{theirs.server}'s network {theirs.network}; a prefix belongs to one VM",
                )
        before = widest.get(used.prefixes)
        if before is None or used.last > before.last:
            widest[used.prefixes] = used
    return frozenset(wrong)


def _uses(server: ServerSettings) -> Iterator[_Used]:
    for network in server.networks:
        if network.ipv6:
            yield _used(server.name, network.name, network.ipv6.network, prefixes=False)
        if network.ipv6_prefixes:
            yield _used(server.name, network.name, network.ipv6_prefixes, prefixes=True)


def _used(server: str, name: str, network: IPv4Network | IPv6Network, *, prefixes: bool) -> _Used:
    first, last = int(network.network_address), int(network.broadcast_address)
    # The first /64 of prefixes is nobody's, so that VMs may have their addresses there.
    first += (1 << PREFIX_LENGTH) if prefixes else 0
    return _Used(first, last, server, name, prefixes, str(network))
