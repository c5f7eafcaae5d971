# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Single lines in files that others edit too; all other lines stay as they are."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.answer import Answer, Questions
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.planning import Planning
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.resource import (
    Context,
    Options,
    Simple,
    given,
    list_of,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.resources.files import parent

_EXIT: t.Final = re.compile(r"exit(?:[ \t]+[0-9]+)?[ \t]*")
_SPACE_OR_COMMENT: t.Final = re.compile(r"[ \t#]")


@dataclass(frozen=True)
class Line:
    """One line. With a `key` it is a key=value line, as in sysctl.conf(5); else one of a script."""

    path: str
    line: str
    key: str | None = None

    def put(self, text: str) -> str:
        return set_line(text, self) if self.key else add_line(text, self.line)


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


def set_line(text: str, line: Line) -> str:
    """Puts a line in the place of the last one with its key, or at the end; the rest stays.

    sysctl.conf(5) takes the last of several lines, so that one is the one to change. sysctl(8)
    reads a line up to its first blank, tab or `#`: one that begins with a blank, or has one before
    the `=`, sets nothing and is left alone, and a comment behind a value stays there.
    """
    lines = text.split("\n")
    read = [_SPACE_OR_COMMENT.split(old, maxsplit=1)[0] for old in lines]
    places = [n for n, old in enumerate(read) if old.startswith(f"{line.key}=")]
    if places:
        last = places[-1]
        if read[last] == line.line:
            return text
        rest = lines[last].removeprefix(read[last])
        lines[last] = line.line + (rest if rest.lstrip().startswith("#") else "")
    else:
        lines[-1:] = [line.line] if not lines[-1] else [lines[-1], line.line]
        lines.append("")
    return "\n".join(lines)


def add_line(text: str, line: str) -> str:
    """Puts a line at the end of a script, before an `exit` that ends it, unless it is there."""
    lines = text.removesuffix("\n").split("\n") if text else []
    if line in lines:
        return text
    end = len(lines)
    while end and not lines[end - 1].strip():
        end -= 1
    before = end - 1 if end and _EXIT.fullmatch(lines[end - 1]) else end
    return "".join(f"{one}\n" for one in (*lines[:before], line, *lines[before:]))
