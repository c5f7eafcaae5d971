# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What was measured, as data, and the JSON that keeps it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Round:
    """One measurement: seconds, KiB, and SSH executions on stand-ins; see usage.Usage."""

    wall: float
    cpu: float
    connections: float
    memory: int
    executions: int = 0


@dataclass(frozen=True)
class Row:
    """What was measured of one subject; `count`: for how many VMs, 0 if that says nothing."""

    name: str
    compared_with: str
    count: int
    rounds: tuple[Round, ...]


@dataclass(frozen=True)
class Stage:
    """A table: when it was measured (ISO 8601, UTC), where, and its rows."""

    title: str
    date: str
    machine: Mapping[str, str]
    rows: tuple[Row, ...]


def to_json(stages: Mapping[str, Stage]) -> str:
    return json.dumps({name: asdict(stage) for name, stage in stages.items()}, indent=1) + "\n"


def from_json(text: str) -> dict[str, Stage]:
    return {name: _stage(raw) for name, raw in json.loads(text).items()}


def load(place: Path) -> dict[str, Stage]:
    """What earlier runs left, nothing if there was none."""
    return from_json(place.read_text()) if place.exists() else {}


def _stage(raw: Mapping[str, Any]) -> Stage:
    rows = tuple(
        Row(**{**row, "rounds": tuple(Round(**each) for each in row["rounds"])})
        for row in raw["rows"]
    )
    return Stage(raw["title"], raw["date"], raw["machine"], rows)
