# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Generations: what a server keeps of the files that transactions replaced, and the way back.

A generation is a transaction that changed files. To go back to one is to undo all later ones, from
the newest on, so that each path ends as it was right after it.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError, shown_text
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.answers import time_of
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.secrets import masked
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import Step
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.transaction import from_data
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.answer import (
    PathFacts,
    path_facts,
)

_DIRECTORY: t.Final = "/var/backups/puffy.vmm"
_HEAD: t.Final = ("GENERATION", "WHEN", "ROLE", "BY", "WHAT")

Argv = tuple[t.Any, ...]


@dataclass(frozen=True)
class Replaced:
    """A file that a generation changed: how it was, and the checksum that it had afterwards.

    `old` is where the content of before is kept; None where there was none, or it did not change.
    `check` is the checker that read the new one, {"path": ...} in it for the file; `check_last`
    that it ran once other files were in place. A `secret` is not kept, and what `stays` goes with
    something that is not a file. An `internal` one is a note of this collection, which is not shown
    to anybody.
    """

    path: str
    was: PathFacts | None
    after: str | None
    old: str | None = None
    check: Argv | None = None
    check_last: bool = False
    secret: bool = False
    stays: bool = False
    internal: bool = False

    def __str__(self) -> str:
        verb = "create" if self.was is None else "remove" if self.after is None else "change"
        if self.was and self.after == self.was.sha256:
            verb = "change mode or owner of"
        kept = " (secret, not kept)" if self.secret else " (no rollback)" if self.stays else ""
        return masked(f"{verb} {self.path}{kept}")


@dataclass(frozen=True)
class Generation:
    """One transaction: `role` is its document's name, `time` is in UTC, `confirm` in seconds.

    `others` is what it changed besides files, in words; `again` has services read the files.
    """

    number: int
    role: str
    time: str
    by: str
    files: tuple[Replaced, ...]
    others: tuple[str, ...] = ()
    again: tuple[Step, ...] = ()
    confirm: int | None = None

    @property
    def words(self) -> list[str]:
        """What it changed, a line each."""
        files = [str(file) for file in self.files if not file.internal]
        return [*files, *(f"{text} (not a file)" for text in self.others)]

    @property
    def when(self) -> str:
        return self.time.replace("T", " ").replace("Z", " UTC")

    def data(self) -> dict[str, t.Any]:
        """It for programs."""
        fields = {"number": self.number, "role": self.role, "time": self.time, "by": self.by}
        return {**fields, "changes": self.words}


@dataclass(frozen=True)
class Way:
    """The way back to a generation: those that are undone, the newest first, and its files."""

    to: int
    undone: tuple[Generation, ...]
    files: t.Mapping[str, Replaced]
    # What each path has as long as nobody but this collection changed it; None for no file.
    last: t.Mapping[str, str | None]
    # Edited by hand before a generation that is undone replaced them.
    edited_before: tuple[str, ...] = ()


def read(raw: t.Iterable[t.Mapping[str, t.Any]]) -> tuple[Generation, ...]:
    """What the agent says of generations, the oldest first."""
    made = [_generation(item) for item in raw]
    return tuple(sorted(made, key=lambda one: one.number))


def _generation(raw: t.Mapping[str, t.Any]) -> Generation:
    return Generation(
        raw["number"],
        str(raw["name"]),
        time_of(raw["id"]) or "",
        str(raw["by"]),
        tuple(_replaced(item, raw) for item in raw["files"]),
        tuple(shown_text(text) for text in raw["others"] or ()),
        tuple(from_data(item) for item in raw["after"] or ()),
        raw["confirm"],
    )


def _replaced(item: t.Mapping[str, t.Any], raw: t.Mapping[str, t.Any]) -> Replaced:
    was, do = path_facts(item["was"]), item["do"]
    after = item["sha256"] if do == "commit" else None
    if do == "attributes" and was:
        after = was.sha256
    has_old = do != "attributes" and item["old"] is not None
    checks = [one for one in raw["checks"] if {"path": item["path"]} in one["argv"]]
    return Replaced(
        item["path"],
        was,
        after,
        f"{_DIRECTORY}/{raw['number']}/{item['old']}" if has_old else None,
        tuple(checks[0]["argv"]) if checks else None,
        bool(checks) and any(_committed_before(checks[0]["n"], one) for one in raw["files"]),
        bool(item["sensitive"]),
        bool(item["stays"]),
        bool(item["internal"]),
    )


def _committed_before(number: int, item: t.Mapping[str, t.Any]) -> bool:
    return bool(item["do"] == "commit" and item["n"] < number)


def table(generations: t.Sequence[Generation]) -> list[str]:
    """The generations for people, the newest first; each has a line per change."""
    rows = [_HEAD]
    for one in reversed(generations):
        first, *more = one.words or [""]
        rows.append((str(one.number), one.when, one.role, one.by, first))
        rows += [("", "", "", "", text) for text in more]
    widths = [max(len(row[place]) for row in rows) for place in range(len(_HEAD) - 1)]
    lines = ("  ".join(map(str.ljust, row, [*widths, 0])).rstrip() for row in rows)
    return [shown_text(line) for line in lines]


def way_back(generations: t.Sequence[Generation], to: int) -> Way:
    """How each path was right after generation `to`; 1 less than the oldest is before all of them.

    Raises OperatorError where that is not kept.
    """
    numbers = [one.number for one in generations]
    if not numbers:
        raise OperatorError("to: nothing is kept on this server that it could go back to")
    if not numbers[0] - 1 <= to <= numbers[-1]:
        raise OperatorError(
            f"to: generation {to} is not kept; name one from {numbers[0]} to {numbers[-1]}, or "
            f"{numbers[0] - 1} for how it was before all of them"
        )
    missing = sorted({*range(to + 1, numbers[-1])} - {*numbers})
    if missing:
        raise OperatorError(
            f"to: generation {missing[0]} is missing or cannot be read in {_DIRECTORY} on the "
            f"server, so nobody knows how its files were before: name one from {missing[-1]} on"
        )
    undone = tuple(one for one in reversed(generations) if one.number > to)
    files: dict[str, Replaced] = {}
    last: dict[str, str | None] = {}
    for one in undone:
        for file in one.files:
            last.setdefault(file.path, file.after)
            later = files.get(file.path)
            # Where only mode or owner changed, the content is that of the later one.
            old = file.old or (later.old if later and file.after is not None and file.was else None)
            secret = file.secret or bool(later and later.secret)
            stays = file.stays or bool(later and later.stays)
            files[file.path] = replace(file, old=old, secret=secret, stays=stays)
    checked = {path: _with_check(file, generations) for path, file in files.items()}
    before = {
        file.path: file.after for one in generations if one.number <= to for file in one.files
    }
    edited = tuple(
        path
        for path, file in files.items()
        if path in before and before[path] != (file.was.sha256 if file.was else None)
    )
    return Way(to, undone, checked, last, edited)


def _with_check(file: Replaced, generations: t.Iterable[Generation]) -> Replaced:
    """With the newest checker that is known, since what removed a file had none."""
    for one in generations:
        for other in one.files:
            if other.path == file.path and other.check:
                file = replace(file, check=other.check, check_last=other.check_last)
    return file
