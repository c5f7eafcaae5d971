# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The numbers that the MACs of running VMs come from, and what their addresses make of them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Address

from ansible_collections.puffy.vmm.plugins.module_utils._grammar.address_plan import ipv4_bounds
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.look.machines import Candidate
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.look.network import Network


def mac_prefix(candidates: Iterable[Candidate], server: str) -> str:
    """The five octets that most MACs begin with; from the server's name where there are none.

    Those of vmd(8) begin with fe:e1:bb (usr.sbin/vmd/config.c).
    """
    macs = (one.mac for one in candidates)
    used = Counter(mac[:14] for mac in macs if mac and not int(mac[:2], 16) & 1)
    best = used.most_common(1)
    if best:
        return best[0][0]
    digest = hashlib.sha256(server.encode()).hexdigest()
    return f"fe:e1:bb:{digest[:2]}:{digest[2:4]}"


def number_base(candidates: Sequence[Candidate], prefix: str) -> str:
    """decimal where the last octets are decimal numbers that addresses follow, else hex."""
    pairs = [(one.mac[15:], one.ipv4) for one in candidates if one.mac and one.mac[:14] == prefix]
    told = [(one.mac[15:], one.number) for one in candidates if one.mac and one.number]
    if told and all(text.isdigit() and int(text) == number for text, number in told):
        return "decimal" if any(number > 9 for _text, number in told) else "hex"
    if not pairs or not all(text.isdigit() for text, _address in pairs):
        return "hex"
    if not any(int(text) > 9 for text, _address in pairs):
        return "hex"

    def steps(base: int) -> int:
        return len({int(address) - int(text, base) for text, address in pairs if address})

    return "decimal" if 0 < steps(10) < steps(16) else "hex"


def numbers(candidates: Iterable[Candidate], prefix: str, base: str) -> dict[str, int]:
    """The number of each VM whose MAC has one; no number twice."""
    found: dict[str, int] = {}
    for one in candidates:
        if not one.mac or one.mac[:14] != prefix:
            continue
        text = one.mac[15:]
        if base == "decimal" and not text.isdigit():
            continue
        number = int(text, 10 if base == "decimal" else 16)
        if number and number not in found.values():
            found[one.name] = number
    return found


def ipv4_range(
    candidates: Iterable[Candidate], by_name: Mapping[str, int], network: Network
) -> list[str] | None:
    """The range whose first address is number 1's, where all addresses follow their numbers."""
    firsts = {
        int(one.ipv4) - by_name[one.name] + 1
        for one in candidates
        if one.ipv4 is not None and one.name in by_name
    }
    if len(firsts) != 1:
        return None
    (first,) = firsts
    low, high = ipv4_bounds(network.network)
    if not int(low) <= first <= int(high) or first == int(low):
        return None
    return [str(IPv4Address(first)), str(high)]
