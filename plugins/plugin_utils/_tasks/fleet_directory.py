# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The fleet directory of a task, or of all servers of an inventory."""

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.action import Action
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.server_variables import (
    FLEET_DIRECTORY,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.directory import FleetDirectory


def fleet_directory(
    action: Action, option: str | None, task_vars: t.Mapping[str, t.Any]
) -> FleetDirectory:
    """The one that the option `fleet` names, or else the inventory. Raises OperatorError."""
    path = option or task_vars.get(FLEET_DIRECTORY)
    if not path:
        raise OperatorError(
            f"this host has no {FLEET_DIRECTORY} from an inventory source with plugin: "
            "puffy.vmm.vms, and no option fleet names the directory"
        )
    return FleetDirectory(Path(action.loader.path_dwim(str(path))))


def servers_of(task_vars: t.Mapping[str, t.Any], group: str) -> dict[str, t.Any]:
    """The variables of the servers in a group of the inventory. Raises OperatorError."""
    groups, hostvars = task_vars["groups"], task_vars["hostvars"]
    if group not in groups:
        raise OperatorError(f"servers: there is no group {group!r} in the inventory")
    return {str(name): hostvars[name] for name in groups[group]}


def common_directory(servers: t.Iterable[t.Mapping[str, t.Any]]) -> FleetDirectory:
    """The one that servers have in common, by their variables. Raises OperatorError."""
    paths = {str(variables.get(FLEET_DIRECTORY, "")) for variables in servers}
    if len(paths) != 1 or "" in paths:
        raise OperatorError(
            f"the servers have no {FLEET_DIRECTORY} in common: the inventory needs one source "
            f"with plugin: puffy.vmm.vms, and what Ansible said of it above put right"
        )
    return FleetDirectory(Path(paths.pop()))
