# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Numbers, MACs and addresses for all VMs of a fleet at once.

What a VM file gives and what a ledger has is settled first, over the whole fleet. Only then does
each VM without a number get the lowest one that is free and whose values are free too. So the
result does not depend on the order of files, and a new VM changes no other.

What cannot be read might give values of its own. As long as there is such a file, new VMs of the
servers that it could concern wait; numbers that were handed out before stand.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, NamedTuple

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.checks.claims import (
    IPV4,
    IPV6,
    KINDS,
    MAC,
    NUMBER,
    Claim,
    Claims,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.interfaces import further_macs
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.ledger import Entry, Ledger
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.ledger import (
    source as ledger_source,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.server import ServerSettings
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.vm import VmFile
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.address_plan import (
    HIGHEST_NUMBER,
    Address,
    usable,
)
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Report

_PARTS = (NUMBER, MAC, IPV4, IPV6)
_DERIVED = (MAC, IPV4, IPV6)

# How many VMs a message lists.
_LISTED = 5


@dataclass(frozen=True)
class _Wish:
    """A VM and what is settled of it, by its file or by the ledger; origin tells which.

    kept_macs are those of further interfaces that the ledger has.
    """

    file: VmFile
    server: ServerSettings
    values: Mapping[str, Any]
    origin: Mapping[str, tuple[str, str]]
    kept_macs: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.file.name

    @property
    def order(self) -> tuple[str, str]:
        return self.server.name, self.name

    def missing(self) -> tuple[str, ...]:
        """Return the kinds of values that the number has to give."""
        kinds = _DERIVED if self.server.ipv6 else (MAC, IPV4)
        return tuple(kind for kind in kinds if self.values.get(kind) is None)

    def further(self, number: int) -> tuple[str, ...]:
        """Return the MACs of the further interfaces of the VM if it has this number."""
        given = self.file.interfaces
        return further_macs(given, self.values.get(MAC) or derive(self.server, MAC, number))

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


def allocate(known: Known, report: Report) -> dict[str, Entry]:
    """Return a complete entry for each VM that is usable, on a known server and gets one.

    Each of these VMs without an entry is in a problem of the report.
    """
    servers, files, ledgers = known.servers, known.files, known.ledgers
    claims = Claims()
    clashing = claims.add_all(_ledger_claims(files, ledgers), report)
    for claim in _quarantine_claims(servers, ledgers):
        claims.add(claim)
    every = sorted(_wishes(servers, files, ledgers, report), key=lambda wish: wish.order)
    clashing |= claims.add_all(_file_claims(every, files), report)
    wishes = [wish for wish in every if wish.name in known.usable]
    taken = _Taken(known, claims)
    numbers: dict[str, Entry] = {}
    settled: list[_Wish] = []
    homeless: list[_Wish] = []
    for wish in wishes:
        if not _check_settled(wish, taken, report) or wish.name in clashing:
            continue
        if NUMBER not in wish.values or (wish.missing() and taken.waits(wish)):
            homeless.append(wish)
        elif _claim_derived(wish, taken, report):
            settled.append(wish)
    # What a number gives comes before what only follows from a MAC.
    for wish in settled:
        if _claim_further(wish, wish.values[NUMBER], taken, report):
            numbers[wish.name] = _entry(wish, wish.values[NUMBER])
    waiting = [wish for wish in homeless if taken.waits(wish)]
    _report_waiting(waiting, known, report)
    _hand_out([wish for wish in homeless if not taken.waits(wish)], taken, numbers, report)
    return numbers


def _report_waiting(waiting: Sequence[_Wish], known: Known, report: Report) -> None:
    names: dict[str, list[str]] = {}
    for wish in waiting:
        names.setdefault(wish.server.name, []).append(wish.name)
    for server, vms in names.items():
        report.about(vms=vms).add(
            server,
            "",
            f"{_listed(vms)} waits for addresses: {_listed(known.waits_for(server))} might give "
            f"some of its own, and cannot be read",
        )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_LISTED]) + (", ..." if len(names) > _LISTED else "")


def _ledger_claims(files: Sequence[VmFile], ledgers: Mapping[str, Ledger]) -> Iterator[Claim]:
    present = {(file.server, file.name) for file in files}
    somewhere = {file.name for file in files if file.server is None}
    for server in sorted(ledgers):
        for name, entry in sorted(ledgers[server].entries.items()):
            gone = (server, name) not in present and name not in somewhere
            for kind in _PARTS:
                value = getattr(entry, kind)
                if value is not None:
                    yield Claim(kind, value, name, server, ledger_source(server), name, True, gone)
            for mac in entry.other_macs:
                yield Claim(MAC, mac, name, server, ledger_source(server), name, True, gone)


def _quarantine_claims(
    servers: Mapping[str, ServerSettings], ledgers: Mapping[str, Ledger]
) -> Iterator[Claim]:
    for name, ledger in sorted(ledgers.items()):
        for one in ledger.quarantine:
            days = servers[name].quarantine_days if name in servers else None
            end = "it is over" if days is None else str(one.since + timedelta(days + 1))
            values = [(kind, getattr(one.entry, kind)) for kind in _PARTS]
            values += [(MAC, mac) for mac in one.entry.other_macs]
            for kind, value in values:
                if value is not None:
                    # Another VM may have the name by now.
                    vm, source = f"{one.vm} (purged)", ledger_source(name)
                    yield Claim(kind, value, vm, name, source, "quarantine", True, True, end)


