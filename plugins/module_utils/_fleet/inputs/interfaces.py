# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The network interfaces of VMs, and their MACs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import TypeVar

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.networks import Network
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.address_plan import Address
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.addresses import mac_text
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.interfaces import FurtherInterface
from ansible_collections.puffy.vmm.plugins.module_utils._libraries import netaddr

A = TypeVar("A", bound=Address)

_LOCAL_BIT = 0x02 << 40


@dataclass(frozen=True)
class Interface:
    """A network interface of a VM: the switch it is on, its MAC, and the group of its tap(4).

    One without a network has no addresses, and may have no group.
    """

    switch: str
    mac: str
    group: str | None
    network: str | None = None
    ipv4: IPv4Address | None = None
    ipv6: IPv6Address | None = None


def derived_mac(first: str, place: int) -> str:
    """Return the MAC of a VM's interface at a place from 1 to 3, 0 being the one with first.

    It differs in bits 2 and 3 of the first octet alone and is always locally administered (RFC
    7042, 2.1): fe:e1:bb:d1:c8:07 gives fa:e1:bb:d1:c8:07, f6:... and f2:....
    """
    return mac_text((int(netaddr.EUI(first)) ^ (place << 42)) | _LOCAL_BIT)


def further_macs(interfaces: Sequence[FurtherInterface], first: str) -> tuple[str, ...]:
    """Return the MACs of a VM's further interfaces, declared or derived, in their order."""
    return tuple(
        interface.mac or derived_mac(first, place)
        for place, interface in enumerate(interfaces, start=1)
    )


def network_of(interface: FurtherInterface, networks: Sequence[Network]) -> Network | None:
    """Return the network that a further interface has addresses in, or None.

    Where it names no network, the address that it declares decides.
    """
    for network in networks:
        declares = any(map(network.has, interface.addresses))
        if interface.network == network.name or (declares and interface.network is None):
            return network
    return None


def further_addresses(
    interfaces: Sequence[FurtherInterface],
    networks: Sequence[Network],
    family: str,
    kept: Sequence[A],
) -> list[A | None]:
    """Return the address of each further interface, None for one that has none (yet).

    It is the one that the file declares, or one of those kept in the interface's network. kept are
    the addresses of the family, "ipv4" or "ipv6", that the ledger has of the VM, in their order.
    """
    declared = [getattr(interface, family) for interface in interfaces]
    left = [address for address in kept if address not in declared]
    addresses: list[A | None] = []
    for interface, address in zip(interfaces, declared, strict=True):
        network, own = network_of(interface, networks), address
        if own is None and network is not None:
            own = next(filter(network.has, left), None)
            left = [other for other in left if other != own]
        addresses.append(own)
    return addresses
