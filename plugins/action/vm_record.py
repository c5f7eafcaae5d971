# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The action of puffy.vmm.vm_record: the ledger's records of installations."""

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.installed import Installed
from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.action import Action
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.plain import plain
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.server_variables import (
    FLEET_DIRECTORY,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.machine import Machine
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.directory import FleetDirectory
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.records import write_records


class ActionModule(Action):
    """Writes to the ledger of one server, on the controller alone."""

    SPEC: t.ClassVar[dict[str, t.Any]] = {
        "vms": {"type": "list", "elements": "dict", "required": True},
        "state": {"type": "str", "default": "present", "choices": ["present", "absent"]},
        "fleet": {"type": "path"},
        "lock_timeout": {"type": "float", "default": 60.0},
    }

    def perform(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        machines = [Machine.of(plain(vm)) for vm in args["vms"]]
        if not machines:
            return {"changed": False}
        path = args["fleet"] or task_vars.get(FLEET_DIRECTORY)
        if not path:
            raise OperatorError("fleet: the inventory names no fleet directory; give it")
        fleet = FleetDirectory(Path(self._loader.path_dwim(str(path))))
        if self.check_mode:
            return {"changed": True}
        changed = False
        try:
            for server in sorted({machine.server for machine in machines}):
                here = [machine for machine in machines if machine.server == server]
                new = {
                    machine.name: Installed.now(machine.image, machine.image_format)
                    if args["state"] == "present"
                    else None
                    for machine in here
                }
                known = {machine.name: machine.record for machine in here}
                changed |= write_records(fleet, server, new, known, args["lock_timeout"])
        except OSError as error:
            raise OperatorError(f"{error.filename}: {error.strerror}") from error
        return {"changed": changed}
