# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The action of puffy.vmm.vm_status: one table of VMs, whichever servers they are on."""

from __future__ import annotations

import typing as t

from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.action import Action
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.plain import plain, untrusted
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.table import vm_table

_FIELDS: t.Final = "server state ipv4 ipv6 owner memory disk installed seen".split()


class ActionModule(Action):
    """Shows what was seen before; connects to no server."""

    SPEC: t.ClassVar[dict[str, t.Any]] = {
        "vms": {"type": "list", "elements": "str", "required": True},
        "results": {"type": "dict", "required": True},
    }

    def perform(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        hostvars = task_vars["hostvars"]
        vms = []
        for name in args["vms"]:
            if name not in hostvars:
                raise OperatorError(f"vms: the inventory has no VM {name}")
            values = {field: hostvars[name][f"vmm_{field}"] for field in _FIELDS}
            vms.append({"name": str(name), **plain(values)})
        looks: dict[str, t.Any] = {}
        for result in plain(args["results"]).values():
            looks |= result.get("vms") or {}
        vms.sort(key=lambda vm: (vm["server"], vm["name"]))
        self._display.display("\n" + "\n".join(vm_table(vms, looks)) + "\n")
        return {"vms": untrusted([{**vm, "found": looks.get(vm["name"])} for vm in vms])}
