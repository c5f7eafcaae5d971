# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Our own lines in files that others write too: between two marks; all else stays.

The lines between the marks also show what we put there before.
"""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import PlanError


@dataclass(frozen=True)
class Marked:
    """A file in three parts; `own` is None where we have no lines in it."""

    before: str
    own: tuple[str, ...] | None
    after: str

    @property
    def foreign(self) -> tuple[str, ...]:
        """The lines that are not ours."""
        return (*self.before.splitlines(), *self.after.splitlines())


def split(path: str, text: str, name: str) -> Marked:
    """Return the parts of a file. Raises PlanError where one of the marks is gone."""
    lines = text.splitlines(keepends=True)
    bare = [line.strip() for line in lines]
    begins = [n for n, line in enumerate(bare) if line == _mark("begin", name)]
    ends = [n for n, line in enumerate(bare) if line == _mark("end", name)]
    if not begins and not ends:
        return Marked(text, None, "")
    if len(begins) != 1 or len(ends) != 1 or begins[0] > ends[0]:
        raise PlanError(
            f"{path}: the marks of our lines are damaged; there must be one line "
            f"{_mark('begin', name)!r} and one {_mark('end', name)!r} after it, or neither"
        )
    own = tuple(bare[begins[0] + 1 : ends[0]])
    return Marked("".join(lines[: begins[0]]), own, "".join(lines[ends[0] + 1 :]))


def join(parts: Marked, name: str) -> str:
    """Return the file's text. New lines of ours go to the end, old ones stay where they are."""
    if not parts.own:
        return parts.before + parts.after
    before = parts.before
    if before and not before.endswith("\n"):
        before += "\n"
    own = (_mark("begin", name), *parts.own, _mark("end", name))
    return before + "".join(f"{line}\n" for line in own) + parts.after


def _mark(which: str, name: str) -> str:
    return f"# {which} of puffy.vmm {name}"
