# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.model import Fleet, server_variables
from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.action import Action
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.plain import plain
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.server_variables import (
    FLEET_DIRECTORY,
    settings_of,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.directory import (
    ALLOCATIONS,
    FleetDirectory,
    NoFleet,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.load import build
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.lock import LockHeld

_ALL_VMS = "vms"


@dataclass(frozen=True)
class _Allocation:
    """A fleet, and those of its ledgers that differ from the files: old and new text by name."""

    fleet: Fleet
    changes: Mapping[str, tuple[str, str]]


class ActionModule(Action):
    SPEC = {
        "fleet": {"type": "path"},
        "servers": {"type": "str", "default": "vmd_servers"},
        "lock_timeout": {"type": "float", "default": 60.0},
    }

    def perform(self, args: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        groups: Mapping[str, list[str]] = task_vars["groups"]
        if args["servers"] not in groups:
            raise OperatorError(f"servers: there is no group {args['servers']!r} in the inventory")
        servers = {name: task_vars["hostvars"][name] for name in sorted(groups[args["servers"]])}
        directory = self._directory(args["fleet"], servers)
        try:
            # Most runs change no ledger: they need no lock, and no right to write.
            allocation = self._allocate(directory, servers, groups)
            if allocation.changes and not self.check_mode:
                with directory.lock(args["lock_timeout"]):
                    allocation = self._allocate(directory, servers, groups)
                    directory.write_ledgers(
                        {name: new for name, (_old, new) in allocation.changes.items()}
                    )
        except (NoFleet, LockHeld) as error:
            raise OperatorError(str(error)) from error
        except OSError as error:
            raise OperatorError(f"{error.filename}: {error.strerror}") from error
        return self._result(allocation)

    def _directory(self, path: str | None, servers: Mapping[str, Any]) -> FleetDirectory:
        if path:
            return FleetDirectory(Path(self._loader.path_dwim(path)))
        paths = {str(variables.get(FLEET_DIRECTORY, "")) for variables in servers.values()}
        if len(paths) != 1 or "" in paths:
            raise OperatorError(
                f"the servers have no {FLEET_DIRECTORY} in common: the inventory needs one source "
                f"with plugin: puffy.vmm.vms, and what Ansible said of it above put right"
            )
        return FleetDirectory(Path(paths.pop()))

    def _allocate(
        self,
        directory: FleetDirectory,
        servers: Mapping[str, Any],
        groups: Mapping[str, list[str]],
    ) -> _Allocation:
        settings = {}
        for name, variables in servers.items():
            try:
                settings[name] = settings_of(variables)
            except AnsibleError as error:
                raise OperatorError(
                    f"{name}: its variables cannot be evaluated: {error}"
                ) from error
        hosts = set(groups["all"]) - set(servers) - set(groups.get(_ALL_VMS, ()))
        texts = directory.read()
        fleet = build(texts, settings, {*groups, _ALL_VMS}, hosts)
        for name, variables in servers.items():
            _compare(name, server_variables(fleet, name), variables)
        changes = {}
        for ledger in fleet.ledgers.values():
            file, new = f"{ledger.server}.yml", ledger.render()
            old = texts.ledgers.get(file, "")
            if new != old:
                changes[file] = (old, new)
        return _Allocation(fleet, changes)

    def _result(self, allocation: _Allocation) -> dict[str, Any]:
        changes = dict(sorted(allocation.changes.items()))
        vms: dict[str, list[str]] = {"present": [], "suspended": [], "archived": []}
        for vm in allocation.fleet.vms:
            vms[vm.state].append(vm.name)
        result: dict[str, Any] = {
            "changed": bool(changes),
            "ledgers": [f"{ALLOCATIONS}/{file}" for file in changes],
            "vms": {state: sorted(names) for state, names in vms.items()},
        }
        if self.diff:
            result["diff"] = [
                {
                    "before_header": f"{ALLOCATIONS}/{file}",
                    "after_header": f"{ALLOCATIONS}/{file}",
                    "before": old,
                    "after": new,
                }
                for file, (old, new) in changes.items()
            ]
        return result


def _compare(server: str, computed: Mapping[str, Any], variables: Mapping[str, Any]) -> None:
    """Refuse to go on when the roles would work from something else than what was checked."""
    for name, value in computed.items():
        if plain(variables.get(name)) != plain(value):
            raise OperatorError(
                f"{server}: {name} is not what the inventory said: the fleet changed after the "
                f"inventory was read; run it again. If that does not help, a vmm_* variable is "
                f"set where the inventory plugin cannot see it, such as beside a playbook"
            )
