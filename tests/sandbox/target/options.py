# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Command line options as getopt(3) of POSIX takes them: up to the first operand, no long ones."""

from __future__ import annotations

import getopt as library
from collections.abc import Sequence
from dataclasses import dataclass

from .call import NotModelled


@dataclass(frozen=True)
class Options:
    """``given``: each option in its order with its argument ("" without one)."""

    letters: tuple[tuple[str, str], ...]
    operands: tuple[str, ...]

    def has(self, letter: str) -> bool:
        return any(name == letter for name, _ in self.letters)

    def last(self, letter: str, default: str | None = None) -> str | None:
        """The argument of an option's last occurrence."""
        return next((value for name, value in reversed(self.letters) if name == letter), default)


def getopt(arguments: Sequence[str], letters: str) -> Options:
    """Splits arguments (without the program's name); NotModelled for any other option."""
    try:
        pairs, operands = library.getopt(list(arguments), letters)
    except library.GetoptError as error:
        raise NotModelled(str(error)) from None
    return Options(tuple((name[1:], value) for name, value in pairs), tuple(operands))
