# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The fleet of a task: its directory, and what the task knows about the inventory."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.action import Action
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.server_variables import (
    FLEET_DIRECTORY,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.directory import FleetDirectory
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.load import (
    TaskInventory,
    inventory_of_task,
)


def fleet_directory(
    action: Action, option: str | None, task_vars: t.Mapping[str, t.Any]
) -> FleetDirectory:
    """Return the directory that the option `fleet` or the inventory names. Raises OperatorError."""
    path = option or task_vars.get(FLEET_DIRECTORY)
    if not path:
        raise OperatorError(
            f"this host has no {FLEET_DIRECTORY} from an inventory source with plugin: "
            "puffy.vmm.vms, and no option fleet names the directory"
        )
    return FleetDirectory(Path(action.loader.path_dwim(str(path))))


@dataclass(frozen=True)
class TaskFleet:
    """The variables of all servers by name, and the fleet that they have in common."""

    servers: t.Mapping[str, t.Mapping[str, t.Any]]
    directory: FleetDirectory
    inventory: TaskInventory


def task_fleet(task_vars: t.Mapping[str, t.Any], group: str, path: str | None = None) -> TaskFleet:
    """Return the fleet of the servers in a group of the inventory, or in a directory.

    Raises OperatorError.
    """
    groups, hostvars = task_vars["groups"], task_vars["hostvars"]
    if group not in groups:
        raise OperatorError(f"servers: the inventory has no group {group!r}")
    servers = {str(name): hostvars[name] for name in groups[group]}
    directory = FleetDirectory(Path(path or _common_path(servers.values())))
    return TaskFleet(servers, directory, inventory_of_task(groups, servers))


def _common_path(servers: t.Iterable[t.Mapping[str, t.Any]]) -> str:
    paths = {str(variables.get(FLEET_DIRECTORY, "")) for variables in servers}
    if len(paths) != 1 or "" in paths:
        raise OperatorError(
            f"the servers have no {FLEET_DIRECTORY} in common: the inventory needs one source "
            f"with plugin: puffy.vmm.vms; correct what Ansible reported about it above"
        )
    return paths.pop()
