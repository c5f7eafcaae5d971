# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The network interfaces of VMs, and their MACs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.puffy.vmm.plugins.module_utils._grammar.addresses import mac_text
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.interfaces import FurtherInterface
from ansible_collections.puffy.vmm.plugins.module_utils._libraries import netaddr

_LOCAL_BIT = 0x02 << 40


@dataclass(frozen=True)
class Interface:
    """A network interface of a VM: the switch it is on, its MAC, and the group of its tap(4)."""

    switch: str
    mac: str
    group: str | None


def derived_mac(first: str, place: int) -> str:
    """Return the MAC of a VM's interface at a place from 1 to 3, 0 being the one with first.

    It differs in bits 2 and 3 of the first octet alone and is always locally administered (RFC
    7042, 2.1): fe:e1:bb:d1:c8:07 gives fa:e1:bb:d1:c8:07, f6:... and f2:....
    """
    return mac_text((int(netaddr.EUI(first)) ^ (place << 42)) | _LOCAL_BIT)


def further_macs(interfaces: Sequence[FurtherInterface], first: str) -> tuple[str, ...]:
    """Return the MACs of a VM's further interfaces, given or derived, in their order."""
    return tuple(
        interface.mac or derived_mac(first, place)
        for place, interface in enumerate(interfaces, start=1)
    )
