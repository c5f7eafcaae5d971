# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Numbers, MACs and addresses for all VMs of a fleet at once.

The values in VM files and ledgers are settled first, over the whole fleet. Only then does each VM
without a number get the lowest one that is free and whose values are free too. So the result does
not depend on the order of files, and a new VM changes no other.

On a server with one network a number determines the addresses too. With several networks, as for
a VM's further interfaces, it determines an address only where that is in the network's range and
free; otherwise the lowest free one of the network is handed out, and the ledger keeps it for the
VM.

A file that cannot be read might hold values of its own. As long as there is one, new VMs of the
servers that it could concern wait; numbers that were handed out before stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any, NamedTuple

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.checks.claims import (
    IPV4,
    IPV6,
    KINDS,
    MAC,
    NUMBER,
    Claims,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.checks.taken import Taken, derive
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.checks.wishes import (
    DERIVED,
    FAMILIES,
    PARTS,
    Known,
    Wish,
    families,
    file_claims,
    ledger_claims,
    quarantine_claims,
    wishes_of,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.interfaces import network_of
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.ledger import Entry
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.networks import LIST, Network
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.server import ServerSettings
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.address_plan import HIGHEST_NUMBER
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Report

# How many VMs a message lists.
_LISTED = 5


def allocate(known: Known, report: Report) -> dict[str, Entry]:
    """Return a complete entry for each VM that is usable, on a known server and gets one.

    Each of these VMs without an entry is in a problem of the report.
    """
    servers, files, ledgers = known.servers, known.files, known.ledgers
    claims = Claims()
    clashing = claims.add_all(ledger_claims(files, ledgers), report)
    for claim in quarantine_claims(servers, ledgers):
        claims.add(claim)
    every = sorted(wishes_of(servers, files, ledgers, report), key=lambda wish: wish.order)
    clashing |= claims.add_all(file_claims(every, files), report)
    wishes = [wish for wish in every if wish.name in known.usable]
    taken = Taken(claims, known.addresses)
    waits = {name for name in servers if known.waits_for(name)}
    numbers: dict[str, Entry] = {}
    settled: list[Wish] = []
    homeless: list[Wish] = []
    for wish in wishes:
        if not _check_settled(wish, taken, report) or wish.name in clashing:
            continue
        if NUMBER not in wish.values or (wish.server.name in waits and wish.needs()):
            homeless.append(wish)
        elif _claim_derived(wish, taken, report):
            settled.append(wish)
    # What a number determines comes before what only follows from a MAC.
    for wish in settled:
        if _claim_further(wish, wish.values[NUMBER], taken, report):
            numbers[wish.name] = _entry(wish, wish.values[NUMBER])
    waiting = [wish for wish in homeless if wish.server.name in waits]
    _report_waiting(waiting, known, report)
    ready = [wish for wish in homeless if wish.server.name not in waits]
    _hand_out(ready, taken, numbers, report)
    # What is chosen comes last, since it gives way to everything else.
    _choose([wish for wish in (*settled, *ready) if wish.name in numbers], taken, numbers, report)
    return numbers


def _report_waiting(waiting: Sequence[Wish], known: Known, report: Report) -> None:
    for server, wishes in groupby(waiting, lambda wish: wish.server.name):
        vms = [wish.name for wish in wishes]
        report.about(vms=vms).add(
            server,
            "",
            f"{_listed(vms)} waits for addresses: {_listed(known.waits_for(server))} might give "
            f"some of its own, and cannot be read",
        )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_LISTED]) + (", ..." if len(names) > _LISTED else "")


def _check_settled(wish: Wish, taken: Taken, report: Report) -> bool:
    """Check the values of the VM file and the ledger; return whether all are possible."""
    report = report.about(vms=[wish.name])
    fine = True
    for kind in PARTS:
        value = wish.values.get(kind)
        source, field = wish.origin.get(kind, ("", ""))
        in_file = source == wish.file.source
        unused = kind == IPV6 and wish.network and wish.network.ipv6 is None
        if value is None or (unused and not in_file):
            continue
        reason = taken.obstacle(wish.server, kind, value, wish.network)
        if kind == NUMBER and wish.network and wish.network.too_high(value):
            prefixes = wish.network.ipv6_prefixes
            reason = f"is too high for {prefixes}, which has a /64 for {wish.network.prefixes} VMs"
        if reason:
            advice = "use another one, or none"
            if not in_file:
                part = "this line out" if kind == NUMBER else f"{kind} out of this line"
                advice = f"take {part}, and {wish.name} gets another one"
            report.add(source, field, f"{value} {reason}; {advice}")
            fine = False
    return fine


