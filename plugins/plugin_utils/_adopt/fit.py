# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""A proposal that the fleet's own model accepts: what is written is what a later run reads."""

from __future__ import annotations

import typing as t
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.installed import Installed
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.ledger import Ledger
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.model import Fleet
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Problem, Problems
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.look.draft import Draft, VmDraft
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.look.options import Options
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.look.seen import Seen
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.propose import propose, without
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.read.flat_files import Mapped, Record
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.read.notes import Notes

SUFFIX: t.Final = ".yml"
_SETTLED: t.Final = ("number", "mac", "ipv4", "ipv6")


class Check(t.Protocol):
    """How to see whether a fleet would be sound."""

    def __call__(
        self,
        settings: Mapping[str, Mapping[str, object]],
        vms: Mapping[str, str],
        ledgers: Mapping[str, str],
    ) -> Fleet:
        """Return the fleet as it would be with these settings, VM files and ledgers added.

        Texts are by the names of files.
        """


@dataclass(frozen=True)
class Fitted:
    """What is to be written: VM files and ledgers by their names, and a server's host_vars."""

    vms: Mapping[str, str]
    ledgers: Mapping[str, str]
    notes: Notes
    variables: Mapping[str, t.Any] = field(default_factory=dict)
    host_vars: str = ""


def fit_server(seen: Seen, options: Options, check: Check) -> Fitted:
    """Return what of a server the fleet can have. Raises OperatorError if that is nothing.

    A VM that the model refuses stays in vm.conf(5) as it is: then everything else is proposed
    again.
    """
    known = _problems(check({}, {}, {}))
    while True:
        draft = propose(seen, options)
        settings = {draft.server: draft.variables}
        fleet, refused = _first(draft, settings, check, known)
        if not refused:
            break
        options = without(options, refused)
    vms, ledgers = _written(draft, fleet)
    _refuse(_new(check(settings, vms, ledgers), known, settings))
    return Fitted(vms, ledgers, draft.notes, draft.variables, draft.host_vars())


def fit_records(
    records: Iterable[Record], mapped: Mapped, options: Options, notes: Notes, check: Check
) -> Fitted:
    """Return VM files and ledgers from an operator's own text files, without asking any server."""
    known = _problems(check({}, {}, {}))
    drafts = {record.name: _from_record(record, options, notes) for record in records}
    files = {record.name: record.file for record in records}
    while True:
        draft = Draft("", {}, tuple(drafts.values()), notes)
        fleet, refused = _first(draft, {}, check, known)
        for name, why in refused.items():
            del drafts[name]
            notes.report(files[name], 0, name, f"{why}; so no file is written for it")
        if not refused:
            break
    if mapped.installed:
        drafts = {name: _as_installed(draft, fleet, options) for name, draft in drafts.items()}
    draft = replace(draft, vms=tuple(drafts.values()))
    vms, ledgers = _written(draft, fleet)
    _refuse(_new(check({}, vms, ledgers), known, {}))
    return Fitted(vms, ledgers, notes)


def _from_record(record: Record, options: Options, notes: Notes) -> VmDraft:
    values = {"server": options.server, **record.values} if options.server else record.values
    fields: dict[str, t.Any] = {key: values[key] for key in values if key not in _SETTLED}
    keys = []
    for key in record.keys:
        words = key.split()
        keys.append(" ".join(words[:2]))
        if words[2:]:
            why = "what follows the key is not copied: it may be a password"
            notes.report(record.file, 0, f"{words[0]} ...", why)
    if keys:
        fields["ssh_keys"] = list(dict.fromkeys(keys))
    settled: dict[str, t.Any] = {key: values[key] for key in values if key in _SETTLED}
    if settled.get("number", "").isdigit():
        settled["number"] = int(settled["number"])
    return VmDraft(record.name, fields, settled)


def _as_installed(draft: VmDraft, fleet: Fleet, options: Options) -> VmDraft:
    vm = next(vm for vm in fleet.vms if vm.name == draft.name)
    return replace(draft, installed=Installed(options.at, vm.disk.image, vm.disk.format))


def _first(
    draft: Draft,
    settings: Mapping[str, Mapping[str, object]],
    check: Check,
    known: Collection[str],
) -> tuple[Fleet, dict[str, str]]:
    """Return the fleet with these VMs, their addresses as far as known, and which it refuses, why.

    Raises Problems for what concerns a server, or everything.
    """
    files = {f"{vm.name}{SUFFIX}": vm.text(vm.settled) for vm in draft.vms}
    fleet = check(settings, files, {})
    ours = {vm.name for vm in draft.vms}
    refused: dict[str, list[str]] = {}
    others: list[Problem] = []
    for problem in _new(fleet, known, settings):
        names = problem.vms & ours
        for name in names:
            refused.setdefault(name, []).append(f"{problem.field}: {problem.text}")
        others += [] if names else [problem]
    _refuse(others)
    missing = ours - refused.keys() - {vm.name for vm in fleet.vms}
    whys = {name: "; ".join(texts) for name, texts in refused.items()}
    return fleet, whys | dict.fromkeys(missing, "the fleet's model does not accept it")


def _new(
    fleet: Fleet, known: Collection[str], settings: Mapping[str, Mapping[str, object]]
) -> list[Problem]:
    """Return problems that the fleet did not have before; for a server that is adopted, all."""
    return [
        problem
        for problem in fleet.problems
        if problem.server in settings or str(problem) not in known
    ]


def _written(draft: Draft, fleet: Fleet) -> tuple[dict[str, str], dict[str, str]]:
    """Return the VM files without what the ledger has, and the ledgers with their records."""
    ledgers: dict[str, Ledger] = {}
    for vm in draft.vms:
        server = str(vm.fields["server"])
        ledger = ledgers.get(server, fleet.ledgers[server])
        if vm.installed:
            ledger = ledger.record({vm.name: vm.installed})
        if vm.disks:
            ledger = ledger.record_disks(vm.name, None, vm.disks)
        ledgers[server] = ledger
    files = {f"{vm.name}{SUFFIX}": vm.text() for vm in draft.vms}
    return files, {f"{server}{SUFFIX}": ledger.render() for server, ledger in ledgers.items()}


def _problems(fleet: Fleet) -> frozenset[str]:
    return frozenset(map(str, fleet.problems))


def _refuse(problems: Sequence[Problem]) -> None:
    if problems:
        raise Problems(problems)
