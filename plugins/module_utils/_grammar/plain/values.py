# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What every grammar is made of: text, whole numbers, yes or no, lists and mappings.

A value comes from a VM file or a ledger, where scalars are Text, or from the inventory, where they
are what Ansible made of them. All functions raise Refused with what is allowed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeAlias, TypeVar

from ansible_collections.puffy.vmm.plugins.module_utils._grammar.plain.yaml_text import (
    FALSE,
    NULLS,
    TRUE,
    Text,
)
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Refused, shown

T = TypeVar("T")
Parse: TypeAlias = Callable[[object], Any]

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
    raise Refused(f"is {shown(value)}; give a single value")


def as_written(value: object) -> str:
    """Return a scalar of a file as it is written there, whatever YAML would make of it."""
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
    raise Refused(f"{_is(value)} neither true nor false; write true or false, without quotes")


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
    value: object,
    parse: Callable[[object], T],
    expected: str,
    *,
    distinct: bool = True,
    empty: bool = False,
) -> tuple[T, ...]:
    """Return the parsed items of a list, none twice if distinct, and at least one unless empty."""
    if not isinstance(value, list | tuple):
        raise Refused(f"{_is(value)} not a list; give a list of {expected}")
    if not value and not empty:
        raise Refused(f"is an empty list; give a list of {expected}")
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


def mapping(value: object, expected: str) -> Mapping[str, object]:
    """Return a mapping with text for keys."""
    if not isinstance(value, dict):
        raise Refused(f"{_is(value)} not a mapping; give {expected}")
    for key in value:
        if not isinstance(key, str):
            raise Refused(f"the key {shown(key)} is not text; put it in quotes")
    return value


def known_keys(value: object, known: Collection[str], expected: str) -> Mapping[str, object]:
    """Return a mapping that has no other keys than these."""
    options = mapping(value, expected)
    for key in options:
        if key not in known:
            raise Refused(f"{shown(key)} is unknown; give {expected}")
    return options


def part(key: str, options: Mapping[str, object], parse: Callable[[object], T]) -> T:
    """Return the parsed value of a key; what is refused names the key."""
    try:
        return parse(options[key])
    except Refused as refused:
        raise Refused(f"{key}: {refused}") from None


def record(
    value: object, parsers: Mapping[str, Parse], example: str, required: Collection[str] = ()
) -> dict[str, Any]:
    """Return the parsed values of a mapping that has no keys but those of parsers.

    A key without a value counts as missing.
    """
    *keys, last = parsers
    options = known_keys(value, parsers, f"{', '.join(keys)} and {last}, as in {example}")
    for key in required:
        if options.get(key) is None:
            raise Refused(f"{key} is missing; give it, as in {example}")
    return {
        key: part(key, options, parse)
        for key, parse in parsers.items()
        if options.get(key) is not None
    }


def _is(value: object) -> str:
    return f"{shown(value)} is" if isinstance(value, str | int | float) else f"is {shown(value)},"
