# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""How httpd(8) compares paths and names: fnmatch(3) without regard to case, and patterns(7)."""

from __future__ import annotations

import fnmatch
import re
from functools import cache

_CLASSES = {
    "a": "A-Za-z",
    "c": r"\x00-\x1f\x7f",
    "d": "0-9",
    "g": r"\x21-\x7e",
    "l": "a-z",
    "p": r"!-/:-@\[-`{-~",
    "s": r"\s",
    "u": "A-Z",
    "w": "A-Za-z0-9",
    "x": "A-Fa-f0-9",
}
_REPEATS = {"*": "*", "+": "+", "?": "?", "-": "*?"}


def matches_glob(pattern: str, text: str) -> bool:
    """fnmatch(3) with FNM_CASEFOLD alone: `*` matches slashes too, a backslash escapes."""
    return bool(_glob(pattern).match(text))


@cache
def _glob(pattern: str) -> re.Pattern[str]:
    plain = re.sub(r"\\(.)", r"[\1]", pattern)
    return re.compile(fnmatch.translate(plain), re.IGNORECASE | re.DOTALL)


def find_pattern(pattern: str, text: str) -> tuple[str, ...] | None:
    """The whole match and the captures of a pattern, as patterns(7) numbers them; None for none.

    Raises ValueError for %b, %f and position captures, which are not modelled.
    """
    match = re.search(_regular(pattern), text, re.DOTALL)
    return (match[0], *(group or "" for group in match.groups())) if match else None


@cache
def _regular(pattern: str) -> str:
    found = ""
    position = 0
    if pattern.startswith("^"):
        found, position = r"\A", 1
    while position < len(pattern):
        char = pattern[position]
        if char == "$" and position == len(pattern) - 1:
            return found + r"\Z"
        if char in "()":
            if pattern[position : position + 2] == "()":
                raise ValueError(f"pattern {pattern!r}: a position capture is not modelled")
            found += char
            position += 1
            continue
        item, position = _item(pattern, position)
        found += item
        if pattern[position : position + 1] in _REPEATS and position < len(pattern):
            found += _REPEATS[pattern[position]]
            position += 1
    return found


def _item(pattern: str, position: int) -> tuple[str, int]:
    char = pattern[position]
    if char == "%":
        return _escape(pattern, position, inside=False), position + 2
    if char == ".":
        return ".", position + 1
    if char != "[":
        return re.escape(char), position + 1
    position += 1
    item = "["
    if pattern[position : position + 1] == "^":
        item, position = "[^", position + 1
    while position < len(pattern) and pattern[position] != "]":
        if pattern[position] == "%":
            item += _escape(pattern, position, inside=True)
            position += 2
        else:
            char = pattern[position]
            item += char if char == "-" else re.escape(char)
            position += 1
    return item + "]", position + 1


def _escape(pattern: str, position: int, *, inside: bool) -> str:
    letter = pattern[position + 1 : position + 2]
    if letter.lower() in _CLASSES and letter:
        members = _CLASSES[letter.lower()]
        if inside and letter.islower():
            return members
        return f"[{'^' if letter.isupper() else ''}{members}]"
    if letter.isdigit() and not inside:
        return f"(?:\\{letter})"
    if letter.isalnum() or not letter:
        raise ValueError(f"pattern {pattern!r}: %{letter} is not modelled")
    return re.escape(letter)
