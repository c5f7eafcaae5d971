# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Sizes with a unit, as scan_scaled(3) reads and fmt_scaled(3) prints them."""

from __future__ import annotations

import re

_UNITS = "BKMGTPE"
_SCALED = re.compile(r"\s*([-+]?)(\d*)(?:\.(\d*))?([bkmgtpeBKMGTPE]?)(?![A-Za-z0-9])")


def scan(text: str) -> int:
    """Bytes of `1.5G` and the like, as an integer.

    What follows the unit is ignored unless it is a letter or a digit. Raises ValueError with
    strerror(3)'s words.
    """
    match = _SCALED.match(text)
    if match is None:
        raise ValueError("Invalid argument")
    sign, whole, fraction, unit = match.groups()
    if not unit:
        if match.end() != len(text):
            raise ValueError("Invalid argument")
        fraction = ""
    factor: int = 1024 ** _UNITS.index(unit.upper() or "B")
    value: int = int(whole or "0") * factor
    if fraction:
        value += int(fraction) * factor // 10 ** len(fraction)
    if len(whole) >= 21 or value >= 2**63:
        raise ValueError("Result too large")
    return -value if sign == "-" else value


def show(number: int) -> str:
    """A number of bytes in at most four digits, such as 68.0M."""
    unit = 0
    while unit < len(_UNITS) - 1 and number // 1024 >= 1024**unit:
        unit += 1
    whole, rest = divmod(number, 1024**unit)
    tenths = (10 * (rest // 1024 ** max(0, unit - 1)) + 512) // 1024
    if tenths >= 10:
        whole, tenths = whole + 1, 0
    if whole == 0:
        return "0B"
    if unit == 0 or whole >= 100:
        return f"{whole + (tenths >= 5)}{_UNITS[unit]}"
    return f"{whole}.{tenths}{_UNITS[unit]}"
