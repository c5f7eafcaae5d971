# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The statistics: medians, and ratios within a round."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from statistics import median

from bench.results import Round, Row

Measure = Callable[[Round], float]


@dataclass(frozen=True)
class Figures:
    """What a table says of a row; wall and cpu in seconds, memory in MiB, per_vm in milliseconds.

    The ratios are those to the row that it is compared with, None where there is none.
    """

    name: str
    rounds: int
    wall: float
    fastest: float
    slowest: float
    cpu: float
    connections: float
    memory: float
    executions: float
    per_vm: float | None
    compared_with: str
    wall_ratio: float | None
    cpu_ratio: float | None


def figures(rows: Iterable[Row]) -> list[Figures]:
    """Raises KeyError for a row that is compared with one that is not there."""
    by_name = {row.name: row for row in rows}
    return [_of(row, by_name) for row in by_name.values()]


def _of(row: Row, by_name: Mapping[str, Row]) -> Figures:
    walls = [each.wall for each in row.rounds]
    cpu = median(each.cpu for each in row.rounds)
    base = by_name[row.compared_with] if row.compared_with else None
    return Figures(
        name=row.name,
        rounds=len(row.rounds),
        wall=median(walls),
        fastest=min(walls),
        slowest=max(walls),
        cpu=cpu,
        connections=median(each.connections for each in row.rounds),
        memory=median(each.memory for each in row.rounds) / 1024,
        executions=median(each.executions for each in row.rounds),
        per_vm=1000 * cpu / row.count if row.count else None,
        compared_with=row.compared_with,
        wall_ratio=ratio(row, base, lambda each: each.wall) if base else None,
        cpu_ratio=ratio(row, base, lambda each: each.cpu) if base else None,
    )


def ratio(row: Row, base: Row, of: Measure) -> float:
    """The median of the ratios of each round: what slows a round down slows down both."""
    return median(of(own) / of(other) for own, other in zip(row.rounds, base.rounds, strict=True))
