# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""VMs whose files name another server than the one that the ledgers have them installed on.

Such a VM stays where it is, with its number and addresses there, so that nothing of it is removed
and no second one is made; its refusal says what to do.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.installed import Installed
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.ledger import Ledger
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.ledger import (
    source as ledger_source,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.vm import VmFile
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Report

# Fields that belong to a server: the ledger's values hold as long as the VM stays there.
_OF_THE_SERVER = frozenset({"number", "mac", "ipv4", "ipv6", "network"})


@dataclass(frozen=True)
class Move:
    """The VM's file as it holds where the VM is, and why what it asks for is refused."""

    file: VmFile
    refusal: str


def moved(
    files: Sequence[VmFile],
    ledgers: Mapping[str, Ledger],
    servers: Collection[str],
    report: Report,
) -> dict[str, Move]:
    """Return the VMs that were moved in their files alone, by name.

    The report gets those that are installed on a server that the inventory does not have.
    """
    moves = {}
    for file in files:
        if file.server is None or _installed(file.name, ledgers.get(file.server)):
            continue
        homes = sorted(name for name in ledgers if _installed(file.name, ledgers[name]))
        if not homes:
            continue
        home = homes[0]
        at = f"{ledger_source(home)} has {file.name} installed there"
        if home not in servers:
            report.about(vms=[file.name]).add(
                file.source,
                "server",
                f"{file.server}, but {at}, and {home} is not a server of the inventory; if it is "
                f"the same machine under a new name, rename {ledger_source(home)} to "
                f"{ledger_source(file.server)}; else give {home} its place in the inventory again",
            )
            continue
        refusal = (
            f"{file.source}: server: {file.server} is asked for, but {at}, and "
            f"{ledger_source(file.server)} does not; moving is done by ansible-playbook "
            f"puffy.vmm.vm -e vm={file.name} -e verb=move -e to={file.server}: write "
            f"server: {home} again until then"
        )
        moves[file.name] = Move(_staying(file, home), refusal)
    return moves


def _staying(file: VmFile, server: str) -> VmFile:
    values = {name: value for name, value in file.values.items() if name not in _OF_THE_SERVER}
    return replace(file, values={**values, "server": server})


def _installed(vm: str, ledger: Ledger | None) -> Installed | None:
    entry = ledger.entries.get(vm) if ledger else None
    return entry.installed if entry else None
