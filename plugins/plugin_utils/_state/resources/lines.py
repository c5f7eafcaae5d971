# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Single lines in files that others edit too; all other lines stay as they are."""

from __future__ import annotations

import typing as t

from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.answer import Answer, Questions
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.arguments import (
    Context,
    Options,
    given,
    list_of,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.file import parent
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.planning import Planning
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.resource import Simple
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.text.lines import Line


class Lines(Simple[tuple[Line, ...]]):
    """Lines. A file that is missing is made with them."""

    OPTION: t.ClassVar[str] = "lines"
    SPEC: t.ClassVar[Options] = list_of(
        {
            "path": {"type": "str", "required": True},
            "key": {"type": "str", "no_log": False},
            "line": {"type": "str", "required": True},
        }
    )

    def wanted(self, given_items: t.Any, context: Context) -> tuple[Line, ...]:
        lines = tuple(Line(**given(item)) for item in given_items)
        for line in lines:
            context.path(line.path)
        return lines

    def questions(self, want: tuple[Line, ...]) -> Questions:
        paths: list[t.Any] = [{"path": parent(line.path), "hash": 0} for line in want]
        return {"paths": paths + [{"path": line.path, "read": 1} for line in want]}

    def plan(self, want: tuple[Line, ...], facts: Answer, out: Planning) -> None:
        self.review(want, out)

    def review(self, want: tuple[Line, ...], out: Planning) -> None:
        for line in want:
            out.edit(line.path, line.put(out.text(line.path)))
