# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What `route -n show` tells of a server's routes (sbin/route/show.c of OpenBSD 7.8)."""

from __future__ import annotations

import typing as t
from ipaddress import ip_network

# Gateways by destination, written network/length; an empty one for what is directly there.
Routes = t.Mapping[str, str]


def parse(text: str) -> dict[str, str]:
    """Return the routes of the listing, of several to one destination the first."""
    found: dict[str, str] = {}
    for words in (line.split() for line in text.splitlines()):
        network = _network(words[0]) if len(words) > 2 else ""
        if network:
            found.setdefault(network, words[1].partition("%")[0] if "G" in words[2] else "")
    return found


def _network(word: str) -> str:
    """An IPv4 network is listed without octets of 0 at its end, an address without a length."""
    address, slash, length = word.partition("/")
    if slash and ":" not in address:
        address += ".0" * (3 - address.count("."))
    if "%" in word:
        return ""  # A link-local network means something on an interface only.
    try:
        return ip_network(f"{address}/{length}" if slash else address).with_prefixlen
    except ValueError:
        return ""
