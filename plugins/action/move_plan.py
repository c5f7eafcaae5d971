# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The action of puffy.vmm.move_plan: which moves there are, or are to be continued."""

from __future__ import annotations

import typing as t
from dataclasses import asdict

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.move import (
    Moves,
    UnderWay,
    moves_of,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.move import (
    source as move_source,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.model import server_variables
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.sizes import size_text
from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError, Report
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.client import Agent
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import stamp
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.action import Action
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.plain import plain, untrusted
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.marker import alive
from ansible_collections.puffy.vmm.plugins.plugin_utils._moves.plan import Planner, to_change
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.load import today
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.relocation import Relocation
from ansible_collections.puffy.vmm.plugins.plugin_utils._tasks.fleet_directory import task_fleet


class ActionModule(Action):
    """Reads the fleet directory and what servers showed; changes nothing."""

    SPEC: t.ClassVar[dict[str, t.Any]] = {
        "vms": {"type": "list", "elements": "str", "required": True},
        "to": {"type": "str", "default": ""},
        "drain": {"type": "str", "default": ""},
        "looks": {"type": "dict", "required": True},
        "servers": {"type": "str", "default": "vmd_servers"},
    }

    def perform(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        fleet = task_fleet(task_vars, args["servers"])
        texts = fleet.directory.read()
        self._looks: dict[str, t.Any] = plain(args["looks"])
        self._own = Agent(self.execute, self.run_process).by
        self._planner = Planner(texts, fleet.inventory.build, self._looks, today())
        self._stamp = stamp()
        report = Report()
        journals = [moves_of(texts.moves, name, report) for name in args["vms"]]
        report.raise_problems()
        begun = {vm.vm: under_way for vm in journals if (under_way := self._under_way(vm))}
        new = [name for name in args["vms"] if name not in begun]
        moves = [self._continued(begun[name], name, args["to"]) for name in begun]
        if args["drain"]:
            relocations = self._planner.drain(args["drain"], new)
        else:
            relocations = [self._planner.move(name, args["to"]) for name in new]
        moves += map(self._new, relocations)
        names = {server for move in moves for server in (move["source"], move["to"])}
        self._show(moves, self._staying(args["drain"], moves))
        return {"changed": bool(moves), "servers": sorted(names), "moves": untrusted(moves)}

    def _under_way(self, moves: Moves) -> UnderWay | None:
        name, under_way = moves.vm, moves.under_way
        if under_way and under_way.by != self._own and alive(under_way.by, self._own):
            raise OperatorError(
                f"{name}: {under_way.by} is moving it from {under_way.source} to {under_way.to} "
                f"at this moment ({move_source(name)}); wait until that run has finished"
            )
        return under_way

    def _continued(self, under_way: UnderWay, name: str, to: str) -> dict[str, t.Any]:
        """Return a move that began earlier. Raises OperatorError if something else is requested."""
        fleet = self._planner.fleet
        vm = next((vm for vm in fleet.vms if vm.name == name), None)
        if vm is None:
            raise OperatorError(
                f"{name}: is being moved ({move_source(name)}), and the fleet does not have it any "
                f"more: {'; '.join(fleet.broken.get(name) or ['put its file back'])}"
            )
        to = to or under_way.to
        arrived = vm.server == under_way.to
        if to not in (under_way.to, under_way.source) or (arrived and to != under_way.to):
            state = "has arrived and must be finished first" if arrived else "is not finished"
            also = "" if arrived else f", or give it up with -e to={under_way.source}"
            raise OperatorError(
                f"{name}: its move from {under_way.source} to {under_way.to} {state}: continue "
                f"with -e verb=move -e to={under_way.to}{also}"
            )
        data = {"vm": name, "continued": True, "owner": [], **asdict(under_way)}
        if arrived:
            return {**data, "do": "finish"}
        if to == under_way.source:
            return {**data, "do": "abandon"}
        return {**data, "do": "move", **self._words(self._planner.move(name, to))}

    def _new(self, relocation: Relocation) -> dict[str, t.Any]:
        before = relocation.before
        look = self._looks[before.server]["vms"].get(before.name) or {}
        return {
            "vm": before.name,
            "do": "move",
            "continued": False,
            "source": before.server,
            "to": relocation.after.server,
            "stamp": self._stamp,
            "ran": bool(look.get("running")),
            "images": [asdict(image) for image in relocation.images(self._stamp)],
            **self._words(relocation),
        }

    def _words(self, relocation: Relocation) -> dict[str, t.Any]:
        """Return what the owner has to change, and what the operator is shown."""
        before, after = relocation.before, relocation.after
        hosts = {
            name: server_variables(self._planner.fleet, name)["vmm_host"]
            for name in (before.server, after.server)
        }
        look = self._looks[before.server]["vms"].get(before.name) or {"disk_bytes": 0}
        addresses = [
            f"keeps {old}" if old == new else f"{old} becomes {new or 'nothing'}"
            for old, new in ((before.ipv4, after.ipv4), (before.ipv6, after.ipv6))
            if old or new
        ]
        size = f"{size_text(look['disk_bytes'])} of images"
        shown = f"{before.memory} of memory, {size}, {', '.join(addresses)}"
        return {"owner": [*to_change(relocation, hosts)], "shown": shown}

    def _staying(self, server: str, moves: t.Sequence[t.Mapping[str, t.Any]]) -> list[str]:
        """Return the VMs of a drained server that are not moved."""
        named = {move["vm"] for move in moves}
        return [vm.name for vm in self._planner.fleet.vms_of(server) if vm.name not in named]

    def _show(self, moves: t.Sequence[t.Mapping[str, t.Any]], staying: t.Sequence[str]) -> None:
        words = {"finish": "(to be finished)", "abandon": "(to be given up)"}
        lines = []
        for move in moves:
            about = words.get(move["do"]) or move["shown"]
            begun = " (continued)" if move["continued"] and move["do"] == "move" else ""
            lines.append(f"  {move['vm']}: {move['source']} -> {move['to']}{begun}  {about}")
            lines += [f"    its owner: {line}" for line in move["owner"]]
        lines += [
            f"  {name}: stays, since no ledger has it installed; change server in its file"
            for name in staying
        ]
        self._display.display("\n" + "\n".join(lines or ["  there is nothing to move"]) + "\n")
