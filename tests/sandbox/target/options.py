# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Command line options as OpenBSD's getopt(3) takes them: up to the first operand, no long ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .call import NotModelled


@dataclass(frozen=True)
class Options:
    """``given``: each option in its order with its argument ("" without one)."""

    given: tuple[tuple[str, str], ...]
    operands: tuple[str, ...]

    def has(self, letter: str) -> bool:
        return any(one == letter for one, _ in self.given)

    def last(self, letter: str, default: str | None = None) -> str | None:
        """The argument of an option's last occurrence."""
        return next((value for one, value in reversed(self.given) if one == letter), default)


def getopt(arguments: Sequence[str], letters: str) -> Options:
    """Splits arguments (without the program's name); NotModelled for any other option."""
    given: list[tuple[str, str]] = []
    rest = list(arguments)
    while rest and rest[0].startswith("-") and rest[0] != "-":
        word = rest.pop(0)
        if word == "--":
            break
        letter, more = word[1], word[2:]
        while letter:
            if letter == ":" or letter not in letters:
                raise NotModelled(f"option -- {letter}")
            if letters[letters.index(letter) + 1 :].startswith(":"):
                if not more and not rest:
                    raise NotModelled(f"option requires an argument -- {letter}")
                given.append((letter, more or rest.pop(0)))
                break
            given.append((letter, ""))
            letter, more = more[:1], more[1:]
    return Options(tuple(given), tuple(rest))
