# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The numbers behind the MACs of running VMs, and how their addresses follow from them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Address

from ansible_collections.puffy.vmm.plugins.module_utils._grammar.address_plan import ipv4_bounds
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.look.machines import Candidate
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.look.network import Network


def mac_prefix(candidates: Iterable[Candidate], server: str) -> str:
    """Return the five octets that most MACs begin with, or some from the server's name.

    Those of vmd(8) begin with fe:e1:bb (usr.sbin/vmd/config.c).
    """
    macs = (vm.mac for vm in candidates)
    used = Counter(mac[:14] for mac in macs if mac and not int(mac[:2], 16) & 1)
    if used:
        return used.most_common(1)[0][0]
    digest = hashlib.sha256(server.encode()).hexdigest()
    return f"fe:e1:bb:{digest[:2]}:{digest[2:4]}"


def number_base(candidates: Sequence[Candidate], prefix: str) -> str:
    """Return decimal if the last octets are decimal numbers that addresses follow, else hex."""
    pairs = [(vm.mac[15:], vm.ipv4) for vm in candidates if vm.mac and vm.mac[:14] == prefix]
    known = [(vm.mac[15:], vm.number) for vm in candidates if vm.mac and vm.number]
    if known and all(text.isdigit() and int(text) == number for text, number in known):
        return "decimal" if any(number > 9 for _text, number in known) else "hex"
    if not all(text.isdigit() for text, _address in pairs):
        return "hex"
    if not any(int(text) > 9 for text, _address in pairs):
        return "hex"

    def steps(base: int) -> int:
        return len({int(address) - int(text, base) for text, address in pairs if address})

    return "decimal" if 0 < steps(10) < steps(16) else "hex"


def numbers(candidates: Iterable[Candidate], prefix: str, base: str) -> dict[str, int]:
    """Return the number of each VM whose MAC has one; no number twice."""
    by_name: dict[str, int] = {}
    for vm in candidates:
        if not vm.mac or vm.mac[:14] != prefix:
            continue
        text = vm.mac[15:]
        if base == "decimal" and not text.isdigit():
            continue
        number = int(text, 10 if base == "decimal" else 16)
        if number and number not in by_name.values():
            by_name[vm.name] = number
    return by_name


def ipv4_range(
    candidates: Iterable[Candidate], by_name: Mapping[str, int], network: Network
) -> list[str] | None:
    """Return the range that begins with number 1's address, if all addresses follow numbers."""
    firsts = {
        int(vm.ipv4) - by_name[vm.name] + 1
        for vm in candidates
        if vm.ipv4 is not None and vm.name in by_name
    }
    if len(firsts) != 1:
        return None
    (first,) = firsts
    low, high = ipv4_bounds(network.network)
    if not int(low) <= first <= int(high) or first == int(low):
        return None
    return [str(IPv4Address(first)), str(high)]
