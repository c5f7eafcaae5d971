# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What `route -n show` shows of a server's routes (sbin/route/show.c of OpenBSD 7.8)."""

from __future__ import annotations

import typing as t
from ipaddress import ip_network

# The ways to each destination, which is written network/length: the address of a gateway, or the
# name of the interface that a route leads to directly.
Routes = t.Mapping[str, tuple[str, ...]]


def parse(text: str) -> dict[str, tuple[str, ...]]:
    """Return the routes of the listing."""
    routes: dict[str, tuple[str, ...]] = {}
    for words in (line.split() for line in text.splitlines()):
        network = _network(words[0]) if len(words) > 2 else ""
        way = _way(words[1], words[2], words[-1]) if network else ""
        if way:
            routes[network] = (*routes.get(network, ()), way)
    return routes


def _way(gateway: str, flags: str, interface: str) -> str:
    """Return where an entry leads, "" for what is not a route but follows from one.

    Entries of ARP and of the server's own addresses are neither G nor C (RTF_CLONING), and S only
    with L, where somebody made them: rt_clone() of sys/net/route.c, sbin/route/show.c. The network
    of an interface has no S (RTF_STATIC).
    """
    if "C" in flags and "G" not in flags:
        return interface if "S" in flags else f"the network of {interface}"
    return gateway.partition("%")[0] if "G" in flags or ("S" in flags and "L" not in flags) else ""


def _network(word: str) -> str:
    """Return a destination as network/length, "" for what is not one.

    An IPv4 network is listed without octets of 0 at its end, an address without a length.
    """
    address, slash, length = word.partition("/")
    if slash and ":" not in address:
        address += ".0" * (3 - address.count("."))
    if "%" in word:
        return ""  # A link-local network means something on an interface only.
    try:
        return ip_network(f"{address}/{length}" if slash else address).with_prefixlen
    except ValueError:
        return ""
