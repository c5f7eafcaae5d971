# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""YAML files as plain data: mappings, lists and text, and nothing that YAML makes of them.

YAML 1.1 reads 12:34:56 as a number in base 60, 010 as eight, and no as false. Here every scalar
stays the text of the file, as Text, so that each field's grammar can decide.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from ansible_collections.puffy.vmm.plugins.module_utils._libraries import yaml
from ansible_collections.puffy.vmm.plugins.module_utils._problems import (
    Problem,
    shown,
    shown_name,
)

# A VM file is three levels deep.
_DEEPEST = 8

NULLS = frozenset({"", "~", "null", "Null", "NULL"})
TRUE = frozenset({"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"})
FALSE = frozenset({"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"})

# Control characters, line ends that only YAML takes for one, and characters that reorder what is
# shown around them. A byte order mark at the very start is YAML's own business.
_UNWANTED = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"
    "\ud800-\udfff\ufffe\uffff]|(?<!\\A)\ufeff"
)

_HINTS = (
    ("mapping values are not allowed", "put a value that has ': ' in it in quotes"),
    (
        "cannot start any token",
        "indent with blanks instead of tabs, and put a value that begins with % @ or ` in quotes",
    ),
    ("while scanning an alias", "put a value that begins with * in quotes"),
    ("while scanning an anchor", "put a value that begins with & in quotes"),
    ("end of stream while scanning a quoted scalar", "a closing quote is missing"),
)

_CONFLICT = re.compile(r"^(<<<<<<<|=======|>>>>>>>)( |$)", re.MULTILINE)


class Text(str):
    """A scalar as it is written in the file, with its line, counted from 1."""

    line: int
    quoted: bool

    def __new__(cls, text: str, line: int = 0, quoted: bool = True) -> Text:
        scalar = super().__new__(cls, text)
        scalar.line = line
        scalar.quoted = quoted
        return scalar


Data: TypeAlias = "Text | list[Data] | dict[str, Data]"


@dataclass(frozen=True)
class Document:
    """The fields of a file, and the names of those that are there but not usable."""

    fields: Mapping[str, Data] = field(default_factory=dict)
    spoiled: frozenset[str] = frozenset()
    problems: tuple[Problem, ...] = ()
    # False when reading stopped, so that fields may be missing.
    complete: bool = True


class _Stop(Exception):
    """The rest of the file cannot be understood."""


def load(text: str, source: str, limit: int) -> Document:
    """Return the top-level mapping of a YAML text of up to limit characters.

    Never raises for what the text holds: all that is wrong is in the document's problems, which
    name the line in place of a field.
    """
    if len(text) > limit:
        problem = f"is longer than {limit} characters, which no such file needs"
        return Document(problems=(Problem(source, "", problem),), complete=False)
    reader, complete = _Reader(source), True
    fields: dict[str, Data] = {}
    try:
        reader.check_characters(text)
        reader.read(text, fields)
    except _Stop:
        complete = False
    return Document(fields, frozenset(reader.spoiled), tuple(reader.problems), complete)


