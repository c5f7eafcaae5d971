# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What `route -n show` shows of a server's routes (sbin/route/show.c of OpenBSD 7.8)."""

from __future__ import annotations

import typing as t
from ipaddress import ip_network

# Gateways by destination, written network/length; empty where the network is directly connected.
Routes = t.Mapping[str, str]


def parse(text: str) -> dict[str, str]:
    """Return the routes of the listing; the first of several to a destination counts."""
    routes: dict[str, str] = {}
    for words in (line.split() for line in text.splitlines()):
        network = _network(words[0]) if len(words) > 2 else ""
        if network:
            routes.setdefault(network, words[1].partition("%")[0] if "G" in words[2] else "")
    return routes


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
