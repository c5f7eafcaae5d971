# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The files of a fleet after a VM has moved to another server, and whether that is possible."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import PurePosixPath

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.installed import (
    IMAGE_SUFFIXES,
    Installed,
    RecordedDisk,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.ledger import (
    SUFFIX,
    Entry,
    Ledger,
    Purged,
    read_ledger,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.ledger import (
    source as ledger_source,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.move import Image
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.vm import SUFFIX as VM_SUFFIX
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.vm import Vm
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.vm import source as vm_source
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.vm_edit import with_field
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.model import Fleet
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.images import in_role, stem
from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError, Report
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.directory import FleetTexts

# Builds the fleet that texts describe; the names are those of VMs that come from another server.
Build = Callable[[FleetTexts, Collection[str]], Fleet]

# What is kept if the other server can have it, the most first.
_KEPT = (("mac", "ipv4", "ipv6"), ("mac", "ipv4"), ("mac", "ipv6"), ("mac",))


class CannotMove(OperatorError):
    """Nothing is wrong with the fleet, but a VM cannot be moved as requested."""


@dataclass(frozen=True)
class Relocation:
    """A VM on the server that it leaves, and on the one that it moves to.

    texts are all files of the fleet as they are after the move: the VM's, and the ledgers of both
    servers. disks are the images that the ledger has, first where they are, then where they will
    be.
    """

    before: Vm
    after: Vm
    texts: FleetTexts
    disks: tuple[tuple[RecordedDisk, RecordedDisk], ...]

    @property
    def sources(self) -> tuple[RecordedDisk, ...]:
        """The images where they are before the move: an archived VM's have other names."""
        archived = self.before.state == "archived"
        return tuple(
            replace(old, image=in_role(old.image, "archived")) if archived else old
            for old, _new in self.disks
        )

    def images(self, stamp: str) -> tuple[Image, ...]:
        """Return the paths of all images in the move that began at a time."""
        archived = self.before.state == "archived"
        return tuple(
            Image(
                source.image,
                in_role(old.image, f"moved-{stamp}"),
                in_role(new.image, "moving"),
                in_role(new.image, "archived") if archived else new.image,
            )
            for source, (old, new) in zip(self.sources, self.disks, strict=True)
        )


def relocate(texts: FleetTexts, build: Build, name: str, to: str, today: date) -> Relocation:
    """Return the move of a VM to a server. Raises CannotMove with all reasons against it."""
    fleet = build(texts, ())
    before = _vm(fleet, name, to)
    entry = fleet.ledgers[before.server].entries[name]
    text = texts.vms[f"{name}{VM_SUFFIX}"] or ""
    try:
        moved_text = with_field(text, "server", to)
    except ValueError as error:
        raise CannotMove(f"{vm_source(name)}: {error}") from error
    left = ledger_of(texts, before.server)
    left = replace(left, entries={vm: line for vm, line in left.entries.items() if vm != name})
    known = set(map(str, fleet.problems))
    problems: list[str] = []
    for kept in _KEPT:
        values = {field: getattr(before, field) for field in kept if getattr(before, field)}
        file = _with_values(moved_text, values, name)
        after_texts = _replaced(texts, name, file, left)
        after = build(after_texts, {name})
        problems = [text for text in map(str, after.problems) if text not in known]
        there = next((vm for vm in after.vms if vm.name == name and vm.server == to), None)
        if not problems and there:
            break
    else:
        raise CannotMove("\n".join(problems) or f"{name}: {to} cannot have it", problems=problems)
    disks = tuple(_disks(entry, there))
    arrived = after.ledgers[to].entries[name]
    first, *more = [new for _old, new in disks]
    record = replace(
        arrived,
        installed=replace(_record(entry), image=first.image),
        disks=tuple(more),
        made=None,
    )
    ledger = ledger_of(texts, to) if f"{to}{SUFFIX}" in texts.ledgers else Ledger(to, {})
    ledger = replace(ledger, entries={**ledger.entries, name: record})
    left = replace(left, quarantine=(*left.quarantine, *given_up(name, entry, record, today)))
    final = _replaced(texts, name, moved_text, left, ledger)
    return Relocation(before, there, final, disks)


def _vm(fleet: Fleet, name: str, to: str) -> Vm:
    """Return the VM before the move. Raises CannotMove where there is nothing to move."""
    vm = next((vm for vm in fleet.vms if vm.name == name), None)
    if vm is None or name in fleet.broken:
        reasons = fleet.broken.get(name) or ["the fleet has no such VM"]
        raise CannotMove(f"{name}: cannot be moved until this is corrected: {'; '.join(reasons)}")
    if to not in fleet.servers:
        raise CannotMove(
            f"{name}: cannot be moved to {to}, which has problems, or is not one of the servers "
            f"{', '.join(sorted(fleet.servers))}"
        )
    if vm.server == to:
        raise CannotMove(f"{name}: is on {to} already")
    if vm.installed is None:
        raise CannotMove(
            f"{name}: {ledger_source(vm.server)} has no installation of it. If it was never "
            f"installed, there is nothing to move: write server: {to} into {vm_source(name)}. If it"
            f" has a system, puffy.vmm.vm -e vm={name} records that"
        )
    return vm


def _record(entry: Entry) -> Installed:
    if entry.installed is None:
        raise CannotMove("the ledger changed meanwhile; run again")
    return entry.installed


def _with_values(text: str, values: Mapping[str, object], name: str) -> str:
    """Return a VM file with these values where it has none itself, as if somebody wrote them."""
    for field, value in values.items():
        if not any(line.startswith(f"{field}:") for line in text.splitlines()):
            try:
                text = with_field(text, field, str(value))
            except ValueError as error:
                raise CannotMove(f"{vm_source(name)}: {error}") from error
    return text


def _replaced(texts: FleetTexts, name: str, file: str, *ledgers: Ledger) -> FleetTexts:
    """Return the files of a fleet with another file of a VM, and other ledgers."""
    new = {f"{ledger.server}{SUFFIX}": ledger.render() for ledger in ledgers}
    vms = {**texts.vms, f"{name}{VM_SUFFIX}": file}
    return replace(texts, vms=vms, ledgers={**texts.ledgers, **new})


def ledger_of(texts: FleetTexts, server: str) -> Ledger:
    """Return the ledger of a server. Raises Problems, and CannotMove where there is none."""
    report = Report()
    file = f"{server}{SUFFIX}"
    ledger = read_ledger(file, texts.ledgers.get(file) or "", report)
    report.raise_problems()
    if ledger is None:
        raise CannotMove(f"{ledger_source(server)} is missing; put it back from version control")
    return ledger


def _disks(entry: Entry, there: Vm) -> Iterator[tuple[RecordedDisk, RecordedDisk]]:
    """Yield where each image in the ledger is, and where it will be.

    They get the names of new images there, or those in the file; formats stay. An image that the
    file does not name any more moves too, until it is purged.
    """
    first = RecordedDisk(_record(entry).image, _record(entry).format)
    named = (there.disk, *there.disks)
    directory = PurePosixPath(there.disk.image).parent
    for place, old in enumerate((first, *entry.disks)):
        path = str(directory / PurePosixPath(old.image).name)
        if place < len(named):
            path = named[place].image
            if named[place].format != old.format:
                path = f"{stem(path)}.{IMAGE_SUFFIXES[old.format]}"
        yield old, RecordedDisk(path, old.format)


def given_up(name: str, old: Entry, new: Entry, today: date) -> Iterator[Purged]:
    """Yield what the VM had and has no more, which nobody gets for a while."""
    kept = new.addresses
    gone = Entry(
        old.number,
        ipv4=old.ipv4 if old.ipv4 not in kept else None,
        ipv6=old.ipv6 if old.ipv6 not in kept else None,
        other_ipv4=tuple(address for address in old.other_ipv4 if address not in kept),
        other_ipv6=tuple(address for address in old.other_ipv6 if address not in kept),
    )
    if gone.addresses:
        yield Purged(name, today, gone)
