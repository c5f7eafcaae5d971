# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Our own lines in a file that its owner writes: between two marks; all else stays."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.answer import Answer, Questions
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.arguments import (
    Context,
    Options,
    list_of,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.file import edited
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.planning import Planning
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.resource import Simple
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.text import marked


@dataclass(frozen=True)
class MarkedLines:
    """Lines for the end of a file, in their order; none to remove ours again. `quiet` see File."""

    path: str
    lines: tuple[str, ...]
    validate: str | None
    mode: str
    quiet: bool


class MarkedBlocks(Simple[tuple[MarkedLines, ...]]):
    """Lines of ours; a missing file is created with them."""

    OPTION: t.ClassVar[str] = "marked_lines"
    SPEC: t.ClassVar[Options] = list_of(
        {
            "path": {"type": "str", "required": True},
            "lines": {"type": "list", "elements": "str", "required": True},
            "validate": {"type": "str"},
            "mode": {"type": "str", "default": "0644"},
            "quiet": {"type": "bool", "default": False},
        }
    )

    def desired(self, options: t.Any, context: Context) -> tuple[MarkedLines, ...]:
        return tuple(
            MarkedLines(
                context.path(item["path"]),
                tuple(item["lines"]),
                item.get("validate"),
                context.mode(item["path"], item["mode"]),
                item["quiet"],
            )
            for item in options
        )

    def questions(self, desired: tuple[MarkedLines, ...]) -> Questions:
        return {"paths": edited(item.path for item in desired)}

    def plan(self, desired: tuple[MarkedLines, ...], facts: Answer, out: Planning) -> None:
        self.review(desired, out)

    def review(self, desired: tuple[MarkedLines, ...], out: Planning) -> None:
        for item in desired:
            parts = marked.split(item.path, out.text(item.path), out.name)
            own = tuple(line.strip() for line in item.lines)
            if not own and parts.own is None:
                continue
            if parts.own != own:
                text = marked.join(replace(parts, own=item.lines), out.name)
                how = {"validate": item.validate, "quiet": item.quiet}
                out.edit(item.path, text, new_mode=item.mode, **how)
