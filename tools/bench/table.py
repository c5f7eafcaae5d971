# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Figures as a table, which is Markdown and readable on a terminal too."""

from __future__ import annotations

from collections.abc import Sequence

from bench.figures import Figures

HEAD = ("", "rounds", "wall s", "min-max", "CPU s", "conn. CPU s", "MiB", "SSH", "CPU ms/VM")
COMPARED = ("compared with", "wall ×", "CPU ×")


def markdown(rows: Sequence[Figures]) -> str:
    """Columns that say nothing of any row are left out."""
    columns = list(zip((*HEAD, *COMPARED), *(_cells(row) for row in rows), strict=True))
    columns = [column for column in columns if any(column[1:])]
    widths = [max(len(cell) for cell in column) for column in columns]
    lines = [
        _line([cell.ljust(width) for cell, width in zip(cells, widths, strict=True)])
        for cells in zip(*columns, strict=True)
    ]
    numeric = [column[0] not in ("", "compared with") for column in columns]
    rule = [
        "-" * (width - 1) + (":" if right else "-")
        for width, right in zip(widths, numeric, strict=True)
    ]
    return "\n".join([lines[0], _line(rule), *lines[1:]]) + "\n"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cells(row: Figures) -> tuple[str, ...]:
    return (
        row.name,
        str(row.rounds),
        f"{row.wall:.2f}",
        f"{row.fastest:.2f}-{row.slowest:.2f}" if row.rounds > 1 else "",
        f"{row.cpu:.2f}",
        f"{row.connections:.2f}" if row.connections >= 0.005 else "",
        f"{row.memory:.0f}",
        f"{row.executions:g}" if row.executions else "",
        f"{row.per_vm:.2f}" if row.per_vm is not None else "",
        row.compared_with,
        _times(row.wall_ratio),
        _times(row.cpu_ratio),
    )


def _times(ratio: float | None) -> str:
    if ratio is None:
        return ""
    return f"{ratio:.0f}" if ratio >= 10 else f"{ratio:.2f}"
