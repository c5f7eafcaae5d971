# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The action of puffy.vmm.move_record: what the fleet directory has of a move."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.move import (
    Image,
    Left,
    Moves,
    UnderWay,
    moves_of,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.move import (
    source as move_source,
)
from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError, Report
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.client import Agent
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.action import Action
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.plain import plain
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.marker import alive
from ansible_collections.puffy.vmm.plugins.plugin_utils._moves.switch import switch, write_server
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.load import today
from ansible_collections.puffy.vmm.plugins.plugin_utils._tasks.fleet_directory import task_fleet


class ActionModule(Action):
    """Writes journal, ledgers and VM file, on the controller alone, each durably and in order."""

    SPEC: t.ClassVar[dict[str, t.Any]] = {
        "move": {"type": "dict", "required": True},
        "step": {
            "type": "str",
            "required": True,
            "choices": ["begin", "switch", "finish", "abandon", "purged"],
        },
        "servers": {"type": "str", "default": "vmd_servers"},
        "lock_timeout": {"type": "float", "default": 60.0},
    }

    def perform(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        of_task = task_fleet(task_vars, args["servers"])
        fleet, build = of_task.directory, of_task.inventory.build
        if self.check_mode:
            return {"changed": True}
        move: dict[str, t.Any] = plain(args["move"])
        with fleet.lock(args["lock_timeout"]):
            texts = fleet.read()
            report = Report()
            moves = moves_of(texts.moves, move["vm"], report)
            report.raise_problems()
            step = args["step"]
            if step == "begin":
                moves = self._begun(moves, move)
            elif step == "purged":
                left = tuple(left for left in moves.left if left.server != move["source"])
                moves = replace(moves, left=left)
            else:
                under_way = _same(moves, move)
                if step == "switch":
                    switch(fleet, build, moves.vm, under_way, today())
                    return {"changed": True}
                if step == "abandon":
                    write_server(fleet, texts, moves.vm, under_way.source)
                    moves = replace(moves, under_way=None)
                else:
                    kept = tuple(image.kept for image in under_way.images)
                    new = Left(under_way.source, under_way.stamp, kept)
                    moves = replace(moves, under_way=None, left=(*moves.left, new))
            empty = moves.under_way is None and not moves.left
            fleet.write_move(moves.vm, "" if empty else moves.render())
        return {"changed": True}

    def _begun(self, moves: Moves, move: t.Mapping[str, t.Any]) -> Moves:
        """Return the journal of a move that begins or continues. Raises OperatorError."""
        own = Agent(self.execute, self.run_process).by
        if moves.under_way:
            under_way = _same(moves, move)
            if under_way.by not in (own, move.get("by")) and alive(under_way.by, own):
                raise OperatorError(
                    f"{moves.vm}: {under_way.by} is moving it; wait until that has finished"
                )
            return replace(moves, under_way=replace(under_way, by=own))
        images = tuple(Image(**image) for image in move["images"])
        begun = UnderWay(move["source"], move["to"], move["stamp"], own, move["ran"], images)
        return replace(moves, under_way=begun)


def _same(moves: Moves, move: t.Mapping[str, t.Any]) -> UnderWay:
    """Return the move that is under way, if it is this one. Raises OperatorError."""
    under_way = moves.under_way
    if under_way is None or (under_way.to, under_way.stamp) != (move["to"], move["stamp"]):
        raise OperatorError(
            f"{move_source(moves.vm)} is not what this run wrote: another run changed it; run again"
        )
    return under_way
