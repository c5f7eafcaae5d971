# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The fleet directory of a task."""

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
