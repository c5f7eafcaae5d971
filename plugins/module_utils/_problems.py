# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What is wrong with the operator's files, as values that can be collected and shown together."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from typing import TypeVar

T = TypeVar("T")

# Long enough for any name; a whole key or note would hide the sentence around it.
_LONGEST_SHOWN = 60


class OperatorError(Exception):
    """What an operator is told without a traceback; `fields` go into a task's result.

    Every error that a person may see derives from this, and actions turn it into a failed result
    in _ansible/action.py. `vms` are the only VMs that it concerns: a run can continue without them.
    """

    vms: frozenset[str] = frozenset()

    def __init__(self, message: str, **fields: object) -> None:
        super().__init__(message)
        self.fields = fields


@dataclass(frozen=True, order=True)
class Problem:
    """One thing to correct: where it is, in which field, and what to do.

    vms and server say what it concerns: VMs by name, or a server with its settings and its ledger.
    A problem with neither concerns everything.
    """

    source: str
    field: str
    text: str
    vms: frozenset[str] = dataclasses.field(default=frozenset(), compare=False)
    server: str = dataclasses.field(default="", compare=False)

    def __str__(self) -> str:
        return ": ".join(part for part in (self.source, self.field, self.text) if part)


class Problems(OperatorError, ValueError):
    """All problems, sorted, each once."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        texts = [str(problem) for problem in self.problems]
        super().__init__("\n".join(texts), problems=texts)
        if all(problem.vms for problem in self.problems):
            self.vms = frozenset().union(*(problem.vms for problem in self.problems))


class Refused(OperatorError, ValueError):
    """A value does not fit its grammar. The message follows the name of the field."""


class Report:
    """Collects the problems of one run, so that no problem hides another, and its warnings.

    What about() returns adds to the same run, and says what each problem concerns.
    """

    def __init__(self) -> None:
        self._problems: list[Problem] = []
        self._warnings: list[Problem] = []
        self._above: tuple[Report, ...] = ()
        self._vms: frozenset[str] = frozenset()
        self._server = ""

    def about(self, *, vms: Collection[str] = (), server: str = "") -> Report:
        """Return a report whose problems concern these VMs, or this server."""
        part = Report()
        part._above = (*self._above, self)
        part._vms, part._server = frozenset(vms), server
        return part

    @property
    def problems(self) -> tuple[Problem, ...]:
        return tuple(self._problems)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What has no effect, but should be known."""
        return tuple(self._warnings)

    def add(self, source: str, field: str, text: str) -> None:
        self.extend([Problem(source, field, text)])

    def warn(self, source: str, field: str, text: str) -> None:
        for report in (self, *self._above):
            report._warnings.append(Problem(source, field, text, self._vms, self._server))

    def extend(self, problems: Iterable[Problem]) -> None:
        for problem in problems:
            known = bool(problem.vms or problem.server)
            own = problem if known else replace(problem, vms=self._vms, server=self._server)
            for report in (self, *self._above):
                report._problems.append(own)

    def attempt(
        self, source: str, field: str, parse: Callable[[object], T], value: object
    ) -> T | None:
        """Return parse(value), or note why it was Refused and return None."""
        try:
            return parse(value)
        except Refused as refused:
            self.add(source, field, str(refused))
            return None

    def raise_problems(self) -> None:
        if self._problems:
            raise Problems(self._problems)


def shown(value: object) -> str:
    """Return a value for an error message: quoted, in printable ASCII, and not too long.

    Letters that only look like ASCII are shown as escapes, so that the reader sees them.
    """
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        text = str.__str__(value)
        return ascii(text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 3] + "...")
    if isinstance(value, int | float):
        return str(value) if abs(value) < 10**_LONGEST_SHOWN else "a very large number"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    return f"a {type(value).__name__}"


def shown_name(name: str) -> str:
    """Return a name as it is when it is printable ASCII, else with escapes."""
    return name if name.isascii() and name.isprintable() else ascii(name)[1:-1]


def shown_text(text: str) -> str:
    """Return a foreign text, such as a file's content, so that it can be shown.

    Characters that control a terminal, or are invisible, become escapes; newlines and tabs stay.
    """
    return "".join(c if c.isprintable() or c in "\n\t" else ascii(c)[1:-1] for c in text)
