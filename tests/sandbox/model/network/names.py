# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Addresses, and the name service of the server's world: it knows what /etc/hosts knows."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sandbox.model.machine import Machine

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
    lines = [line.split() for line in machine.files.read_text("/etc/hosts").splitlines()]
    known = [address_of(words[0]) for words in lines if name in words[1:]]
    return [one for one in known if one is not None]
