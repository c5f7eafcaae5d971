# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What a task for a server reads and writes in the fleet directory."""

from __future__ import annotations

import typing as t

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.installed import (
    Installed,
    RecordedDisk,
)
from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.action import Action
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.vault import Vault
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.machine import Machine
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.credentials import CredentialFiles
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.directory import CREDENTIALS
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.records import (
    Records,
    write_disks,
    write_records,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._tasks.fleet_directory import (
    fleet_directory,
)

_LOCK_SECONDS: t.Final = 60.0


class ServerFiles:
    """Credentials and records of the VMs of one server."""

    def __init__(self, action: Action, task_vars: t.Mapping[str, t.Any]) -> None:
        self._loader = action.loader
        self._fleet = fleet_directory(action, None, task_vars)
        self._server = str(task_vars["inventory_hostname"])

    def hashes(self, names: t.Iterable[str]) -> dict[str, str]:
        """Return the hashes of VMs' first passwords by name. Raises OperatorError, OSError."""
        files = CredentialFiles(self._fleet.path / CREDENTIALS, Vault.of(self._loader, None))
        missing = [name for name in names if not files.exists(name)]
        if missing:
            raise OperatorError(
                f"no credentials for {', '.join(missing)}; puffy.vmm.allocate creates them"
            )
        return {name: files.read(name).hash for name in names}

    def record(self, names: t.Iterable[str], machines: t.Iterable[Machine]) -> None:
        """Record in the ledger that VMs of the server are installed.

        Raises OperatorError, OSError.
        """
        here = _named(names, machines)
        new = {machine.name: Installed.now(machine.image, machine.image_format) for machine in here}
        self._write(new, here)

    def forget(self, names: t.Iterable[str], machines: t.Iterable[Machine]) -> None:
        """Remove the records of VMs that are about to be purged. Raises OperatorError, OSError.

        Without the record a purge that was cut off can be repeated: with it, a VM without an image
        would be one whose image must be searched for.
        """
        here = [
            machine
            for machine in _named(names, machines)
            if machine.made or machine.detached or any(disk.recorded for disk in machine.disks)
        ]
        self._write(dict.fromkeys(machine.name for machine in here), here)

    def record_disks(self, names: t.Iterable[str], machines: t.Iterable[Machine]) -> None:
        """Record in the ledger the disks that VMs of the server have by now.

        Raises OperatorError, OSError.
        """
        disks = {
            machine.name: (
                RecordedDisk(machine.image, machine.image_format) if machine.from_cdrom else None,
                [RecordedDisk(disk.image, disk.format) for disk in machine.disks],
            )
            for machine in _named(names, machines)
            if not all(disk.recorded for disk in machine.disks)
            or (machine.from_cdrom and not machine.made)
        }
        write_disks(self._fleet, self._server, disks, _LOCK_SECONDS)

    def _write(self, new: Records, machines: t.Sequence[Machine]) -> None:
        known = {machine.name: machine.record for machine in machines}
        write_records(self._fleet, self._server, new, known, _LOCK_SECONDS)


def _named(names: t.Iterable[str], machines: t.Iterable[Machine]) -> list[Machine]:
    chosen = frozenset(names)
    return [machine for machine in machines if machine.name in chosen]
