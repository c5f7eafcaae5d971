# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The name service of the sandbox's world: it knows what the server's /etc/hosts knows."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sandbox.machine import Machine

Address = IPv4Address | IPv6Address


def address_of(text: str) -> Address | None:
    """An address written out, without a scope; None for anything else."""
    try:
        return ip_address(text.split("%", 1)[0])
    except ValueError:
        return None


def lookup(machine: Machine, name: str) -> list[Address]:
    """The addresses of a name or of an address itself; empty for an unknown name."""
    literal = address_of(name)
    if literal is not None:
        return [literal]
    if not machine.files.exists("/etc/hosts"):
        return []
    found = []
    for line in machine.files.read_text("/etc/hosts").splitlines():
        words = line.partition("#")[0].split()
        if name.lower() in (word.lower() for word in words[1:]):
            found += [one for one in [address_of(words[0])] if one is not None]
    return found


def lookup4(machine: Machine, name: str) -> IPv4Address | None:
    return next((one for one in lookup(machine, name) if isinstance(one, IPv4Address)), None)