class _Reader:
    def __init__(self, source: str) -> None:
        self.problems: list[Problem] = []
        self.spoiled: set[str] = set()
        self._source = source
        self._field = ""

    def check_characters(self, text: str) -> None:
        if character := _UNWANTED.search(text):
            self._stop(_line_of(character), _not_allowed(character[0]))
        if conflict := _CONFLICT.search(text):
            self._stop(_line_of(conflict), f"git left {conflict[1]} here; finish the merge first")

    def read(self, text: str, fields: dict[str, Data]) -> None:
        events = self._events(text)
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent) and (event.version or event.tags):
                self._note(event, "a % directive is not allowed; a file here is plain data")
            if isinstance(event, yaml.NodeEvent):
                self._check_properties(event)
                if not isinstance(event, yaml.MappingStartEvent):
                    self._stop(_line(event), "write lines of the form 'field: value' here")
                self._mapping(events, fields, 1)
                break
        else:
            self._stop(1, "the file is empty; write lines of the form 'field: value'")
        self._field = ""
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                self._stop(_line(event), "a second document begins here; one file holds one")

    def _events(self, text: str) -> Iterator[Any]:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        try:
            yield from yaml.parse(text, Loader=loader)
        except yaml.MarkedYAMLError as error:
            unclosed = "quoted scalar" in (error.context or "")
            mark = (unclosed and error.context_mark) or error.problem_mark or error.context_mark
            reason = " ".join(str(part) for part in (error.problem, error.context) if part)
            hint = next((f"; {hint}" for sign, hint in _HINTS if sign in reason), "")
            self._stop(mark.line + 1 if mark else 1, f"is not YAML: {shown_name(reason)}{hint}")
        except (yaml.YAMLError, ValueError, OverflowError) as error:
            # The parser in Python, used where libyaml is missing, trips over "\UFFFFFFFF".
            reason = shown_name(" ".join(str(error).split()))
            self._stop(1, f"is not YAML: {reason}")

    def _node(self, events: Iterator[Any], event: Any, depth: int) -> Data | None:
        """Return the node that begins with this event, None for one that is not plain data."""
        if isinstance(event, yaml.AliasEvent):
            self._note(
                event,
                f"the alias *{shown_name(str(event.anchor))} is not allowed; write the value out, "
                f"or put it in quotes if it begins with *",
            )
            return None
        plain = self._check_properties(event)
        if isinstance(event, yaml.ScalarEvent):
            if unwanted := _UNWANTED.search(event.value):
                self._note(event, _not_allowed(unwanted[0]))
                return None
            quoted = event.style not in (None, "")
            return Text(event.value, _line(event), quoted) if plain else None
        if depth >= _DEEPEST:
            self._stop(_line(event), f"more than {_DEEPEST} levels deep; no such file is")
        if isinstance(event, yaml.MappingStartEvent):
            mapping: dict[str, Data] = {}
            self._mapping(events, mapping, depth + 1)
            return mapping if plain else None
        items: list[Data] = []
        for item in events:
            if isinstance(item, yaml.SequenceEndEvent):
                break
            value = self._node(events, item, depth + 1)
            if value is not None:
                items.append(value)
        return items if plain else None

    def _mapping(self, events: Iterator[Any], mapping: dict[str, Data], depth: int) -> None:
        """Read key and value pairs up to the mapping's end."""
        lines: dict[str, int] = {}
        for event in events:
            if isinstance(event, yaml.MappingEndEvent):
                return
            if depth == 1:
                self._field = event.value if isinstance(event, yaml.ScalarEvent) else ""
            key = self._node(events, event, depth)
            value = self._node(events, next(events), depth)
            if key is None:
                continue
            if not isinstance(key, Text):
                self._note(event, "a field's name must be text, not a list or a mapping")
            elif key == "<<" and not key.quoted:
                self._note(event, "the merge key << is not allowed; write the values out")
            elif key in lines:
                self._note(
                    event,
                    f"{_named(key)} is given again, first in line {lines[key]}; keep one of them",
                )
            else:
                lines[key] = key.line
                if value is not None:
                    mapping[str(key)] = value

    def _check_properties(self, event: Any) -> bool:
        """Note an anchor and a tag; return whether there was none."""
        tag = getattr(event, "tag", None)
        for sign, property_ in (
            ("&", event.anchor and f"the anchor &{shown_name(str(event.anchor))}"),
            ("!", tag and f"the tag {shown(tag)}"),
        ):
            if property_:
                self._note(
                    event,
                    f"{property_} is not allowed; a file here is plain data, put the value in "
                    f"quotes if it begins with {sign}",
                )
        return event.anchor is None and tag is None

    def _note(self, event: Any, text: str) -> None:
        self.problems.append(Problem(self._source, f"line {_line(event)}", text))
        self.spoiled.add(self._field)

    def _stop(self, line: int, text: str) -> None:
        self.problems.append(Problem(self._source, f"line {line}", text))
        raise _Stop


def _line_of(match: re.Match[str]) -> int:
    return match.string.count("\n", 0, match.start()) + 1


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _not_allowed(character: str) -> str:
    return f"the character U+{ord(character):04X} is not allowed in this file; take it out"


def _named(key: str) -> str:
    return key if re.fullmatch("[a-z0-9_-]+", key) else shown(key)
