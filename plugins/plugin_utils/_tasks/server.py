# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The VMs of a task's server, and a run for that server."""

from __future__ import annotations

import typing as t

from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.client import Agent
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.action import Action
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.plain import plain
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.machine import Machine
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.converge import Converger


def machines_of(task_vars: t.Mapping[str, t.Any]) -> list[Machine]:
    """Return the VMs of a task's server, archived ones last."""
    vms = [*task_vars.get("vmm_vms", ()), *task_vars.get("vmm_archived", ())]
    return Machine.all_of(plain(vms))


def converger(
    action: Action,
    agent: Agent,
    show: t.Callable[[str], None],
    server: str,
    *,
    compare: bool = False,
) -> Converger:
    """Return a run with the task's check mode and diffs; its lines go to `show`."""
    return Converger(
        agent,
        show,
        server,
        action.check_mode,
        action.diff,
        compare=compare,
        reconnect=action.reconnect,
    )
