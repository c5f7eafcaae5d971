# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Device nodes, made by MAKEDEV(8)."""

from __future__ import annotations

import typing as t

from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.answers import stat
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.programs import TOOLS
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import Change, Step, run, undo
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.answer import Answer, Questions
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.arguments import (
    Context,
    Options,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.planning import Phase, Planning
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.resource import Simple

# MAKEDEV(8) runs a shell and mknod(8) for each name.
_SECONDS: t.Final = 600
_NODE: t.Final = "character device"


class Devices(Simple[tuple[str, ...]]):
    """Names of nodes in /dev; existing ones are left alone."""

    OPTION: t.ClassVar[str] = "devices"
    SPEC: t.ClassVar[Options] = {"type": "list", "elements": "str"}

    def desired(self, options: t.Any, context: Context) -> tuple[str, ...]:
        for name in options:
            context.path(f"/dev/{name}")
        return tuple(options)

    def questions(self, desired: tuple[str, ...]) -> Questions:
        return {"paths": [stat(f"/dev/{name}") for name in desired]}

    def plan(self, desired: tuple[str, ...], facts: Answer, out: Planning) -> None:
        """Make all by one MAKEDEV(8), which must run in /dev and always exits with 0.

        It replaces whatever else has the name, such as a file that somebody wrote to.
        """
        nodes = {name: facts.paths.get(f"/dev/{name}") for name in desired}
        missing = [name for name, node in nodes.items() if node is None or node.type != _NODE]
        if not missing:
            return
        title = out.title("device nodes")
        make = run(
            title,
            [TOOLS["sh"], "MAKEDEV", *missing],
            change=Change("make device nodes", " ".join(missing)),
            cwd="/dev",
            timeout=_SECONDS,
            undo=[undo("/bin/rm", "-f", *(f"/dev/{name}" for name in missing), at_once=True)],
            undo_always=True,
        )
        made = [Step("expect", title, {"path": f"/dev/{name}", "type": _NODE}) for name in missing]
        out.step(Phase.PREPARE, make, *made)