def _claim_derived(wish: Wish, taken: Taken, report: Report) -> bool:
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
        reason = taken.obstacle(wish.server, kind, value, wish.network)
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


def _claim_further(wish: Wish, number: int, taken: Taken, report: Report) -> bool:
    """Claim the MACs of a VM's further interfaces; return whether all of them are free."""
    first = wish.values.get(MAC) or derive(wish.server, MAC, number)
    macs = [(mac, None) for mac in wish.further(number)]
    return _claim_others(wish, MAC, first, macs, taken, report)


def _claim_others(
    wish: Wish,
    kind: str,
    first: object,
    values: Iterable[tuple[Any, Network | None]],
    taken: Taken,
    report: Report,
) -> bool:
    """Claim values of a VM's further interfaces, each with the network that it is in.

    Return whether all of them are free; first is the value of the VM's first interface.
    """
    seen = {first}
    for value, network in values:
        reason = taken.against(wish.name, wish.server, kind, value, network)
        if value in seen:
            reason = "belongs to another interface of this VM"
        if reason:
            noun = "MAC" if kind == MAC else "address"
            text = f"the {noun} {value} {reason}; give the interface another one with {kind}"
            report.about(vms=[wish.name]).add(wish.file.source, "interfaces", text)
            return False
        seen.add(value)
        taken.claims.add(wish.claim(kind, value))
    return True


def _entry(wish: Wish, number: int) -> Entry:
    """Return the entry of the ledger with what is settled, and what the number determines."""
    values: dict[str, Any] = {kind: wish.values.get(kind) for kind in DERIVED}
    values |= {kind: derive(wish.server, kind, number) for kind in wish.missing()}
    other_macs = tuple(dict.fromkeys((*wish.kept.other_macs, *wish.further(number))))
    return replace(wish.kept, number=number, other_macs=other_macs, **values)


def _is_free(wish: Wish, number: int, taken: Taken) -> bool:
    """Return whether a number and the values that it has to give a VM are free."""
    server, missing, claims = wish.server, wish.missing(), taken.claims
    if claims.holder(NUMBER, server.name, number) or number in server.reserved.numbers:
        return False
    for kind in missing:
        value = derive(server, kind, number)
        if claims.holder(kind, server.name, value):
            return False
        if taken.obstacle(server, kind, value, wish.network):
            return False
    # For a VM with a MAC of its own the further ones are the same, whatever the number.
    further = wish.further(number) if MAC in missing else ()
    return not any(taken.against(wish.name, server, MAC, mac, None) for mac in further)


def _hand_out(
    homeless: Sequence[Wish], taken: Taken, numbers: dict[str, Entry], report: Report
) -> None:
    left_over: list[Wish] = []
    # A number that was not free for a VM is not free for the next one of the same kind either.
    start: dict[tuple[str, tuple[str, ...], int], int] = {}
    for wish in homeless:
        missing = wish.missing()
        highest = _limit(wish.server, missing).highest
        key = wish.server.name, missing, len(wish.file.interfaces)
        number = start.get(key, 1)
        while number <= highest and not _is_free(wish, number, taken):
            number += 1
        start[key] = number
        if number > highest:
            left_over.append(wish)
            continue
        taken.claims.add(wish.claim(NUMBER, number))
        for kind in missing:
            taken.claims.add(wish.claim(kind, derive(wish.server, kind, number)))
        if _claim_further(wish, number, taken, report):
            numbers[wish.name] = _entry(wish, number)
    for server, wishes in groupby(left_over, lambda wish: wish.server.name):
        _report_full(server, list(wishes), taken, report)


