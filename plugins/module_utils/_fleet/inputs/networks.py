# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The networks of a server: from vmm_networks, or from single variables that describe one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from itertools import combinations
from typing import Any

from ansible_collections.puffy.vmm.plugins.module_utils._grammar.address_plan import (
    Address,
    AddressPlan,
    ipv4_bounds,
    ipv6_bounds,
    usable,
)
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.networks import (
    DEFAULT_NETWORK,
    PREFIX_LENGTH,
    SHORT_PARTS,
    DeclaredNetwork,
)
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.server import Switch
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Report

LIST = "vmm_networks"

FAMILIES = ("ipv4", "ipv6")

# The length of an address that is in no network: a single one, or a link-local one of IPv6.
_ALONE = {4: 32, 6: 64}


@dataclass(frozen=True)
class Network:
    """A network that VMs of a server have addresses in, and the switch that it is on.

    server_ipv4 is the server's own address there; behind an uplink, a network may be served from
    the server's address in another network on the same switch. Each VM gets a /64 of ipv6_prefixes,
    by its number.
    """

    name: str
    switch: str
    ipv4: AddressPlan[IPv4Address]
    server_ipv4: IPv4Address
    ipv6: AddressPlan[IPv6Address] | None
    server_ipv6: IPv6Address | None
    ipv6_prefixes: IPv6Network | None

    def plan(self, family: str) -> AddressPlan[Any] | None:
        """Return the addresses of the family, "ipv4" or "ipv6"."""
        return self.ipv4 if family == "ipv4" else self.ipv6

    def server(self, family: str) -> Address | None:
        """Return the server's own address of the family."""
        return self.server_ipv4 if family == "ipv4" else self.server_ipv6

    def has(self, address: Address) -> bool:
        """Return whether an address is one of this network, usable or not."""
        plan = self.plan(f"ipv{address.version}")
        return plan is not None and address in plan.network

    @property
    def prefixes(self) -> int:
        """How many VMs there are prefixes for; the first /64 belongs to nobody."""
        bits = PREFIX_LENGTH - self.ipv6_prefixes.prefixlen if self.ipv6_prefixes else 0
        return int(2**bits) - 1

    def too_high(self, number: int) -> bool:
        """Return whether there is no prefix left for this number, where VMs get one."""
        return self.ipv6_prefixes is not None and number > self.prefixes

    def prefix(self, number: int) -> IPv6Network | None:
        """Return the /64 of the VM with this number, None where there are none."""
        if self.ipv6_prefixes is None:
            return None
        first = self.ipv6_prefixes.network_address
        return IPv6Network((int(first) + (number << PREFIX_LENGTH), PREFIX_LENGTH))

    @property
    def routes_ipv6(self) -> bool:
        """Whether the server is the router of the VMs for IPv6."""
        return self.ipv6 is not None and self.server_ipv6 == self.ipv6.gateway


@dataclass(frozen=True)
class Wire:
    """A switch with networks: the server's own interface on it, and what leads out."""

    switch: Switch
    host_interface: str
    networks: tuple[Network, ...]

    @property
    def server_ipv4(self) -> IPv4Address:
        """The address that dhcpd(8) answers from: the first of its interface."""
        return self.networks[0].server_ipv4

    def own_addresses(self) -> tuple[str, ...]:
        """Return the server's addresses with their lengths, each once, IPv4 first.

        An address outside of all these networks is a single one where the server is the router.
        Otherwise the server has it already, and its length is not known here.
        """
        addresses = [
            self._with_length(address, network)
            for family in FAMILIES
            for network in self.networks
            if (address := network.server(family)) is not None
        ]
        return tuple(dict.fromkeys(filter(None, addresses)))

    def _with_length(self, address: Address, network: Network) -> str | None:
        family = f"ipv{address.version}"
        plans = [other.plan(family) for other in self.networks]
        lengths = [plan.network.prefixlen for plan in plans if plan and address in plan.network]
        own = network.plan(family)
        if not lengths and address.version == 4 and own and address != own.gateway:
            return None
        return f"{address}/{lengths[0] if lengths else _ALONE[address.version]}"

    def routed(self) -> tuple[Network, ...]:
        """Return the networks on this switch that the server routes without an address in them.

        It needs a route to them, since its own address brings none.
        """
        return tuple(
            network
            for network in self.networks
            if network.server_ipv4 == network.ipv4.gateway and not network.has(network.server_ipv4)
        )


@dataclass(frozen=True)
class _Where:
    """How problems name a part of a network: as a variable, or as an item of the list."""

    server: str
    network: str | None

    def add(self, report: Report, key: str, text: str) -> None:
        if self.network is None:
            report.add(self.server, f"vmm_{key}", text)
        else:
            report.add(self.server, LIST, f"{self.network}: {key}: {text}")

    def name(self, key: str) -> str:
        return key if self.network else f"vmm_{key}"


def short_form(values: Mapping[str, Any]) -> DeclaredNetwork:
    """Return the network that single variables describe, by their names without the prefix."""
    parts = {key: values[key] for key in SHORT_PARTS if values.get(key) is not None}
    return DeclaredNetwork(DEFAULT_NETWORK, parts)


