# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""That no two VMs of a fleet can have the same IPv6 prefix, and none one that addresses are in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
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
    """Report prefixes that overlap with another network of the fleet, and return their servers.

    Networks of one server may share prefixes, since a number belongs to one of its VMs.
    """
    widest: dict[bool, _Used] = {}
    wrong: set[str] = set()
    for used in sorted(chain.from_iterable(map(_uses, servers.values()))):
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
        own = network.ipv6 and network.ipv6.network
        # The first /64 of prefixes belongs to nobody, so VMs may have their addresses there.
        for used, skipped in ((own, 0), (network.ipv6_prefixes, 1 << PREFIX_LENGTH)):
            if used:
                first, last = int(used[0]) + skipped, int(used[-1])
                yield _Used(first, last, server.name, network.name, skipped > 0, str(used))
