# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Who has the addresses of each network: from the fleet, its ledgers, and dhcpd.conf(5)."""

from __future__ import annotations

import typing as t
from collections import ChainMap
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.server import ServerSettings
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.model import Fleet
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.address_plan import (
    AddressPlan,
    usable,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._report.model import (
    Addresses,
    Kind,
    Network,
    Span,
    address_value,
)

Key = tuple[int, int]  # an address: version and number
What = tuple[Kind, str]
Taken = t.Mapping[Key, What]
Plan = AddressPlan[t.Any]
# Hosts that a server's dhcpd.conf(5) has and the fleet has not, as _machines/survey.py has them.
Hosts = t.Mapping[str, t.Sequence[t.Mapping[str, t.Any]]]


def networks(fleet: Fleet, hosts: Hosts) -> tuple[Network, ...]:
    """Return all networks that VMs are on, IPv4 first, with `hosts` by server."""
    taken = _taken(fleet, hosts)
    points = sorted(taken)
    plans: dict[tuple[int, int, int], list[tuple[ServerSettings, Plan]]] = {}
    for server in fleet.servers.values():
        for plan in _plans(server):
            network = plan.network
            key = (network.version, int(network.network_address), network.prefixlen)
            plans.setdefault(key, []).append((server, plan))
    return tuple(_network(plans[key], taken, points) for key in sorted(plans))


def addresses_of(server: ServerSettings, maps: t.Iterable[Network]) -> Addresses:
    """Count the IPv4 addresses of the server's ranges, and how many of them are taken."""
    by_name = {network.network: network for network in maps}
    free = total = 0
    for plan in (network.ipv4 for network in server.networks):
        first, last = int(plan.first), int(plan.last)
        there = by_name.get(str(plan.network))
        spans = [span for span in there.spans if span.kind == Kind.FREE] if there else []
        free += sum(max(min(span.last, last) - max(span.first, first) + 1, 0) for span in spans)
        total += last - first + 1
    return Addresses(total, total - free)


def _plans(server: ServerSettings) -> list[Plan]:
    """Return the address plans of the server's networks."""
    plans = (plan for network in server.networks for plan in (network.ipv4, network.ipv6))
    return [plan for plan in plans if plan is not None]


def _taken(fleet: Fleet, hosts: Hosts) -> Taken:
    """Return each address that is taken, with the most important reason."""
    there = {(vm.server, vm.name) for vm in fleet.vms}
    broken = fleet.broken
    by_kind: dict[Kind, dict[Key, What]] = {kind: {} for kind in Kind}

    def note(address: object, kind: Kind, label: str) -> None:
        if address is not None:
            by_kind[kind].setdefault(address_value(str(address)), (kind, label))

    for server in fleet.servers.values():
        for network in server.networks:
            note(network.server_ipv4, Kind.SERVER, server.name)
            note(network.server_ipv6, Kind.SERVER, server.name)
        for plan in _plans(server):
            note(plan.gateway, Kind.SERVER, "gateway")
            for number in server.reserved.numbers:
                if number <= plan.capacity:
                    note(plan.address(number), Kind.RESERVED, f"number {number} is reserved")
    for vm in fleet.vms:
        for interface in vm.interfaces:
            note(interface.ipv4, Kind.USED, vm.name)
            note(interface.ipv6, Kind.USED, vm.name)
    for ledger in fleet.ledgers.values():
        for name, entry in ledger.entries.items():
            if (ledger.server, name) not in there:
                why = ", of which only the ledger has a line"
                if name in broken:
                    why = ", whose files have problems"
                for address in entry.addresses:
                    note(address, Kind.KEPT, f"{name}{why}")
        settings = fleet.servers.get(ledger.server)
        for purged in ledger.quarantine:
            end = settings and purged.since + timedelta(settings.quarantine_days + 1)
            label = f"{purged.vm} (purged)" + (f", until {end}" if end else "")
            for address in purged.entry.addresses:
                note(address, Kind.QUARANTINED, label)
    for name, entries in hosts.items():
        for host in entries:
            for text in host["addresses"]:
                try:
                    note(text, Kind.FOREIGN, f"{host['name']}, in dhcpd.conf of {name}")
                except ValueError:
                    # dhcpd(8) takes names there too.
                    continue
    return ChainMap(*by_kind.values())


def _network(
    users: t.Sequence[tuple[ServerSettings, Plan]], taken: Taken, points: t.Sequence[Key]
) -> Network:
    network = users[0][1].network
    version = network.version
    low, high = int(network.network_address), int(network.broadcast_address)
    here = [value for family, value in points if family == version and low <= value <= high]
    edges = {low, high + 1, *here, *(value + 1 for value in here)}
    for server, plan in users:
        edges |= {int(plan.first), int(plan.last) + 1}
        for family, first, last in server.reserved.intervals:
            if family == version:
                edges |= {first, last + 1}
    edges |= {edge for edge in (low + 1, high) if low <= edge <= high}
    inner = sorted(edge for edge in edges if low <= edge <= high)
    spans: list[Span] = []
    for first, end in zip(inner, [*inner[1:], high + 1], strict=True):
        kind, label = taken.get((version, first)) or _otherwise(users, network, first)
        before = spans[-1] if spans else None
        if before and (before.kind, before.label) == (kind, label):
            spans[-1] = Span(version, before.first, end - 1, kind, label)
        else:
            spans.append(Span(version, first, end - 1, kind, label))
    return Network(
        str(network), version, tuple(server.name for server, _plan in users), tuple(spans)
    )


def _otherwise(
    users: t.Sequence[tuple[ServerSettings, Plan]], network: IPv4Network | IPv6Network, value: int
) -> What:
    """Return what an address is that nobody has."""
    address = type(network.network_address)(value)
    if not usable(network, address):
        return Kind.UNUSABLE, ""
    if any(server.reserved.has_address(address) for server, _plan in users):
        return Kind.RESERVED, "vmm_reserved"
    if any(plan.first <= address <= plan.last for _server, plan in users):
        return Kind.FREE, ""
    return Kind.OUTSIDE, ""
