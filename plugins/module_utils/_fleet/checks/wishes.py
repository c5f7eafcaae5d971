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
    """A VM and what is settled of it, by its file or by the ledger; origin says which.

    network is that of its first interface, None for one that is not chosen yet. kept is what the
    ledger has of the VM.
    """

    file: VmFile
    server: ServerSettings
    values: Mapping[str, Any]
    origin: Mapping[str, tuple[str, str]]
    network: Network | None
    kept: Entry

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
        kinds = families(self.network) if self.network else FAMILIES
        return tuple(kind for kind in kinds if self.values.get(kind) is None)

    def further_addresses(self, kind: str) -> list[Address | None]:
        """Return the addresses of the further interfaces, None for one that has none (yet)."""
        kept = self.kept.others(kind)
        return further_addresses(self.file.interfaces, self.server.networks, kind, kept)

    def unaddressed(self, kind: str) -> list[tuple[int, Network]]:
        """Return the places of further interfaces that get an address, with their networks."""
        networks = [
            network_of(interface, self.server.networks) for interface in self.file.interfaces
        ]
        return [
            (place, network)
            for place, address in enumerate(self.further_addresses(kind))
            if address is None and (network := networks[place]) and network.plan(kind)
        ]

    def needs(self) -> bool:
        """Return whether anything besides its number has still to be handed out."""
        return bool(self.missing() or self.unchosen() or any(map(self.unaddressed, FAMILIES)))

    def further(self, number: int) -> tuple[str, ...]:
        """Return the MACs of the further interfaces of the VM if it has this number."""
        first = self.values.get(MAC) or self.server.mac.mac(number)
        return further_macs(self.file.interfaces, first)

    def claim(self, kind: str, value: object, field: str | None = None) -> Claim:
        source, own_field = self.origin.get(kind, (self.file.source, kind))
        return Claim(kind, value, self.name, self.server.name, source, field or own_field)


@dataclass(frozen=True)
class Known:
    """What is known of a fleet: the servers that can have VMs, all VM files, and all ledgers.

    usable are the names of VMs whose files have no problems. addresses are those of all servers
    and routers, with what they are. unread are the files and ledgers that might hold values of
    their own, each with the servers that it concerns, None for all.
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
    """Yield what the VMs of the ledgers have, including those that have lost their files."""
    present = {(file.server, file.name) for file in files}
    somewhere = {file.name for file in files if file.server is None}
    for server in sorted(ledgers):
        for name, entry in sorted(ledgers[server].entries.items()):
            gone = (server, name) not in present and name not in somewhere
            for kind, value in _values(entry):
                yield Claim(kind, value, name, server, ledger_source(server), name, True, gone)


def quarantine_claims(
    servers: Mapping[str, ServerSettings], ledgers: Mapping[str, Ledger]
) -> Iterator[Claim]:
    """Yield what VMs had that were purged."""
    for name, ledger in sorted(ledgers.items()):
        days = servers[name].quarantine_days if name in servers else None
        for purged in ledger.quarantine:
            end = "it is over" if days is None else str(purged.since + timedelta(days + 1))
            # Another VM may have the name by now.
            vm, source = f"{purged.vm} (purged)", ledger_source(name)
            for kind, value in _values(purged.entry):
                yield Claim(kind, value, vm, name, source, "quarantine", True, True, end)


def _values(entry: Entry) -> Iterator[tuple[str, object]]:
    """Yield all values of an entry, those of further interfaces included, with their kinds."""
    yield from ((kind, value) for kind in PARTS if (value := getattr(entry, kind)) is not None)
    yield from ((kind, value) for kind in DERIVED for value in entry.others(kind))


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
                text = _contradiction(kind, own, kept, file)
                report.about(vms=[file.name]).add(file.source, kind, text)
            if own is not None:
                values[kind], origin[kind] = own, (file.source, kind)
            elif kept is not None:
                values[kind], origin[kind] = kept, (ledger_source(server.name), file.name)
        network = _settled_network(file, server, values, origin, report)
        yield Wish(file, server, values, origin, network, entry or Entry(0))


def families(network: Network) -> tuple[str, ...]:
    return tuple(kind for kind in FAMILIES if network.plan(kind))


def _settled_network(
    file: VmFile,
    server: ServerSettings,
    values: Mapping[str, Any],
    origin: Mapping[str, tuple[str, str]],
    report: Report,
) -> Network | None:
    """Return the network that a file names, or that an address is in; None for neither.

    An address in the ledger stays the VM's, so a file that names another network contradicts it.
    """
    if server.numbered:
        return server.networks[0]
    name = file.values.get("network")
    named = server.network(name) if name else None
    kinds = [kind for kind in FAMILIES if kind in values]
    by_kind = {kind: network for kind in kinds if (network := server.network_of(values[kind]))}
    for kind, network in by_kind.items():
        if named not in (None, network) and origin[kind][0] != file.source:
            text = _contradiction("network", name, f"{values[kind]} of {network.name}", file)
            report.about(vms=[file.name]).add(file.source, "network", text)
    return named or next(iter(by_kind.values()), None)


def _contradiction(kind: str, own: object, kept: object, file: VmFile) -> str:
    return (
        f"{own} contradicts {ledger_source(file.server or '')}, where {file.name} has {kept}; to "
        f"keep {kept}, take {kind} out of this file, or else take {file.name} out of the ledger"
    )


def file_claims(wishes: Sequence[Wish], files: Sequence[VmFile]) -> Iterator[Claim]:
    """Yield the values in VM files, also in those of VMs that cannot be allocated now."""
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
