# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Tables of plain text."""

from __future__ import annotations

from collections.abc import Sequence


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a line for each row, with columns as wide as what is in them.

    A cell with nothing after it in its row, such as a long message, makes no column wider.
    """
    places = range(len(rows[0])) if rows else ()
    widths = [
        max((len(row[place]) for row in rows if any(row[place + 1 :])), default=0)
        for place in places
    ]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