def _wishes(
    servers: Mapping[str, ServerSettings],
    files: Sequence[VmFile],
    ledgers: Mapping[str, Ledger],
    report: Report,
) -> Iterator[_Wish]:
    for file in files:
        server = servers.get(file.server or "")
        if server is None or not file.knows(*_PARTS):
            continue
        ledger = ledgers.get(server.name)
        entry = ledger.entries.get(file.name) if ledger else None
        values: dict[str, Any] = {}
        origin: dict[str, tuple[str, str]] = {}
        for kind in _PARTS:
            own, kept = file.values.get(kind), getattr(entry, kind, None)
            if own is not None and kept is not None and own != kept:
                report.about(vms=[file.name]).add(
                    file.source, kind, _contradiction(kind, own, kept, file)
                )
            if own is not None:
                values[kind], origin[kind] = own, (file.source, kind)
            elif kept is not None:
                values[kind], origin[kind] = kept, (ledger_source(server.name), file.name)
        yield _Wish(file, server, values, origin, entry.other_macs if entry else ())


def _contradiction(kind: str, own: object, kept: object, file: VmFile) -> str:
    return (
        f"{own} contradicts {ledger_source(file.server or '')}, where {file.name} has {kept}; to "
        f"keep {kept}, take {kind} out of this file, or else take {file.name} out of the ledger"
    )


def _file_claims(wishes: Sequence[_Wish], files: Sequence[VmFile]) -> Iterator[Claim]:
    """Yield what VM files give themselves, also those of VMs that cannot be allocated now."""
    for wish in wishes:
        for kind in _PARTS:
            if wish.file.values.get(kind) is not None:
                yield wish.claim(kind, wish.file.values[kind])
    wished = {wish.name for wish in wishes}
    for file in sorted(files, key=lambda file: file.name):
        for kind in _PARTS if file.name not in wished else ():
            value = file.values.get(kind)
            # A number means something on a server only.
            if value is not None and (file.server or kind != NUMBER):
                yield Claim(kind, value, file.name, file.server or "", file.source, kind)
    for file in files:
        for mac in (interface.mac for interface in file.interfaces):
            if mac is not None:
                yield Claim(MAC, mac, file.name, file.server or "", file.source, "interfaces")


class _Taken:
    """Tells what stands against a value, over the whole fleet."""

    def __init__(self, known: Known, claims: Claims) -> None:
        self.claims = claims
        self._fixed = known.addresses
        self._waits = {name: bool(known.waits_for(name)) for name in known.servers}

    def waits(self, wish: _Wish) -> bool:
        """Return whether this VM can get nothing new now."""
        return self._waits[wish.server.name]

    def obstacle(self, server: ServerSettings, kind: str, value: Any) -> str | None:
        """Return why no VM of this server can have this value, whoever it is, or None."""
        if kind == NUMBER:
            return _reserved(server) if value in server.reserved.numbers else None
        if kind == MAC:
            return _reserved(server) if value in server.reserved.macs else None
        return self._address_obstacle(server, kind, value)

    def _address_obstacle(self, server: ServerSettings, kind: str, value: Address) -> str | None:
        plan = server.ipv4 if kind == IPV4 else server.ipv6
        if plan is None:
            return f"is of no use: {server.name} has no vmm_{kind}_network"
        if not usable(plan.network, value):
            return f"is not a usable address of {server.name}'s network {plan.network}"
        if value in self._fixed:
            return f"is {self._fixed[value]}"
        return _reserved(server) if server.reserved.has_address(value) else None

    def is_free(self, wish: _Wish, number: int) -> bool:
        """Return whether a number and the values that it has to give a VM are free."""
        server, missing = wish.server, wish.missing()
        if self.claims.holder(NUMBER, server.name, number) or number in server.reserved.numbers:
            return False
        for kind in missing:
            value = derive(server, kind, number)
            if self.claims.holder(kind, server.name, value) or self.obstacle(server, kind, value):
                return False
        # With a MAC of its own, the further ones are the same for every number.
        further = wish.further(number) if MAC in missing else ()
        return not any(self.against(wish, mac) for mac in further)

    def against(self, wish: _Wish, mac: str) -> str | None:
        """Return why this MAC of a further interface cannot be this VM's, or None."""
        holder = self.claims.holder(MAC, wish.server.name, mac)
        if holder and holder.vm != wish.name:
            return f"belongs to {holder.vm} ({holder.source})"
        return self.obstacle(wish.server, MAC, mac)


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


