# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Makes a VM another server's in the fleet directory, in an order that survives interruption."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.ledger import SUFFIX
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.move import UnderWay
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.vm import source as vm_source
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.vm_edit import with_field
from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.directory import (
    VMS,
    FleetDirectory,
    FleetTexts,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.files import write_file
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.relocation import (
    Build,
    given_up,
    ledger_of,
    relocate,
)


def switch(fleet: FleetDirectory, build: Build, vm: str, under_way: UnderWay, day: date) -> None:
    """Make the VM the other server's, which it is as soon as the ledger there has it.

    Until then it is the first server's, whatever its file says; afterwards the line in the first
    server's ledger is of a VM that is gone. The caller holds the fleet's lock. Raises OperatorError
    and OSError.
    """
    here, there = under_way.source, under_way.to
    texts = fleet.read()
    if not _has(texts, there, vm):
        relocation = relocate(texts, build, vm, there, day)
        if relocation.images(under_way.stamp) != under_way.images:
            raise OperatorError(
                f"{vm}: its images were to get other places on {there} when its move began: "
                f"put the settings back, or give the move up with -e to={here}"
            )
        write_server(fleet, texts, vm, there)
        fleet.write_ledgers(_of(relocation.texts, there))
        fleet.write_ledgers(_of(relocation.texts, here))
        return
    old, new = (ledger_of(texts, server) for server in (here, there))
    if vm in old.entries:
        entries = {name: entry for name, entry in old.entries.items() if name != vm}
        gone = tuple(given_up(vm, old.entries[vm], new.entries[vm], day))
        old = replace(old, entries=entries, quarantine=(*old.quarantine, *gone))
        fleet.write_ledgers({f"{here}{SUFFIX}": old.render()})


def _has(texts: FleetTexts, server: str, vm: str) -> bool:
    if texts.ledgers.get(f"{server}{SUFFIX}") is None:
        return False
    entry = ledger_of(texts, server).entries.get(vm)
    return entry is not None and entry.installed is not None


def _of(texts: FleetTexts, server: str) -> dict[str, str]:
    return {f"{server}{SUFFIX}": texts.ledgers[f"{server}{SUFFIX}"] or ""}


def write_server(fleet: FleetDirectory, texts: FleetTexts, vm: str, server: str) -> None:
    """Write the name of a VM's server into its file. Raises OperatorError and OSError."""
    old = texts.vms[f"{vm}.yml"] or ""
    try:
        new = with_field(old, "server", server)
    except ValueError as error:
        raise OperatorError(f"{vm_source(vm)}: {error}") from error
    if new != old:
        write_file(fleet.path / VMS / f"{vm}.yml", new.encode(), 0o644)
