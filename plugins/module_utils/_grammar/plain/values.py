# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What every grammar is made of: text, whole numbers, yes or no, lists and mappings.

A value comes from a VM file or a ledger, where scalars are Text, or from the inventory, where they
are what Ansible made of them. All functions raise Refused with what is allowed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import TypeVar

from ansible_collections.puffy.vmm.plugins.module_utils._grammar.plain.yaml_text import (
    FALSE,
    NULLS,
    TRUE,
    Text,
)
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Refused, shown

T = TypeVar("T")

_NUMBER = re.compile("0|[1-9][0-9]{0,18}")


def as_text(value: object) -> str:
    """Return a scalar as text."""
    if isinstance(value, Text) and not value.quoted:
        if value in NULLS:
            raise Refused("has no value; give one, or leave the line out")
        if value in TRUE or value in FALSE:
            raise Refused(
                f"{shown(value)} means true or false to YAML; put it in quotes if it is text"
            )
    if isinstance(value, str):
        return str.__str__(value)
    if value is None:
        raise Refused("has no value; give one, or leave the line out")
    if isinstance(value, bool):
        raise Refused(f"{shown(value)} is not text; put the value in quotes")
    if isinstance(value, int | float):
        return str(value) if abs(value) < 10**18 else shown(value)
    raise Refused(f"is {shown(value)}; a single value is wanted")


def as_written(value: object) -> str:
    """Return a scalar of a file as the text that stands there, whatever YAML would make of it."""
    return str.__str__(value) if isinstance(value, Text) else as_text(value)


def whole_number(value: object, low: int, high: int) -> int:
    """Return a whole number from low to high; from the inventory, from text as well."""
    if isinstance(value, Text) and value.quoted and _NUMBER.fullmatch(value):
        raise Refused(f"{shown(value)} is text, since it is in quotes; write it without them")
    if isinstance(value, bool):
        raise Refused(f"{shown(value)} is not a whole number; use one from {low} to {high}")
    if not isinstance(value, int):
        text = as_text(value)
        if not _NUMBER.fullmatch(text):
            digits = text.replace("_", "").lstrip("0")
            hint = f"; write {digits}" if re.fullmatch("[1-9][0-9]{0,5}", digits) else ""
            raise Refused(
                f"{shown(text)} is not a whole number{hint or f'; use one from {low} to {high}'}"
            )
        value = int(text)
    if not low <= value <= high:
        raise Refused(f"{shown(value)} is out of bounds; use a whole number from {low} to {high}")
    return int(value)


def boolean(value: object) -> bool:
    """Return true or false, in the words of YAML and of Ansible."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        quoted = isinstance(value, Text) and value.quoted
        if value in TRUE and not quoted:
            return True
        if value in FALSE and not quoted:
            return False
    raise Refused(f"{_found(value)} neither true nor false; write true or false, without quotes")


def choice(value: object, options: Collection[str]) -> str:
    """Return one of the options."""
    text = as_text(value)
    if text not in options:
        raise Refused(f"{shown(text)} is not one of {', '.join(options)}")
    return text


def matching(value: object, pattern: str, complaint: str) -> str:
    """Return text that the pattern matches as a whole; the complaint follows the value."""
    text = as_text(value)
    if not re.fullmatch(pattern, text):
        raise Refused(f"{shown(text)} {complaint}")
    return text


def sequence(
    value: object, parse: Callable[[object], T], wanted: str, distinct: bool = True
) -> tuple[T, ...]:
    """Return the parsed items of a list that is not empty and, if distinct, has none twice."""
    if not isinstance(value, list | tuple):
        raise Refused(f"{_found(value)} no list; give a list of {wanted}")
    if not value:
        raise Refused(f"is an empty list; give a list of {wanted}")
    items: list[T] = []
    for position, item in enumerate(value, start=1):
        try:
            parsed = parse(item)
        except Refused as refused:
            raise Refused(f"item {position}: {refused}") from None
        if distinct and parsed in items:
            raise Refused(f"item {position} is the same as item {items.index(parsed) + 1}")
        items.append(parsed)
    return tuple(items)


def mapping(value: object, wanted: str) -> Mapping[str, object]:
    """Return a mapping with text for keys."""
    if not isinstance(value, dict):
        raise Refused(f"{_found(value)} no mapping; give {wanted}")
    for key in value:
        if not isinstance(key, str):
            raise Refused(f"the key {shown(key)} is not text; put it in quotes")
    return value


def known_keys(value: object, known: tuple[str, ...], wanted: str) -> Mapping[str, object]:
    """Return a mapping that has no other keys than these."""
    given = mapping(value, wanted)
    for key in given:
        if key not in known:
            raise Refused(f"{shown(key)} is unknown; give {wanted}")
    return given


def part(key: str, given: Mapping[str, object], parse: Callable[[object], T]) -> T:
    """Return the parsed value of a key; what is refused names the key."""
    try:
        return parse(given[key])
    except Refused as refused:
        raise Refused(f"{key}: {refused}") from None


def _found(value: object) -> str:
    return f"{shown(value)} is" if isinstance(value, str | int | float) else f"is {shown(value)},"