def _choose(
    wishes: Sequence[Wish], taken: Taken, entries: dict[str, Entry], report: Report
) -> None:
    """Choose addresses from networks, and take VMs that find no room out of entries."""
    full: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for wish in wishes:
        entry = _first_addresses(wish, entries[wish.name], taken)
        if entry is None:
            networks = [wish.network] if wish.network else wish.server.networks
            key = wish.server.name, tuple(network.name for network in networks)
            full.setdefault(key, []).append(wish.name)
            del entries[wish.name]
        else:
            entries[wish.name] = entry
    for wish in [wish for wish in wishes if wish.name in entries and wish.file.interfaces]:
        for kind in FAMILIES:
            if wish.name in entries:
                _claim_further_addresses(wish, kind, taken, entries, full, report)
    for (server, network_names), names in full.items():
        no_room = "has no room" if len(network_names) == 1 else "have no room"
        report.about(vms=names).add(
            server,
            LIST,
            f"{', '.join(network_names)} {no_room} for {len(names)} more ({_listed(names)}); "
            f"enlarge a range, add a network, or move VMs to another server",
        )


def _first_addresses(wish: Wish, entry: Entry, taken: Taken) -> Entry | None:
    """Return the entry with the addresses of the first network that has room for the VM."""
    if not wish.unchosen():
        return entry
    for network in [wish.network] if wish.network else wish.server.networks:
        if network.too_high(entry.number):
            continue
        kinds = [kind for kind in families(network) if wish.values.get(kind) is None]
        chosen: dict[str, Any] = {
            kind: taken.choose(wish.server, network, kind, entry.number) for kind in kinds
        }
        if None not in chosen.values():
            for kind, address in chosen.items():
                taken.claims.add(wish.claim(kind, address))
            return replace(entry, **chosen)
    return None


def _claim_further_addresses(
    wish: Wish,
    kind: str,
    taken: Taken,
    entries: dict[str, Entry],
    full: dict[tuple[str, tuple[str, ...]], list[str]],
    report: Report,
) -> None:
    """Choose and claim the addresses of further interfaces, or take the VM out of entries."""
    entry, networks = entries[wish.name], wish.server.networks
    own = wish.further_addresses(kind)
    for place, network in wish.unaddressed(kind):
        own[place] = taken.choose(wish.server, network, kind, entry.number)
        if own[place] is None:
            full.setdefault((wish.server.name, (network.name,)), []).append(wish.name)
            del entries[wish.name]
            return
        taken.claims.add(wish.claim(kind, own[place]))
    values = [
        (address, network_of(interface, networks))
        for interface, address in zip(wish.file.interfaces, own, strict=True)
        if address is not None
    ]
    if not _claim_others(wish, kind, getattr(entry, kind), values, taken, report):
        del entries[wish.name]
        return
    others = dict.fromkeys((*entry.others(kind), *(address for address, _network in values)))
    new: dict[str, Any] = {f"other_{kind}": tuple(others)}
    entries[wish.name] = replace(entry, **new)


class _Limit(NamedTuple):
    """The highest number, and the variable that sets it."""

    highest: int
    variable: str = ""
    value: str = ""


def _limit(server: ServerSettings, missing: tuple[str, ...]) -> _Limit:
    """Return the limit of numbers that have to give these kinds of values."""
    network = server.networks[0]
    limits = {
        MAC: _Limit(server.mac.capacity, "vmm_mac_prefix", server.mac.prefix),
        IPV4: _Limit(server.ipv4.capacity, "vmm_ipv4_range", server.ipv4.range),
    }
    if server.ipv6:
        limits[IPV6] = _Limit(server.ipv6.capacity, "vmm_ipv6_range", server.ipv6.range)
    highest = [_Limit(HIGHEST_NUMBER), *(limits[kind] for kind in missing)]
    if server.numbered and network.ipv6_prefixes:
        prefixes = str(network.ipv6_prefixes)
        highest.append(_Limit(network.prefixes, "vmm_ipv6_prefixes", prefixes))
    return min(highest)


def _report_full(server: str, wishes: Sequence[Wish], taken: Taken, report: Report) -> None:
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
