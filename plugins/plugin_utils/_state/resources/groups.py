# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Groups of group(5)."""

from __future__ import annotations

import typing as t

from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import (
    NOBODYS,
    Change,
    run,
    undo,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.answer import Answer, Questions
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.arguments import (
    Context,
    Options,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.planning import Phase, Planning
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.resource import Simple


class Groups(Simple[tuple[str, ...]]):
    """Groups that must exist."""

    OPTION: t.ClassVar[str] = "groups"
    SPEC: t.ClassVar[Options] = {"type": "list", "elements": "str"}

    def desired(self, options: t.Any, context: Context) -> tuple[str, ...]:
        return tuple(options)

    def questions(self, desired: tuple[str, ...]) -> Questions:
        return {"groups": list(desired)}

    def plan(self, desired: tuple[str, ...], facts: Answer, out: Planning) -> None:
        for name in desired:
            if name not in facts.groups and not out.made("group", name):
                change = Change("create group", name, vms=NOBODYS)
                back = [undo("/usr/sbin/groupdel", name, at_once=True)]
                argv = ["/usr/sbin/groupadd", name]
                out.step(
                    Phase.PREPARE, run(out.title(f"group {name}"), argv, change=change, undo=back)
                )
            out.makes("group", name)
