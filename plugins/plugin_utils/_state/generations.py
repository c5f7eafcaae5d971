# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Generations: what a server keeps of the files that transactions replaced, and the way back.

A generation is a transaction that changed files. Going back to one means undoing all later ones,
beginning with the newest, so that each path ends as it was right after that generation.
"""

from __future__ import annotations

import operator
import typing as t
from dataclasses import dataclass, replace

from ansible_collections.puffy.vmm.plugins.module_utils._formats.columns import aligned
from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError, shown_text
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.answers import time_of, time_words
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

    `old` is where the previous content is kept; None where there was none, or it did not change.
    `check` is the checker that read the new one, {"path": ...} in it for the file; with
    `check_last` it ran once other files were in place. A `secret` is not kept, and what `stays`
    belongs to something that is not a file. An `internal` file is a note of this collection, which
    is not shown to anybody.
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
    """A transaction: `role` is its document's name, `time` is in UTC, `confirm` in seconds.

    `others` is what it changed besides files, in words; `again` makes services read the files.
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
        return time_words(self.time)

    def data(self) -> dict[str, t.Any]:
        """Return the generation for programs."""
        fields = {"number": self.number, "role": self.role, "time": self.time, "by": self.by}
        return {**fields, "changes": self.words}


@dataclass(frozen=True)
class Way:
    """The way back to a generation: those that are undone, the newest first, and its files."""

    to: int
    undone: tuple[Generation, ...]
    files: t.Mapping[str, Replaced]
    # What each path has if nobody but this collection changed it; None for no file.
    last: t.Mapping[str, str | None]
    # Paths that were edited by hand before a generation that is undone replaced them.
    edited_before: tuple[str, ...] = ()


def read(raw: t.Iterable[t.Mapping[str, t.Any]]) -> tuple[Generation, ...]:
    """Return the generations that the agent lists, the oldest first."""
    return tuple(sorted(map(_generation, raw), key=operator.attrgetter("number")))


def _generation(raw: t.Mapping[str, t.Any]) -> Generation:
    return Generation(
        raw["number"],
        str(raw["name"]),
        time_of(raw["id"]) or "",
        str(raw["by"]),
        tuple(_replaced(file, raw) for file in raw["files"]),
        tuple(shown_text(text) for text in raw["others"] or ()),
        tuple(from_data(step) for step in raw["after"] or ()),
        raw["confirm"],
    )


def _replaced(file: t.Mapping[str, t.Any], raw: t.Mapping[str, t.Any]) -> Replaced:
    path, was, do = file["path"], path_facts(file["was"]), file["do"]
    after = file["sha256"] if do == "commit" else None
    if do == "attributes" and was:
        after = was.sha256
    has_old = do != "attributes" and file["old"] is not None
    check = next((check for check in raw["checks"] if {"path": path} in check["argv"]), None)
    return Replaced(
        path,
        was,
        after,
        f"{_DIRECTORY}/{raw['number']}/{file['old']}" if has_old else None,
        tuple(check["argv"]) if check else None,
        check is not None
        and any(other["do"] == "commit" and other["n"] < check["n"] for other in raw["files"]),
        bool(file["sensitive"]),
        bool(file["stays"]),
        bool(file["internal"]),
    )


def table(generations: t.Sequence[Generation]) -> list[str]:
    """Return the generations for people, the newest first; each has a line per change."""
    rows = [_HEAD]
    for each in reversed(generations):
        first, *more = each.words or [""]
        rows.append((str(each.number), each.when, each.role, each.by, first))
        rows += [("", "", "", "", text) for text in more]
    return [shown_text(line) for line in aligned(rows)]


def way_back(generations: t.Sequence[Generation], to: int) -> Way:
    """Return how each path was right after generation `to`; the oldest - 1 is before all of them.

    Raises OperatorError where that is not kept.
    """
    numbers = [generation.number for generation in generations]
    if not numbers:
        raise OperatorError("to: this server keeps nothing that it could go back to")
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
    undone = tuple(generation for generation in reversed(generations) if generation.number > to)
    files: dict[str, Replaced] = {}
    last: dict[str, str | None] = {}
    for generation in undone:
        for file in generation.files:
            last.setdefault(file.path, file.after)
            later = files.get(file.path)
            # Where only mode or owner changed, the content is that of the later one.
            old = file.old or (later.old if later and file.after is not None and file.was else None)
            secret = file.secret or bool(later and later.secret)
            stays = file.stays or bool(later and later.stays)
            files[file.path] = replace(file, old=old, secret=secret, stays=stays)
    checked = {path: _with_check(file, generations) for path, file in files.items()}
    remaining = [generation for generation in generations if generation.number <= to]
    before = {file.path: file.after for generation in remaining for file in generation.files}
    edited = tuple(
        path
        for path, file in files.items()
        if path in before and before[path] != (file.was.sha256 if file.was else None)
    )
    return Way(to, undone, checked, last, edited)


def _with_check(file: Replaced, generations: t.Iterable[Generation]) -> Replaced:
    """Return the file with the newest known checker, since what removed a file had none."""
    for generation in generations:
        for other in generation.files:
            if other.path == file.path and other.check:
                file = replace(file, check=other.check, check_last=other.check_last)
    return file