def check_network(
    server: str, network: DeclaredNetwork, short: DeclaredNetwork | None, report: Report
) -> None:
    """Report what does not fit together in one network.

    short is the short form as the inventory has it; None for a network of the list.
    """
    where = _Where(server, None if short else network.name)
    parts, present = network.parts, (short or network).parts
    for family in FAMILIES:
        if f"{family}_network" in parts:
            _check_family(where, family, parts, report)
    if "ipv6_network" not in present:
        for key in ("ipv6_gateway", "ipv6_range", "server_ipv6", "ipv6_prefixes"):
            if key in present:
                where.add(report, key, f"needs {where.name('ipv6_network')}; give that too")
    elif "ipv6_gateway" not in present:
        text = f"is missing; give the router of {where.name('ipv6_network')}, such as fe80::1"
        where.add(report, "ipv6_gateway", text)


def _check_family(where: _Where, family: str, parts: Mapping[str, Any], report: Report) -> None:
    network, gateway = parts[f"{family}_network"], parts.get(f"{family}_gateway")
    own = parts.get(f"server_{family}")
    outside = family == "ipv4" and gateway is not None and gateway not in network
    if network.num_addresses == 1 and gateway is not None and gateway in network:
        text = f"{gateway} is the only address of {network}; a single address has its gateway"
        where.add(report, f"{family}_gateway", f"{text} outside of itself")
        return
    for key, address in ((f"{family}_gateway", gateway), (f"server_{family}", own)):
        on_link = address is not None and address.version == 6 and address.is_link_local
        if address is None or on_link or (outside and address not in network):
            continue
        if not usable(network, address):
            where.add(report, key, f"{address} is not a usable address of {network}")
    for bound in parts.get(f"{family}_range") or ():
        if not usable(network, bound):
            where.add(report, f"{family}_range", f"{bound} is not a usable address of {network}")


def make_networks(
    server: str,
    declared: Sequence[DeclaredNetwork],
    switches: Sequence[Switch],
    report: Report,
    *,
    listed: bool,
) -> tuple[Network, ...]:
    """Return the networks with their defaults filled in; the first of switches is the default.

    listed says that they are those of vmm_networks. The report gets what is wrong with one, or with
    several of them together.
    """
    known = {switch.name: switch for switch in switches}
    networks: list[Network] = []
    for network in declared:
        where = _Where(server, network.name if listed else None)
        name = network.parts.get("switch", switches[0].name)
        if name not in known:
            names = ", ".join(known)
            text = f"{name} is not a switch of {server}; use one of {names}, or add it to "
            where.add(report, "switch", f"{text}vmm_switches")
            continue
        before = [earlier for earlier in networks if earlier.switch == name]
        own = network.parts.get("server_ipv4")
        if own is None and known[name].uplink is None:
            own = network.parts["ipv4_gateway"]
        elif own is None and before:
            own = before[0].server_ipv4
        elif own is None:
            uplink = "vmm_uplink" if name == switches[0].name else "an uplink"
            where.add(
                report,
                "server_ipv4",
                f"is missing; behind {uplink} the gateway may be another machine, so give the "
                f"server's own address on the VMs' network",
            )
            continue
        networks.append(_network(network, name, own))
    _check_together(server, networks, switches, report)
    return tuple(networks)


def _network(declared: DeclaredNetwork, switch: str, own: IPv4Address) -> Network:
    parts = declared.parts
    network, gateway = parts["ipv4_network"], parts["ipv4_gateway"]
    first, last = parts.get("ipv4_range") or ipv4_bounds(network)
    ipv6, own6 = None, parts.get("server_ipv6")
    if "ipv6_network" in parts:
        first6, last6 = parts.get("ipv6_range") or ipv6_bounds(parts["ipv6_network"])
        ipv6 = AddressPlan(parts["ipv6_network"], first6, last6, parts["ipv6_gateway"])
        if own6 is None and own == gateway:
            # A server that is the VMs' router for IPv4 is their router for IPv6 too.
            own6 = ipv6.gateway
    plan = AddressPlan(network, first, last, gateway)
    return Network(declared.name, switch, plan, own, ipv6, own6, parts.get("ipv6_prefixes"))


def _check_together(
    server: str, networks: Sequence[Network], switches: Sequence[Switch], report: Report
) -> None:
    if networks and networks[0].switch != switches[0].name:
        report.add(
            server,
            LIST,
            f"{networks[0].name}: the first network is on the switch {switches[0].name}, which "
            f"vmm_switch names; put another one first",
        )
    for earlier, later, shared in overlapping(networks):
        report.add(
            server,
            LIST,
            f"{later.name}: {shared} overlaps with the network {earlier.name}; an address belongs "
            f"to one network",
        )


def overlapping(networks: Sequence[Network]) -> Iterator[tuple[Network, Network, object]]:
    """Yield two networks, and the addresses of the second that overlap with the first."""
    for earlier, later in combinations(networks, 2):
        for family in FAMILIES:
            plans = earlier.plan(family), later.plan(family)
            if plans[0] and plans[1] and plans[0].network.overlaps(plans[1].network):
                yield earlier, later, plans[1].network


def wires(networks: Sequence[Network], switches: Sequence[Switch]) -> tuple[Wire, ...]:
    """Return the switches that have networks, in their order."""
    return tuple(
        Wire(switch, switch.host_interface or "", own)
        for switch in switches
        if (own := tuple(network for network in networks if network.switch == switch.name))
    )
