# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The action of puffy.vmm.vm_record: the ledger's records of installations."""

from __future__ import annotations

import typing as t

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.installed import Installed
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.action import Action
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.plain import plain
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.machine import Machine
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.records import write_records
from ansible_collections.puffy.vmm.plugins.plugin_utils._tasks.fleet_directory import (
    fleet_directory,
)


class ActionModule(Action):
    """Writes to the ledger of one server, on the controller alone."""

    SPEC: t.ClassVar[dict[str, t.Any]] = {
        "vms": {"type": "list", "elements": "dict", "required": True},
        "state": {"type": "str", "default": "present", "choices": ["present", "absent"]},
        "fleet": {"type": "path"},
        "lock_timeout": {"type": "float", "default": 60.0},
    }

    def perform(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        machines = Machine.all_of(plain(args["vms"]))
        if not machines:
            return {"changed": False}
        fleet = fleet_directory(self, args["fleet"], task_vars)
        if self.check_mode:
            return {"changed": True}
        changed = False
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
        return {"changed": changed}
