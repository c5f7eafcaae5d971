# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Records in a ledger that VMs were installed, or that they no longer are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.installed import (
    Installed,
    RecordedDisk,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.ledger import (
    SUFFIX,
    Entry,
    Ledger,
    read_ledger,
    source,
)
from ansible_collections.puffy.vmm.plugins.module_utils._problems import (
    OperatorError,
    Problems,
    Report,
    shown_name,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.directory import FleetDirectory

# The new record of each VM by its name; None takes the record out.
Records = Mapping[str, Installed | None]


class RecordError(OperatorError):
    """The ledger is not what this run knew of it; the message names it."""


def write_records(
    fleet: FleetDirectory, server: str, records: Records, known: Records, patience: float
) -> bool:
    """Write records of installations of VMs of a server; return whether the ledger changed.

    known has the records that this run relied on: where the ledger has another image by now, or a
    record to be removed is another one, nothing is written. Raises RecordError, Problems,
    LockHeld, NoFleet and OSError.
    """
    if not records:
        return False
    with fleet.lock(patience):
        ledger = _read(fleet, server)
        changes: dict[str, Installed | None] = {}
        for vm, new in records.items():
            entry = _entry(ledger, vm)
            if entry.installed == new and not (new is None and (entry.disks or entry.made)):
                continue
            if entry.installed != known.get(vm):
                recorded = entry.installed
                if new and recorded and replace(new, at=recorded.at) == recorded:
                    # Another run watched the same installation, and was faster.
                    continue
                raise RecordError(
                    f"{source(server)}: {vm}: another run recorded an installation meanwhile; "
                    f"run again"
                )
            changes[vm] = new
        if changes:
            text = ledger.record(changes).render()
            fleet.write_ledgers({f"{server}{SUFFIX}": text})
        return bool(changes)


def write_disks(
    fleet: FleetDirectory,
    server: str,
    disks: Mapping[str, tuple[RecordedDisk | None, Sequence[RecordedDisk]]],
    patience: float,
) -> None:
    """Write the disks of VMs of a server; those that the ledger has already stay there.

    Each VM has its first disk, if it was made and is not installed yet, and further ones. Raises
    RecordError, Problems, LockHeld, NoFleet and OSError.
    """
    if not disks:
        return
    with fleet.lock(patience):
        ledger = new = _read(fleet, server)
        for vm, (made, more) in disks.items():
            _entry(ledger, vm)
            new = new.record_disks(vm, made, more)
        if new != ledger:
            fleet.write_ledgers({f"{server}{SUFFIX}": new.render()})


def _entry(ledger: Ledger, vm: str) -> Entry:
    entry = ledger.entries.get(vm)
    if entry is None:
        raise RecordError(
            f"{ledger.source}: {vm} has no line any more, so what it has cannot be recorded; put "
            f"the line back from version control, and run again"
        )
    return entry


def _read(fleet: FleetDirectory, server: str) -> Ledger:
    text = fleet.read().ledgers.get(f"{server}{SUFFIX}")
    if text is None:
        raise RecordError(
            f"{source(server)} is missing, so no installation on {shown_name(server)} can be "
            f"recorded; put it back from version control, and run again"
        )
    report = Report()
    ledger = read_ledger(f"{server}{SUFFIX}", text, report)
    if ledger is None:
        raise Problems(report.problems)
    return ledger
