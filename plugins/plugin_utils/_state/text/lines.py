# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Single lines of files that others edit too: put in their place, with all other lines kept."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

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
