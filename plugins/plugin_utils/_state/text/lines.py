# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Single lines of files that others edit too; all other lines are kept."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

_EXIT: t.Final = re.compile(r"exit(?:[ \t]+[0-9]+)?[ \t]*")
_SPACE_OR_COMMENT: t.Final = re.compile(r"[ \t#]")


@dataclass(frozen=True)
class Line:
    """A line: with a `key` key=value, as in sysctl.conf(5), else a line of a script."""

    path: str
    line: str
    key: str | None = None

    def put(self, text: str) -> str:
        return set_line(text, self) if self.key else add_line(text, self.line)


def set_line(text: str, line: Line) -> str:
    """Return a text with a line in the place of the last one with its key, or at the end.

    sysctl.conf(5) takes the last of several lines, so that is the one to change. sysctl(8) reads a
    line up to its first blank, tab or `#`: a line that begins with a blank, or has one before the
    `=`, sets nothing and is left alone, and a comment after a value stays there.
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
    """Return a script with a line at its end, before an `exit` that ends it, unless it has it."""
    lines = text.removesuffix("\n").split("\n") if text else []
    if line in lines:
        return text
    end = len(lines)
    while end and not lines[end - 1].strip():
        end -= 1
    before = end - 1 if end and _EXIT.fullmatch(lines[end - 1]) else end
    lines.insert(before, line)
    return "\n".join(lines) + "\n"
