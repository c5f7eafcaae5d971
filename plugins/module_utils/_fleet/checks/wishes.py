# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What VM files, ledgers and quarantines give: claims, and for each VM what is settled of it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import product
from typing import Any

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.checks.claims import (
    IPV4,
    IPV6,
    MAC,
    NUMBER,
    Claim,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.interfaces import (
    further_addresses,
    further_macs,
    network_of,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.ledger import Entry, Ledger
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.ledger import (
    source as ledger_source,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.networks import Network
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.server import ServerSettings
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.vm import VmFile
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.address_plan import Address
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Report

PARTS = (NUMBER, MAC, IPV4, IPV6)
FAMILIES = (IPV4, IPV6)
DERIVED = (MAC, *FAMILIES)


@dataclass(frozen=True)
class Wish:
    """A VM and what is settled of it, by its file or by the ledger; origin tells which.

    network is that of its first interface, None for one that is not chosen yet. kept_macs and
    kept_addresses are those of further interfaces that the ledger has.
    """

    file: VmFile
    server: ServerSettings
    values: Mapping[str, Any]
    origin: Mapping[str, tuple[str, str]]
    network: Network | None
    kept_macs: tuple[str, ...]
    kept_addresses: Mapping[str, tuple[Address, ...]]

    @property
    def name(self) -> str:
        return self.file.name

    @property
    def order(self) -> tuple[str, str]:
        return self.server.name, self.name

    def missing(self) -> tuple[str, ...]:
        """Return the kinds of values that the number has to give."""
        kinds: tuple[str, ...] = (MAC,)
        if self.server.numbered:
            kinds = DERIVED if self.server.ipv6 else (MAC, IPV4)
        return tuple(kind for kind in kinds if self.values.get(kind) is None)

    def unchosen(self) -> tuple[str, ...]:
        """Return the kinds of addresses of the first interface that are chosen from a network."""
        if self.server.numbered:
            return ()
        there = families(self.network) if self.network else FAMILIES
        return tuple(kind for kind in there if self.values.get(kind) is None)

    def further_addresses(self, kind: str) -> list[Address | None]:
        """Return the addresses of the further interfaces, None for one that has none (yet)."""
        kept = self.kept_addresses[kind]
        return further_addresses(self.file.interfaces, self.server.networks, kind, kept)

    def unaddressed(self, kind: str) -> list[tuple[int, Network]]:
        """Return the further interfaces that an address is chosen for, by place, with networks."""
        found = []
        for place, address in enumerate(self.further_addresses(kind)):
            network = network_of(self.file.interfaces[place], self.server.networks)
            if address is None and network is not None and kind in families(network):
                found.append((place, network))
        return found

    def needs(self) -> bool:
        """Return whether anything of it is still to be handed out, but for its number."""
        return bool(self.missing() or self.unchosen() or any(map(self.unaddressed, FAMILIES)))

    def further(self, number: int) -> tuple[str, ...]:
        """Return the MACs of the further interfaces of the VM if it has this number."""
        given = self.file.interfaces
        return further_macs(given, self.values.get(MAC) or self.server.mac.mac(number))

    def claim(self, kind: str, value: object, field: str | None = None) -> Claim:
        source, own_field = self.origin.get(kind, (self.file.source, kind))
        return Claim(kind, value, self.name, self.server.name, source, field or own_field)


@dataclass(frozen=True)
class Known:
    """What is known of a fleet: the servers that can have VMs, all VM files, and all ledgers.

    usable are the names of VMs whose files are without fault. addresses are those of all servers
    and routers, with what they are. unread are the files and ledgers that might hold values which
    nobody knows, each with the servers that it concerns, None for all.
    """

    servers: Mapping[str, ServerSettings]
    files: Sequence[VmFile]
    usable: Collection[str]
    ledgers: Mapping[str, Ledger]
    addresses: Mapping[Address, str]
    unread: Mapping[str, Collection[str] | None]

    def waits_for(self, server: str) -> list[str]:
        """Return the files that have to be read before this server's VMs get anything new."""
        return sorted(
            source
            for source, servers in self.unread.items()
            if servers is None or server in servers
        )


def ledger_claims(files: Sequence[VmFile], ledgers: Mapping[str, Ledger]) -> Iterator[Claim]:
    present = {(file.server, file.name) for file in files}
    somewhere = {file.name for file in files if file.server is None}
    for server in sorted(ledgers):
        for name, entry in sorted(ledgers[server].entries.items()):
            gone = (server, name) not in present and name not in somewhere
            for kind in PARTS:
                value = getattr(entry, kind)
                if value is not None:
                    yield Claim(kind, value, name, server, ledger_source(server), name, True, gone)
            for kind, value in _others(entry):
                yield Claim(kind, value, name, server, ledger_source(server), name, True, gone)


def _others(entry: Entry) -> Iterator[tuple[str, object]]:
    """Yield what further interfaces have, or had."""
    for kind in DERIVED:
        others: Sequence[object] = getattr(entry, "other_macs" if kind == MAC else f"other_{kind}")
        yield from ((kind, value) for value in others)


def quarantine_claims(
    servers: Mapping[str, ServerSettings], ledgers: Mapping[str, Ledger]
) -> Iterator[Claim]:
    for name, ledger in sorted(ledgers.items()):
        for one in ledger.quarantine:
            days = servers[name].quarantine_days if name in servers else None
            end = "it is over" if days is None else str(one.since + timedelta(days + 1))
            values = [(kind, getattr(one.entry, kind)) for kind in PARTS]
            values += _others(one.entry)
            for kind, value in values:
                if value is not None:
                    # Another VM may have the name by now.
                    vm, source = f"{one.vm} (purged)", ledger_source(name)
                    yield Claim(kind, value, vm, name, source, "quarantine", True, True, end)


def wishes_of(
    servers: Mapping[str, ServerSettings],
    files: Sequence[VmFile],
    ledgers: Mapping[str, Ledger],
    report: Report,
) -> Iterator[Wish]:
    for file in files:
        server = servers.get(file.server or "")
        if server is None or not file.knows(*PARTS, "network"):
            continue
        ledger = ledgers.get(server.name)
        entry = ledger.entries.get(file.name) if ledger else None
        values: dict[str, Any] = {}
        origin: dict[str, tuple[str, str]] = {}
        for kind in PARTS:
            own, kept = file.values.get(kind), getattr(entry, kind, None)
            if own is not None and kept is not None and own != kept:
                report.about(vms=[file.name]).add(
                    file.source, kind, _contradiction(kind, own, kept, file)
                )
            if own is not None:
                values[kind], origin[kind] = own, (file.source, kind)
            elif kept is not None:
                values[kind], origin[kind] = kept, (ledger_source(server.name), file.name)
        network = _settled_network(file, server, values, origin, report)
        others: dict[str, tuple[Address, ...]] = {kind: () for kind in FAMILIES}
        if entry:
            others = {IPV4: entry.other_ipv4, IPV6: entry.other_ipv6}
        macs = entry.other_macs if entry else ()
        yield Wish(file, server, values, origin, network, macs, others)


def families(network: Network) -> tuple[str, ...]:
    return tuple(kind for kind in FAMILIES if network.plan(kind))


def _settled_network(
    file: VmFile,
    server: ServerSettings,
    values: Mapping[str, Any],
    origin: Mapping[str, tuple[str, str]],
    report: Report,
) -> Network | None:
    """Return the network that a file names, or that an address is one of; None for neither.

    An address of the ledger stays the VM's, so a file that names another network contradicts it.
    """
    if server.numbered:
        return server.networks[0]
    name = file.values.get("network")
    named = server.network(name) if name else None
    kinds = [kind for kind in FAMILIES if kind in values]
    of = {kind: network for kind in kinds if (network := server.network_of(values[kind]))}
    for kind, network in of.items():
        if named not in (None, network) and origin[kind][0] != file.source:
            text = _contradiction("network", name, f"{values[kind]} of {network.name}", file)
            report.about(vms=[file.name]).add(file.source, "network", text)
    return named or next(iter(of.values()), None)


def _contradiction(kind: str, own: object, kept: object, file: VmFile) -> str:
    return (
        f"{own} contradicts {ledger_source(file.server or '')}, where {file.name} has {kept}; to "
        f"keep {kept}, take {kind} out of this file, or else take {file.name} out of the ledger"
    )


def file_claims(wishes: Sequence[Wish], files: Sequence[VmFile]) -> Iterator[Claim]:
    """Yield what VM files give themselves, also those of VMs that cannot be allocated now."""
    for wish in wishes:
        for kind in PARTS:
            if wish.file.values.get(kind) is not None:
                yield wish.claim(kind, wish.file.values[kind])
    wished = {wish.name for wish in wishes}
    for file in sorted(files, key=lambda file: file.name):
        for kind in PARTS if file.name not in wished else ():
            value = file.values.get(kind)
            # A number means something on a server only.
            if value is not None and (file.server or kind != NUMBER):
                yield Claim(kind, value, file.name, file.server or "", file.source, kind)
    for file in files:
        for interface, kind in product(file.interfaces, DERIVED):
            value = getattr(interface, kind)
            if value is not None:
                yield Claim(kind, value, file.name, file.server or "", file.source, "interfaces")
