# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The action of puffy.vmm.rollback: the generations of a server's files, and back to one."""

from __future__ import annotations

import typing as t

from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.client import Agent
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.action import Action
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.plain import untrusted
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.converge import Look, look, present
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.answer import Answer
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.generations import (
    Generation,
    Way,
    read,
    table,
    way_back,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.plan import Plan
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.rollback import plan_back, questions
from ansible_collections.puffy.vmm.plugins.plugin_utils._tasks.server import converger

_KEY: t.Final = "generations"


class ActionModule(Action):
    """Lists what a server keeps, and puts its files back where a generation is named."""

    SPEC: t.ClassVar[dict[str, t.Any]] = {
        "to": {"type": "int"},
        "edited": {"type": "str", "default": "refuse", "choices": ["refuse", "overwrite"]},
    }

    def perform(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        self._server = str(task_vars["inventory_hostname"])
        self._agent = Agent(self.execute, self.run_process)
        asks: dict[str, t.Any] = {_KEY: {"generations": 1}}
        seen = look(self._agent, (), asks, check_mode=self.check_mode)
        kept = read(seen.raw[_KEY]["generations"])
        result: dict[str, t.Any] = {
            "changed": False,
            "generations": untrusted([generation.data() for generation in kept]),
        }
        if seen.generation:
            result["generation"] = untrusted(present(seen.generation))
        if args["to"] is None:
            self._list(kept)
            return result | ({"warnings": list(seen.warnings)} if seen.warnings else {})
        return result | self._go_back(way_back(kept, args["to"]), seen, args, kept)

    def _list(self, kept: t.Sequence[Generation]) -> None:
        show = self._display.display
        if not kept:
            show(f"\n{self._server} keeps no generation: nothing was changed there yet\n")
            return
        lines = "\n".join(table(kept))
        show(
            f"\n{self._server}: generations of files, the newest first\n\n{lines}\n\n"
            f"The present one is {kept[-1].number}. -e to=NUMBER puts the files back as they were "
            f"right after it (to={kept[0].number - 1}: before all of these);\nwith --check --diff "
            "it only shows what that changes.\n"
        )

    def _go_back(
        self, way: Way, seen: Look, args: t.Mapping[str, t.Any], kept: t.Sequence[Generation]
    ) -> dict[str, t.Any]:
        if not way.undone:
            self._display.display(f"{self._server}  generation {way.to} is the present one")
            return {"changes": []}
        answer = self._agent.probe(questions(way))
        answers = {key: Answer.of(raw) for key, raw in answer.answers.items()}
        part = plan_back(way, answers, overwrite=args["edited"] == "overwrite")
        run = converger(self, self._agent, self._display.display, self._server)
        outcome = run.carry_out_plan(Plan((part,)), seen).result(diffs=self.diff)
        outcome.pop("generation", None)
        if outcome["changed"]:
            self._say_what_comes_next(way, kept)
        else:
            self._display.display(f"{self._server}  all files are as generation {way.to} had them")
        return outcome

    def _say_what_comes_next(self, way: Way, kept: t.Sequence[Generation]) -> None:
        time = next((each.when for each in kept if each.number == way.to), "")
        version = f"as they were at {time}" if time else f"from before {way.undone[-1].when}"
        self._display.display(
            f"{self._server}  the next puffy.vmm.site brings this server back to what inventory "
            f"and fleet say now: change them first, or continue with the version of them {version}"
        )
