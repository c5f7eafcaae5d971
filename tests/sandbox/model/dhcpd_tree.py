# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What a dhcpd.conf(5) says, as dhcpd(8) keeps it.

Addresses and netmasks are whole numbers below 2**32 here, because dhcpd takes any netmask, even one
with holes.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from ipaddress import IPv4Address


def dotted(address: int) -> str:
    return str(IPv4Address(address))


@dataclass
class Scope:
    """The parameters in force between two braces. A scope begins as a copy of the one around it."""

    options: dict[str, tuple[str, ...]] = field(default_factory=dict)
    filename: str | None = None
    server_name: str | None = None
    next_server: int | None = None
    default_lease_time: int = 43200
    max_lease_time: int = 86400
    flags: dict[str, bool] = field(
        default_factory=lambda: {
            "unknown-clients": True,
            "bootp": True,
            "booting": True,
            "authoritative": True,
            "echo-client-id": True,
        }
    )
    subnet: Subnet | None = None
    network: SharedNetwork | None = None

    def inner(self) -> Scope:
        scope = copy.copy(self)
        scope.options = dict(self.options)
        scope.flags = dict(self.flags)
        return scope


@dataclass
class Host:
    name: str
    scope: Scope
    mac: str | None = None
    addresses: tuple[int, ...] = ()


@dataclass
class Subnet:
    network: SharedNetwork
    scope: Scope
    address: int = 0
    netmask: int = 0
    ranges: list[tuple[int, int]] = field(default_factory=list)

    def holds(self, address: int) -> bool:
        return address & self.netmask == self.address

    @property
    def bits(self) -> int:
        """Where the netmask's lowest one is; 0 for no ones at all."""
        return 32 - (self.netmask & -self.netmask).bit_length() + 1 if self.netmask else 0

    def clashes_with(self, other: Subnet) -> bool:
        return other.holds(self.address) or self.holds(other.address)


@dataclass(eq=False)
class SharedNetwork:
    name: str
    scope: Scope
    subnets: list[Subnet] = field(default_factory=list)


@dataclass
class Config:
    """Hosts in the order of the file; subnets and networks in the order in which dhcpd searches."""

    root: Scope = field(default_factory=Scope)
    hosts: list[Host] = field(default_factory=list)
    subnets: list[Subnet] = field(default_factory=list)
    networks: list[SharedNetwork] = field(default_factory=list)

    def subnet_of(self, address: int) -> Subnet | None:
        return next((subnet for subnet in self.subnets if subnet.holds(address)), None)
