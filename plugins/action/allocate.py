# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.fields import AUTOINSTALL
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.vm import source
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.model import Fleet, server_variables
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.variables import SERVER_VARIABLES
from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.action import Action
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.other_sources import (
    Names,
    read_others,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.plain import plain
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.directory import (
    ALLOCATIONS,
    FleetTexts,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._tasks.fleet_directory import task_fleet


@dataclass(frozen=True)
class _Allocation:
    """A fleet, and what of its ledgers and copies differs from the files.

    changes has the old and the new text of ledgers by the name of the file, copies the new text of
    copies by server, inventory the new text of the copy of what the inventory says.
    """

    fleet: Fleet
    changes: Mapping[str, tuple[str, str]]
    copies: Mapping[str, str]
    inventory: str | None

    @property
    def changed(self) -> bool:
        return bool(self.changes or self.copies or self.inventory)


class ActionModule(Action):
    SPEC = {
        "fleet": {"type": "path"},
        "servers": {"type": "str", "default": "vmd_servers"},
        "lock_timeout": {"type": "float", "default": 60.0},
        "fail": {"type": "bool", "default": True},
    }

    def perform(self, args: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        hostvars = task_vars["hostvars"]
        path = args["fleet"] and self._loader.path_dwim(args["fleet"])
        of_task = task_fleet(task_vars, args["servers"], path)
        directory, inventory = of_task.directory, of_task.inventory
        sources = [str(source) for source in task_vars.get("ansible_inventory_sources") or ()]
        of_play = _of_play(task_vars, of_task.servers)

        def allocate(texts: FleetTexts) -> _Allocation:
            fleet = inventory.build(texts)
            self._show(fleet)
            self._refuse_other_hosts(fleet, sources)
            # As the inventory has them: evaluating all of them takes longer than all else.
            _compare(fleet, {name: hostvars.raw_get(name) for name in of_task.servers})
            return _allocation(fleet, inventory.kept.render(), texts, of_play)

        # Most runs change no ledger: they need no lock, and no right to write.
        texts = directory.read()
        allocation = allocate(texts)
        if allocation.changed and not self.check_mode:
            with directory.lock(args["lock_timeout"]):
                if (again := directory.read()) != texts:
                    allocation = allocate(again)
                ledgers = {name: new for name, (_old, new) in allocation.changes.items()}
                directory.write_ledgers(ledgers)
                directory.write_copies(allocation.copies)
                if allocation.inventory:
                    directory.write_inventory(allocation.inventory)
        return self._result(allocation, args["fail"], of_play)

    def _refuse_other_hosts(self, fleet: Fleet, sources: Iterable[str]) -> None:
        """Refuse new VMs that are named as hosts of sources that the plugin could not know."""
        others = read_others(sources, self._loader) if fleet.new else Names()
        for name in sorted(fleet.new & (others.hosts | others.groups)):
            raise OperatorError(
                f"{source(name)}: name: {name!r} is also a host or group of another source of the "
                f"inventory; a VM needs a name of its own, and may be named there when its ledger "
                f"has it"
            )

    def _show(self, fleet: Fleet) -> None:
        """Show what is wrong. Ansible shows nothing twice, so what the inventory said is not."""
        for problem in fleet.problems:
            self._display.error(str(problem), wrap_text=False)

    def _result(
        self, allocation: _Allocation, fail: bool, of_play: frozenset[str]
    ) -> dict[str, Any]:
        changes = dict(sorted(allocation.changes.items()))
        vms: dict[str, list[str]] = {"present": [], "suspended": [], "archived": []}
        for vm in allocation.fleet.vms:
            vms[vm.state].append(vm.name)
        ours = [
            vm.name
            for vm in allocation.fleet.vms
            if vm.install == AUTOINSTALL and vm.server in of_play
        ]
        problems = list(dict.fromkeys(map(str, allocation.fleet.problems)))
        result: dict[str, Any] = {
            "changed": allocation.changed,
            "ledgers": [f"{ALLOCATIONS}/{file}" for file in changes],
            "vms": {state: sorted(names) for state, names in vms.items()},
            "with_password": sorted(set(ours) & set(vms["present"])),
            "problems": problems,
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
        # With fail: false, what concerns some does not stop the others.
        everything = any(not (each.vms or each.server) for each in allocation.fleet.problems)
        if problems and (fail or everything):
            result |= {"failed": True, "msg": "\n".join(problems)}
        return result


def _of_play(task_vars: Mapping[str, Any], servers: Iterable[str]) -> frozenset[str]:
    """Return the servers whose files this run writes: those of the play, which --limit may reduce.

    So runs for parts of the servers, each with its own copy of the fleet directory, never write the
    same file. A play on hosts that are not servers, such as localhost, is for all servers.
    """
    every = frozenset(servers)
    return every & frozenset(task_vars.get("ansible_play_hosts_all") or ()) or every


def _compare(fleet: Fleet, servers: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse to continue when the roles would use something other than what was checked."""
    for server, variables in servers.items():
        computed: Mapping[str, Any] = dict.fromkeys(SERVER_VARIABLES)
        if server in fleet.servers:
            computed = server_variables(fleet, server)
        for name, value in computed.items():
            present = variables.get(name)
            if present != value and plain(present) != plain(value):
                raise OperatorError(
                    f"{server}: {name} is not what the inventory said: the fleet changed after the "
                    f"inventory was read; run it again. If that does not help, a vmm_* variable is "
                    f"set where the inventory plugin cannot see it, such as beside a playbook"
                )


def _allocation(
    fleet: Fleet, inventory: str, texts: FleetTexts, of_play: frozenset[str]
) -> _Allocation:
    changes = {}
    others = frozenset(fleet.servers) - of_play
    for ledger in fleet.ledgers.values():
        if ledger.server in others:
            continue
        file, new = f"{ledger.server}.yml", ledger.render()
        old = texts.ledgers.get(file) or ""
        if new != old:
            changes[file] = (old, new)
    copies = {
        server: text
        for server, text in fleet.kept.items()
        if server not in others and text != texts.kept.get(server, "")
    }
    return _Allocation(fleet, changes, copies, inventory if inventory != texts.inventory else None)
