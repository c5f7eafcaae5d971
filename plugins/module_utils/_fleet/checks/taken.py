# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Why a number, a MAC or an address cannot be a VM's, over the whole fleet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.checks.claims import (
    IPV4,
    MAC,
    NUMBER,
    Claims,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.networks import Network
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.server import ServerSettings
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.address_plan import (
    Address,
    usable,
)


class Taken:
    """Values that are taken or cannot be used, over the whole fleet."""

    def __init__(self, claims: Claims, fixed: Mapping[Address, str]) -> None:
        self.claims = claims
        self._fixed = fixed
        # What was not free once will never be.
        self._lowest: dict[tuple[str, str, str], int] = {}

    def obstacle(
        self, server: ServerSettings, kind: str, value: Any, network: Network | None
    ) -> str | None:
        """Return why no VM of this server can have this value, or None.

        network is the one that an address is in, None for an address in none.
        """
        if kind in (NUMBER, MAC):
            reserved = server.reserved.numbers if kind == NUMBER else server.reserved.macs
            return _reserved(server) if value in reserved else None
        return self._address_obstacle(server, kind, value, network)

    def _address_obstacle(
        self, server: ServerSettings, kind: str, value: Address, network: Network | None
    ) -> str | None:
        plan = network.plan(kind) if network else None
        if network is None:
            names = ", ".join(str(other.ipv4.network) for other in server.networks)
            return f"is not an address of {server.name}'s networks ({names})"
        if plan is None and server.numbered:
            return f"is of no use: {server.name} has no vmm_{kind}_network"
        if plan is None:
            return f"is of no use: the network {network.name} has no {kind}_network"
        if not usable(plan.network, value):
            return f"is not a usable address of {server.name}'s network {plan.network}"
        if value in self._fixed:
            return f"is {self._fixed[value]}"
        return _reserved(server) if server.reserved.has_address(value) else None

    def choose(self, server: ServerSettings, network: Network, kind: str, number: int) -> Any:
        """Return the number's own address in a network if it is free, or else the lowest free one.

        None where the network is full.
        """
        plan = network.plan(kind)
        if plan is None:
            return None

        def free(place: int) -> bool:
            address = plan.address(place)
            held = self.claims.holder(kind, server.name, address)
            return not (held or self.obstacle(server, kind, address, network))

        if number <= plan.capacity and free(number):
            return plan.address(number)
        key = server.name, network.name, kind
        lowest = self._lowest.get(key, 1)
        while lowest <= plan.capacity and (lowest in server.reserved.numbers or not free(lowest)):
            lowest += 1
        self._lowest[key] = lowest
        return plan.address(lowest) if lowest <= plan.capacity else None

    def against(
        self, vm: str, server: ServerSettings, kind: str, value: Any, network: Network | None
    ) -> str | None:
        """Return why this value of a further interface cannot be this VM's, or None."""
        holder = self.claims.holder(kind, server.name, value)
        if holder and holder.vm != vm:
            return f"belongs to {holder.vm} ({holder.source})"
        return self.obstacle(server, kind, value, network)


def _reserved(server: ServerSettings) -> str:
    return f"is reserved by vmm_reserved of {server.name}"


def derive(server: ServerSettings, kind: str, number: int) -> Any:
    """Return what a number gives. Raises ValueError for one that is too high."""
    if kind == MAC:
        return server.mac.mac(number)
    plan = server.ipv4 if kind == IPV4 else server.ipv6
    if plan is None:
        raise ValueError(f"{server.name} has no vmm_{kind}_network")
    return plan.address(number)