def _check_settled(wish: _Wish, taken: _Taken, report: Report) -> bool:
    """Check what the VM file or the ledger gives; return whether nothing stands against it."""
    report = report.about(vms=[wish.name])
    fine = True
    for kind in _PARTS:
        value = wish.values.get(kind)
        source, field = wish.origin.get(kind, ("", ""))
        in_file = source == wish.file.source
        if value is None or (kind == IPV6 and wish.server.ipv6 is None and not in_file):
            continue
        reason = taken.obstacle(wish.server, kind, value)
        if reason:
            advice = "use another one, or none"
            if not in_file:
                advice = f"take {kind} out of this line, and {wish.name} gets another one"
            if not in_file and kind == NUMBER:
                advice = f"take this line out, and {wish.name} gets another one"
            report.add(source, field, f"{value} {reason}; {advice}")
            fine = False
    return fine


def _claim_derived(wish: _Wish, taken: _Taken, report: Report) -> bool:
    """Claim what the settled number gives; return whether all of it is free."""
    report = report.about(vms=[wish.name])
    number = wish.values[NUMBER]
    source, field = wish.origin[NUMBER]
    for kind in wish.missing():
        limit = _limit(wish.server, (kind,))
        if number > limit.highest:
            report.add(
                source,
                field,
                f"{number} is too high; {limit.variable} {limit.value} holds {limit.highest} "
                f"numbers",
            )
            return False
        value = derive(wish.server, kind, number)
        reason = taken.obstacle(wish.server, kind, value)
        if reason is None:
            other = taken.claims.add(wish.claim(kind, value, field))
            reason = f"belongs to {other.vm} ({other.source})" if other else None
        if reason:
            report.add(
                source,
                field,
                f"{number} gives the {KINDS[kind]} {value}, which {reason}; use another number, or "
                f"give {kind} in the VM file",
            )
            return False
    return True


def _claim_further(wish: _Wish, number: int, taken: _Taken, report: Report) -> bool:
    """Claim the MACs of a VM's further interfaces; return whether all of them are free."""
    first = wish.values.get(MAC) or derive(wish.server, MAC, number)
    seen = {first}
    for mac in wish.further(number):
        reason = "belongs to another interface of this VM" if mac in seen else None
        seen.add(mac)
        if reason := reason or taken.against(wish, mac):
            report.about(vms=[wish.name]).add(
                wish.file.source,
                "interfaces",
                f"the MAC {mac} {reason}; give the interface another one with mac",
            )
            return False
        taken.claims.add(wish.claim(MAC, mac))
    return True


def _entry(wish: _Wish, number: int) -> Entry:
    entry = Entry(number, wish.values.get(MAC), wish.values.get(IPV4), wish.values.get(IPV6))
    given = {kind: derive(wish.server, kind, number) for kind in wish.missing()}
    other_macs = tuple(dict.fromkeys((*wish.kept_macs, *wish.further(number))))
    return replace(entry, **given, other_macs=other_macs)


def _hand_out(
    homeless: Sequence[_Wish], taken: _Taken, numbers: dict[str, Entry], report: Report
) -> None:
    left_over: dict[str, list[_Wish]] = {}
    # A number that was not free for a VM is not free for the next one of the same kind either.
    start: dict[tuple[str, tuple[str, ...], int], int] = {}
    for wish in homeless:
        missing = wish.missing()
        highest = _limit(wish.server, missing).highest
        key = wish.server.name, missing, len(wish.file.interfaces)
        number = start.get(key, 1)
        while number <= highest and not taken.is_free(wish, number):
            number += 1
        start[key] = number
        if number > highest:
            left_over.setdefault(wish.server.name, []).append(wish)
            continue
        taken.claims.add(wish.claim(NUMBER, number))
        for kind in missing:
            taken.claims.add(wish.claim(kind, derive(wish.server, kind, number)))
        if _claim_further(wish, number, taken, report):
            numbers[wish.name] = _entry(wish, number)
    for server, wishes in left_over.items():
        _report_full(server, wishes, taken, report)


class _Limit(NamedTuple):
    """The highest number, and the variable that sets it."""

    highest: int
    variable: str = ""
    value: str = ""


def _limit(server: ServerSettings, missing: tuple[str, ...]) -> _Limit:
    """Return the limit of numbers that have to give these kinds of values."""
    limits = {
        MAC: _Limit(server.mac.capacity, "vmm_mac_prefix", server.mac.prefix),
        IPV4: _Limit(server.ipv4.capacity, "vmm_ipv4_range", server.ipv4.range),
    }
    if server.ipv6:
        limits[IPV6] = _Limit(server.ipv6.capacity, "vmm_ipv6_range", server.ipv6.range)
    return min([_Limit(HIGHEST_NUMBER), *(limits[kind] for kind in missing)])


def _report_full(server: str, wishes: Sequence[_Wish], taken: _Taken, report: Report) -> None:
    highest, variable, value = _limit(wishes[0].server, wishes[0].missing())
    used = sum(
        taken.claims.holder(NUMBER, server, number) is not None for number in range(1, highest + 1)
    )
    names = [wish.name for wish in wishes]
    report.about(vms=names).add(
        server,
        variable,
        f"{value} is full: numbers in all {highest}, of VMs or kept in the ledger {used}, reserved "
        f"or with values that are taken {highest - used}; VMs without a number {len(names)} "
        f"({_listed(names)}); enlarge it, or move VMs to another server",
    )
