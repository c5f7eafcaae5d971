# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""From the number of a VM to its MAC and IP addresses."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Generic, TypeAlias, TypeVar

from ansible_collections.puffy.vmm.plugins.module_utils._grammar.addresses import mac_text

Address: TypeAlias = "IPv4Address | IPv6Address"
A = TypeVar("A", IPv4Address, IPv6Address)

# What four octets of prefix leave; no server has more VMs.
HIGHEST_NUMBER = 65535

_FIRST_IPV6 = 0x10


@dataclass(frozen=True)
class MacPlan:
    """A MAC is the prefix of four or five octets and the number, in hexadecimal or decimal digits.

    In decimal, number 10 becomes the octet 10, as in OpenBSD Amsterdam's deploy.pl.
    """

    prefix: str
    base: str = "hex"

    @property
    def capacity(self) -> int:
        """The highest number; the lowest is 1."""
        return int((16 if self.base == "hex" else 10) ** self._digits) - 1

    def mac(self, number: int) -> str:
        """Return the MAC of a number from 1 to capacity. Raises ValueError for others."""
        if not 1 <= number <= self.capacity:
            raise ValueError(f"{number} is not from 1 to {self.capacity}")
        digits = format(number, f"0{self._digits}{'x' if self.base == 'hex' else 'd'}")
        return mac_text(int(self.prefix.replace(":", "") + digits, 16))

    @property
    def _digits(self) -> int:
        return 12 - 2 * len(self.prefix.split(":"))


@dataclass(frozen=True)
class AddressPlan(Generic[A]):
    """Number 1 has the first address of the range, number 2 the second, and so on."""

    network: IPv4Network | IPv6Network
    first: A
    last: A
    gateway: A

    @property
    def capacity(self) -> int:
        """The highest number; the lowest is 1."""
        return int(self.last) - int(self.first) + 1

    def address(self, number: int) -> A:
        """Return the address of a number from 1 to capacity. Raises ValueError for others."""
        if not 1 <= number <= self.capacity:
            raise ValueError(f"{number} is not from 1 to {self.capacity}")
        return type(self.first)(int(self.first) + number - 1)

    @property
    def range(self) -> str:
        return f"{self.first}-{self.last}"


def usable(network: IPv4Network | IPv6Network, address: Address) -> bool:
    """Return whether a host can have this address in this network.

    Not the network's own address and not IPv4's broadcast address, except where there are only
    two addresses or one (RFC 3021, RFC 6164); IPv6's first is that of all routers (RFC 4291,
    2.6.1).
    """
    if address not in network:
        return False
    if network.num_addresses <= 2:
        return True
    if address == network.network_address:
        return False
    return isinstance(address, IPv6Address) or address != network.broadcast_address


def ipv4_bounds(network: IPv4Network) -> tuple[IPv4Address, IPv4Address]:
    """Return the first and the last usable address."""
    first, last = network.network_address, network.broadcast_address
    return (first, last) if network.num_addresses <= 2 else (first + 1, last - 1)


def ipv6_bounds(network: IPv6Network) -> tuple[IPv6Address, IPv6Address]:
    """Return the first address for VMs, ::10 of the network if it has that one, and the last."""
    start = network.network_address
    if network.num_addresses <= 2:
        return start, network.broadcast_address
    first = _FIRST_IPV6 if network.num_addresses > _FIRST_IPV6 else 1
    return start + first, network.broadcast_address


@dataclass(frozen=True)
class Reserved:
    """What belongs to somebody else: numbers, MACs, and intervals of addresses.

    Intervals are (version, first, last), in order and without overlap; see reserve().
    """

    numbers: frozenset[int] = frozenset()
    macs: frozenset[str] = frozenset()
    intervals: tuple[tuple[int, int, int], ...] = ()

    def has_address(self, address: Address) -> bool:
        at = bisect_right(self.intervals, (address.version, int(address), 1 << 128)) - 1
        if at < 0:
            return False
        version, first, last = self.intervals[at]
        return version == address.version and first <= int(address) <= last


def reserve(
    numbers: Iterable[int], macs: Iterable[str], spans: Iterable[tuple[Address, Address]]
) -> Reserved:
    """Return what these numbers, MACs and spans of addresses (first, last) reserve."""
    merged: list[tuple[int, int, int]] = []
    for version, first, last in sorted((a.version, int(a), int(b)) for a, b in spans):
        if merged and merged[-1][0] == version and first <= merged[-1][2] + 1:
            merged[-1] = (version, merged[-1][1], max(last, merged[-1][2]))
        else:
            merged.append((version, first, last))
    return Reserved(frozenset(numbers), frozenset(macs), tuple(merged))
