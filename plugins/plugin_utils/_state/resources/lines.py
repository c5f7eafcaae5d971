# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Single lines in files that others edit too; all other lines stay as they are."""

from __future__ import annotations

import typing as t

from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.answer import Answer, Questions
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.arguments import (
    Context,
    Options,
    declared,
    list_of,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.file import edited
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.planning import Planning
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.resource import Simple
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.text.lines import Line


class Lines(Simple[tuple[Line, ...]]):
    """Lines; a missing file is created with them."""

    OPTION: t.ClassVar[str] = "lines"
    SPEC: t.ClassVar[Options] = list_of(
        {
            "path": {"type": "str", "required": True},
            "key": {"type": "str", "no_log": False},
            "line": {"type": "str", "required": True},
        }
    )

    def desired(self, options: t.Any, context: Context) -> tuple[Line, ...]:
        lines = tuple(Line(**declared(item)) for item in options)
        for line in lines:
            context.path(line.path)
        return lines

    def questions(self, desired: tuple[Line, ...]) -> Questions:
        return {"paths": edited(line.path for line in desired)}

    def plan(self, desired: tuple[Line, ...], facts: Answer, out: Planning) -> None:
        self.review(desired, out)

    def review(self, desired: tuple[Line, ...], out: Planning) -> None:
        for line in desired:
            out.edit(line.path, line.put(out.text(line.path)))
