# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What is wrong with the operator's files, as values that can be collected and shown together."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

# Long enough for any name; a whole key or note would hide the sentence around it.
_LONGEST_SHOWN = 60


class OperatorError(Exception):
    """What an operator is told without a traceback; `fields` go into a task's result.

    Every error that a person may see derives from this, and _ansible/action.py is where actions
    turn it into a failed result.
    """

    def __init__(self, message: str, **fields: object) -> None:
        super().__init__(message)
        self.fields = fields


@dataclass(frozen=True, order=True)
class Problem:
    """One thing to put right: where it stands, in which field, and what to do."""

    source: str
    field: str
    text: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.source, self.field, self.text) if part)


class Problems(OperatorError, ValueError):
    """All problems that were found, sorted, each once."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        texts = [str(problem) for problem in self.problems]
        super().__init__("\n".join(texts), problems=texts)


class Refused(OperatorError, ValueError):
    """A value does not fit its grammar. The message is what stands after the field's name."""


class Report:
    """Collects the problems of one run, so that no problem hides another."""

    def __init__(self) -> None:
        self._problems: list[Problem] = []

    @property
    def problems(self) -> tuple[Problem, ...]:
        return tuple(self._problems)

    def add(self, source: str, field: str, text: str) -> None:
        self._problems.append(Problem(source, field, text))

    def extend(self, problems: Iterable[Problem]) -> None:
        self._problems.extend(problems)

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
    """Return a text of somebody else's, such as a file's content, so that it can be shown.

    Characters that act on a terminal, or that nobody sees, become escapes; newlines and tabs stay.
    """
    return "".join(x if x.isprintable() or x in "\n\t" else ascii(x)[1:-1] for x in text)
