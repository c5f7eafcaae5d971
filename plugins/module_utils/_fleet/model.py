# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The fleet model: VM files, ledgers and server variables in; a checked fleet out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from itertools import chain
from typing import Any

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.checks import capacity, kept, owners
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.checks.allocation import allocate
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.checks.claims import (
    IMAGE,
    LABEL,
    Claim,
    Claims,
    oldest_first,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.checks.forwards import (
    check_forwards,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.checks.interfaces import (
    check_interfaces,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.checks.moves import (
    moved,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.checks.prefixes import (
    check_prefixes,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.checks.unread import unread
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.checks.wishes import Known
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.fields import BY_NAME
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.ledger import (
    SUFFIX,
    Entry,
    Ledger,
    read_ledger,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.move import (
    UnderWay,
    read_moves,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.move import (
    source as move_source,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.server import (
    PREFIX,
    ServerSettings,
    fixed_addresses,
    read_server,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.vm import DIRECTORY as VMS
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.vm import SUFFIX as VM_SUFFIX
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.vm import (
    Names,
    Texts,
    Vm,
    VmFile,
    make_vm,
    order_source,
    read_vm,
    vm_of,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.vm import source as vm_source
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.variables import (
    SERVER_VARIABLES,
    describe_server,
)
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.images import stem
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.names import host_label
from ansible_collections.puffy.vmm.plugins.module_utils._problems import (
    Problem,
    Report,
    shown_name,
)

# Names with the prefix of server variables that a server may have and that are not its settings.
_FOREIGN = frozenset({f"{PREFIX}{field}" for field in BY_NAME} | {*SERVER_VARIABLES, "vmm_image"})


@dataclass(frozen=True)
class Inputs:
    """What an operator and customers wrote, as text and plain data.

    vms, orders, ledgers and moves (the journals) map the names of files ("web1.yml") to their text,
    None for one that cannot be read; servers the names of servers to their vmm_* variables. groups
    are names of the inventory that no VM can have. today (UTC) ends quarantines; without it none
    ends. seen are the names of VMs of which the fleet directory has host keys or a hand-over sheet.
    accounts are those of each server that belong to no owner, with what they are. kept has what
    Fleet.kept was in an earlier run, as text, by server. problems are those that are known already.
    arriving are the names of VMs that come from another server: they are not new, although the
    ledger of their server has no line for them yet.
    """

    vms: Mapping[str, str | None]
    ledgers: Mapping[str, str | None]
    servers: Mapping[str, Mapping[str, object]]
    groups: Collection[str] = ()
    today: date = date.min
    seen: Collection[str] = ()
    orders: Mapping[str, str | None] = field(default_factory=dict)
    accounts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    kept: Mapping[str, str] = field(default_factory=dict)
    problems: Sequence[Problem] = ()
    moves: Mapping[str, str | None] = field(default_factory=dict)
    arriving: Collection[str] = ()


@dataclass(frozen=True)
class Fleet:
    """All servers and VMs that are sound, the VMs in the order of server and number.

    There is a ledger for each file that can be read and for each server with VMs, as it should be.
    A VM whose files have problems is as it was when they had none; where that is not known, its
    name is in unknown, by server. kept has the files of each server's VMs as they were when they
    had no problems. new are the names of VMs that had no line in a ledger.
    """

    servers: Mapping[str, ServerSettings]
    vms: tuple[Vm, ...]
    ledgers: Mapping[str, Ledger]
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    unknown: Mapping[str, frozenset[str]] = field(default_factory=dict)
    kept: Mapping[str, str] = field(default_factory=dict, repr=False)
    new: frozenset[str] = frozenset()

    @cached_property
    def _by_server(self) -> Mapping[str, list[Vm]]:
        by_server: dict[str, list[Vm]] = {}
        for vm in self.vms:
            by_server.setdefault(vm.server, []).append(vm)
        return by_server

    def vms_of(self, server: str) -> Sequence[Vm]:
        """Return a server's VMs in the order of their numbers."""
        return self._by_server.get(server, [])

    @property
    def broken(self) -> dict[str, list[str]]:
        """The problems of each VM that has some, by its name."""
        by_vm: dict[str, list[str]] = {}
        for problem in self.problems:
            for vm in sorted(problem.vms):
                by_vm.setdefault(vm, []).append(str(problem))
        return by_vm

    def problems_of(self, server: str) -> list[str]:
        """Return what concerns a server: itself, its ledger, its VMs, or everything."""
        own = {vm.name for vm in self.vms_of(server)}
        own |= self.unknown.get(server, frozenset())
        return [
            str(problem)
            for problem in self.problems
            if server == problem.server or problem.vms & own or not (problem.vms or problem.server)
        ]


def build_fleet(inputs: Inputs) -> Fleet:
    """Return the fleet, with a number, a MAC and addresses for every VM that is sound.

    Never raises for what the files hold: all that is wrong is in the fleet's problems.
    """
    report = Report()
    servers = {
        name: settings
        for name, variables in sorted(inputs.servers.items())
        if (settings := read_server(name, variables, _FOREIGN, report.about(server=name)))
    }
    for name in check_prefixes(servers, report):
        del servers[name]
    files = _read_vms(inputs, report)
    ledgers = {}
    for file, text in sorted(inputs.ledgers.items()):
        name = file.removesuffix(SUFFIX)
        ledger = None if text is None else read_ledger(file, text, report.about(server=name))
        ledgers[name] = _released(ledger, servers.get(name), inputs.today) if ledger else None
    spoiled = {problem.server for problem in inputs.problems}
    everything = any(not (problem.vms or problem.server) for problem in inputs.problems)
    whole = {name: ledger for name, ledger in ledgers.items() if ledger is not None}
    usable = {
        name: settings
        for name, settings in servers.items()
        if name not in spoiled and (name in whole or name not in ledgers) and not everything
    }
    whole |= {name: _with_left(whole[name], files, inputs) for name in usable.keys() & whole.keys()}
    under_way = _under_way(inputs, report)
    moves = moved(files, whole, inputs.servers, report)
    files = [moves[file.name].file if file.name in moves else file for file in files]
    known = {name: frozenset(ledger.entries) for name, ledger in whole.items()}
    existing = {file.name for file in files if file.name in known.get(file.server or "", ())}
    owners.check_keys(files, existing, report)
    owners.check_names(files, existing, report)
    owners.check_former(files, existing | {*inputs.arriving}, whole.values(), report)
    Claims().add_all(_labels(files, existing), report)
    by_server = _by_server(files)
    for name, settings in usable.items():
        capacity.check_sizes(settings, by_server[name], existing | {*inputs.arriving}, report)
        check_interfaces(settings, by_server[name], existing, report)
        check_forwards(settings, by_server[name], existing, report)
        owners.check_accounts(settings, by_server[name], inputs.accounts.get(name, {}), report)
    counted = _sound(files, inputs, report) | existing
    for name, settings in usable.items():
        own = [file for file in by_server[name] if file.name in counted]
        capacity.check_capacity(settings, own, existing, report)
    known_values = Known(
        usable,
        files,
        _sound(files, inputs, report),
        whole,
        fixed_addresses(inputs.servers, servers),
        unread(files, ledgers, servers),
    )
    entries = allocate(known_values, report)
    sound = _sound(files, inputs, report) & entries.keys()
    refusals = {name: move.refusal for name, move in moves.items() if name not in under_way}
    vms = [
        make_vm(
            file,
            usable[file.server or ""],
            entries[file.name],
            seen=file.name in inputs.seen,
            refusal=refusals.get(file.name),
            moving=under_way.get(file.name),
        )
        for file in files
        if file.name in sound
    ]
    twice = Claims().add_all(_images(vms), report)
    vms = [vm for vm in vms if vm.name not in twice]
    # By now all problems are known: what is left is as it was.
    made = {vm.name for vm in vms}
    left = [file for file in files if file.name not in made]
    earlier, unknown = _earlier(left, vms, inputs, usable, whole)
    earlier = {name: _not_touched(vm, under_way, inputs) for name, vm in earlier.items()}
    in_order = sorted([*vms, *earlier.values()], key=lambda vm: (vm.server, vm.number))
    return Fleet(
        usable,
        tuple(in_order),
        _new_ledgers(whole, vms, entries),
        _all_problems(inputs, report),
        tuple(sorted(set(report.warnings))),
        unknown,
        _copies(inputs, in_order, earlier.keys() | moves.keys(), usable),
        frozenset(vm.name for vm in vms if vm.name not in existing),
    )


def _under_way(inputs: Inputs, report: Report) -> dict[str, UnderWay]:
    """Return the moves that are under way, by VM. A journal that cannot be read is a problem."""
    by_vm: dict[str, UnderWay] = {}
    for file, text in sorted(inputs.moves.items()):
        vm = vm_of(file)
        moves = None if text is None else read_moves(vm, text, report.about(vms=[vm]))
        if moves and moves.under_way:
            by_vm[vm] = moves.under_way
    return by_vm


def _not_touched(vm: Vm, under_way: Mapping[str, UnderWay], inputs: Inputs) -> Vm:
    """Return an earlier VM so that a move of it that may be under way is not disturbed."""
    if f"{vm.name}{VM_SUFFIX}" not in inputs.moves or vm.name in under_way:
        return replace(vm, moving=under_way.get(vm.name))
    refusal = f"{move_source(vm.name)} cannot be read, and may say that it is being moved"
    return replace(vm, refusal=vm.refusal or refusal)


def _images(vms: Sequence[Vm]) -> Iterator[Claim]:
    """Yield where VMs have images, without their format: two formats share some file names."""
    for vm in vms:
        for disk, part in ((vm.disk, "image"), *((disk, "disks") for disk in vm.disks)):
            source = vm_source(vm.name)
            yield Claim(IMAGE, stem(disk.image), vm.name, vm.server, source, part)


def _labels(files: Sequence[VmFile], existing: Collection[str]) -> Iterator[Claim]:
    """Yield the names that VMs have in DHCP and DNS."""
    for file in oldest_first(files, existing):
        old, label = file.name in existing, host_label(file.name)
        yield Claim(LABEL, label, file.name, file.server or "", file.source, "name", old)


def _read_vms(inputs: Inputs, report: Report) -> list[VmFile]:
    known = Names(inputs.servers, inputs.groups)
    files = []
    for file, text in sorted(inputs.vms.items()):
        name = vm_of(file)
        if text is None:
            # The reason is among the problems that are known already.
            files.append(VmFile(name, f"{VMS}/{shown_name(file)}", {}, complete=False))
            continue
        files.append(read_vm(name, _texts(inputs, name), known, report.about(vms=[name])))
    for file in sorted(inputs.orders.keys() - inputs.vms.keys()):
        where = order_source(vm_of(file))
        report.warn(where, "", f"waits for {VMS}/{shown_name(file)}, which names its server")
    return files


def _by_server(files: Sequence[VmFile]) -> Mapping[str, list[VmFile]]:
    by_server: dict[str, list[VmFile]] = defaultdict(list)
    for file in files:
        by_server[file.server or ""].append(file)
    return by_server


def _texts(inputs: Inputs, name: str) -> Texts:
    file = f"{name}{VM_SUFFIX}"
    return Texts(inputs.vms.get(file), inputs.orders.get(file), file in inputs.orders)


def _sound(files: Sequence[VmFile], inputs: Inputs, report: Report) -> frozenset[str]:
    """Return the names of the VMs that no problem concerns so far."""
    concerned = {vm for each in (*report.problems, *inputs.problems) for vm in each.vms}
    return frozenset(file.name for file in files if file.name not in concerned)


def _earlier(
    left: Sequence[VmFile],
    vms: Sequence[Vm],
    inputs: Inputs,
    servers: Mapping[str, ServerSettings],
    ledgers: Mapping[str, Ledger],
) -> tuple[dict[str, Vm], dict[str, frozenset[str]]]:
    """Return VMs with problems as they were, and the names of those of which that is not known.

    Only what a ledger has was there before.
    """
    known = {name: ledgers[name].entries for name in servers if name in ledgers}
    homes_of = {file.name: homes for file in left if (homes := kept.candidates(file, known))}
    copies = {
        server: kept.read_copies(inputs.kept.get(server, ""))
        for server in set(chain.from_iterable(homes_of.values()))
    }
    earlier: dict[str, Vm] = {}
    names = Names(inputs.servers)
    for name, homes in homes_of.items():
        for server in homes:
            if copy := copies[server].get(name):
                seen, ledger = name in inputs.seen, ledgers[server]
                if vm := kept.earlier_vm(name, copy, servers[server], ledger, names, seen=seen):
                    earlier[name] = vm
    for name in kept.clashing(vms, list(earlier.values())):
        del earlier[name]
    unknown: dict[str, set[str]] = defaultdict(set)
    for name in homes_of.keys() - earlier.keys():
        for server in homes_of[name]:
            unknown[server].add(name)
    return earlier, {server: frozenset(names) for server, names in unknown.items()}


def _copies(
    inputs: Inputs,
    vms: Sequence[Vm],
    earlier: Collection[str],
    servers: Mapping[str, ServerSettings],
) -> dict[str, str]:
    """Return the copies of all servers: of sound files, and the old ones of all others."""
    texts = {server: text for server, text in inputs.kept.items() if server not in servers}
    by_server: dict[str, list[Vm]] = {name: [] for name in servers if name in inputs.kept}
    for vm in vms:
        by_server.setdefault(vm.server, []).append(vm)
    for server, own in by_server.items():
        old: Mapping[str, kept.Copy] = {}
        if any(vm.name in earlier for vm in own):
            old = kept.read_copies(inputs.kept.get(server, ""))
        copies = {
            vm.name: (vm.name in earlier and old.get(vm.name))
            or kept.copy_of(_texts(inputs, vm.name))
            for vm in own
        }
        texts[server] = kept.render_copies(copies)
    return texts


def _all_problems(inputs: Inputs, report: Report) -> tuple[Problem, ...]:
    """Return all problems, sorted: what could not be read is not reported as missing too."""
    reported = {(problem.source, problem.field) for problem in inputs.problems}
    more = [each for each in report.problems if (each.source, each.field) not in reported]
    unique = {(each, each.vms, each.server): each for each in (*inputs.problems, *more)}
    return tuple(sorted(unique.values()))


def server_variables(fleet: Fleet, server: str) -> dict[str, Any]:
    """Return the SERVER_VARIABLES of one of fleet.servers, as plain data."""
    unknown = fleet.unknown.get(server, ())
    return describe_server(fleet.servers[server], fleet.vms_of(server), unknown)


def _released(ledger: Ledger, server: ServerSettings | None, today: date) -> Ledger:
    """Return the ledger without what has been in quarantine for long enough."""
    if server is None:
        return ledger
    days = server.quarantine_days
    left = tuple(purged for purged in ledger.quarantine if not purged.is_over(days, today))
    return replace(ledger, quarantine=left)


def _with_left(ledger: Ledger, files: Sequence[VmFile], inputs: Inputs) -> Ledger:
    """Return the ledger with the owners of VMs whose files were removed since the last run."""
    gone = ledger.entries.keys() - {file.name for file in files}
    if not gone:
        return ledger
    copies = kept.read_copies(inputs.kept.get(ledger.server, ""))
    left = kept.owners_of(gone, copies, ledger.server)
    return replace(ledger, owners={**ledger.owners, **left})


def _new_ledgers(
    ledgers: Mapping[str, Ledger], vms: Sequence[Vm], entries: Mapping[str, Entry]
) -> dict[str, Ledger]:
    """Return the old ledgers with the entries of all VMs; no entry is ever dropped here."""
    new: dict[str, dict[str, Entry]] = defaultdict(dict)
    for vm in vms:
        new[vm.server][vm.name] = entries[vm.name]
    old = {name: Ledger(name, {}) for name in new} | dict(ledgers)
    return {
        name: replace(old[name], entries={**old[name].entries, **new[name]}) for name in sorted(old)
    }
