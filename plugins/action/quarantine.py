# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The action of puffy.vmm.quarantine: what the fleet directory still has of VMs that are purged."""

from __future__ import annotations

import typing as t

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.checks.kept import (
    owners_of,
    read_copies,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.ledger import (
    read_ledger,
)
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.names import vm_name
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Report
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.action import Action
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.directory import (
    CREDENTIALS,
    HAND_OVER,
    HAND_OVER_PAGE,
    HAND_OVER_TEXT,
    HOST_KEYS,
    ORDERS,
    VMS,
    FleetDirectory,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.load import today
from ansible_collections.puffy.vmm.plugins.plugin_utils._tasks.fleet_directory import (
    fleet_directory,
)

# The VM file is removed last: while it exists, the command can be repeated.
_FILES: t.Final = (
    (CREDENTIALS, ".yml"),
    (HOST_KEYS, ".pub"),
    (HAND_OVER, HAND_OVER_PAGE),
    (HAND_OVER, HAND_OVER_TEXT),
    (ORDERS, ".yml"),
    (VMS, ".yml"),
)


class ActionModule(Action):
    """Puts numbers into quarantine and removes files, on the controller alone."""

    SPEC: t.ClassVar[dict[str, t.Any]] = {
        "vms": {"type": "list", "elements": "str", "required": True},
        "fleet": {"type": "path"},
        "lock_timeout": {"type": "float", "default": 60.0},
    }

    def perform(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        fleet = fleet_directory(self, args["fleet"], task_vars)
        names = sorted({vm_name(str(name)) for name in args["vms"]})
        files = [
            file for name in names for folder, suffix in _FILES
            if (file := fleet.path / folder / f"{name}{suffix}").exists() or file.is_symlink()
        ]  # fmt: skip
        if names and not self.check_mode:
            with fleet.lock(args["lock_timeout"]):
                fleet.write_ledgers(_purged(fleet, names))
                for file in files:
                    file.unlink(missing_ok=True)
        removed = [str(file.relative_to(fleet.path)) for file in files]
        return {"changed": bool(removed), "removed": removed}


def _purged(fleet: FleetDirectory, names: t.Collection[str]) -> dict[str, str]:
    """Return the new texts of the ledgers with these VMs, by file name. Raises Problems."""
    day, report = today(), Report()
    files, texts = fleet.read(), dict[str, str]()
    for file, text in files.ledgers.items():
        ledger = None if text is None else read_ledger(file, text, report)
        going = sorted(ledger.entries.keys() & names) if ledger else []
        if ledger and going:
            copies = read_copies(files.kept.get(ledger.server, ""))
            for name in going:
                ledger = ledger.purge(name, day, owners_of([name], copies, ledger.server))
            texts[file] = ledger.render()
    # Problems of another server's ledger do not concern these VMs.
    if not texts:
        report.raise_problems()
    return texts
