# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The addresses of a network as a drawing: one cell per address, with a form for each kind.

Cells have forms as well as colors, which not everybody sees and not every printer has.
"""

from __future__ import annotations

import typing as t
from bisect import bisect_right
from dataclasses import dataclass
from ipaddress import ip_network

from ansible_collections.puffy.vmm.plugins.plugin_utils._report.model import Kind, Network, Span

# Addresses side by side, and units of the drawing.
COLUMNS: t.Final = 32
STEP: t.Final = 10
GUTTER: t.Final = 36
# A network with more rows is drawn without those that have nothing in them.
_WHOLE: t.Final = 32
_MOST_ROWS: t.Final = 256
_PLAIN: t.Final = frozenset({Kind.FREE, Kind.OUTSIDE, Kind.UNUSABLE})
# Paths in a cell of 9 by 9, from its upper left corner.
FORMS: t.Final[t.Mapping[Kind, str]] = {
    Kind.SERVER: "m0 4.5a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0z",
    Kind.USED: "m0 0h9v9h-9z",
    Kind.FOREIGN: "m4.5 0l4.5 9h-9z",
    Kind.QUARANTINED: "m4.5 0l4.5 4.5l-4.5 4.5l-4.5-4.5z",
    Kind.KEPT: "m0 0v9h9z",
    Kind.RESERVED: "m0 0h9v9h-9zm2 2v5h5v-5z",
    Kind.FREE: "m3 3h3v3h-3z",
    Kind.OUTSIDE: "m4 4h1v1h-1z",
    Kind.UNUSABLE: "",
}


@dataclass(frozen=True)
class Shape:
    """Cells of one kind; title says which addresses they are, and whose."""

    kind: Kind
    path: str
    title: str = ""


@dataclass(frozen=True)
class Row:
    """Where a row begins, and its name; a gap stands for rows that are left out."""

    y: int
    name: str
    gap: bool = False


@dataclass(frozen=True)
class AddressMap:
    """A drawing of width by height units."""

    width: int
    height: int
    rows: tuple[Row, ...]
    shapes: tuple[Shape, ...]
    complete: bool


def address_map(network: Network) -> AddressMap:
    """Draw a network, or those parts of a large one that have something in them."""
    base, prefix = network.spans[0].first, ip_network(network.network).prefixlen
    end = network.spans[-1].last + 1
    total = -(-(end - base) // COLUMNS)
    chosen = list(range(total)) if total <= _WHOLE else sorted(_interesting(network, base))
    drawn = chosen[:_MOST_ROWS]
    starts = [span.first for span in network.spans]
    rows: list[Row] = []
    paths: dict[tuple[Kind, str], list[str]] = {}
    y = 0
    for place, row in enumerate(drawn):
        if row != (drawn[place - 1] + 1 if place else 0):
            rows.append(Row(y, "⋯", gap=True))
            y += STEP
        first = base + row * COLUMNS
        rows.append(Row(y, _name(network.version, prefix, base, first)))
        for span in _spans(network.spans, starts, first, min(first + COLUMNS, end)):
            cells = range(max(span.first, first), min(span.last + 1, first + COLUMNS))
            form = FORMS[span.kind]
            text = "".join(f"M{GUTTER + (cell - first) * STEP} {y}{form}" for cell in cells if form)
            title = "" if span.kind in _PLAIN else f"{span.text}: {span.label}"
            paths.setdefault((span.kind, title), []).append(text)
        y += STEP
    if drawn and drawn[-1] != total - 1:
        rows.append(Row(y, "⋯", gap=True))
        y += STEP
    shapes = tuple(
        Shape(kind, "".join(parts), title) for (kind, title), parts in paths.items() if any(parts)
    )
    columns = min(COLUMNS, end - base)
    complete = len(chosen) == len(drawn)
    return AddressMap(GUTTER + columns * STEP, y, tuple(rows), shapes, complete)


def _interesting(network: Network, base: int) -> set[int]:
    """Return numbers of rows with something in them, and of the row of the first free address."""
    rows: set[int] = set()
    for span in network.spans:
        if span.kind not in _PLAIN:
            first, last = (span.first - base) // COLUMNS, (span.last - base) // COLUMNS
            # Of what is very long, both ends.
            rows |= set(range(first, last + 1)) if last - first < _WHOLE else {first, last}
    free = [span.first for span in network.spans if span.kind == Kind.FREE]
    return rows | {(value - base) // COLUMNS for value in free[:1]}


def _spans(
    spans: t.Sequence[Span], starts: t.Sequence[int], first: int, end: int
) -> t.Iterator[Span]:
    at = bisect_right(starts, first) - 1
    while at < len(spans) and spans[at].first < end:
        yield spans[at]
        at += 1


def _name(version: int, prefix: int, base: int, first: int) -> str:
    """Return the end of a row's first address: the part that varies within the network."""
    if version == 6:
        return f"::{first - base:x}"
    octets = [str(first >> shift & 0xFF) for shift in (24, 16, 8, 0)]
    return "." + ".".join(octets[min(prefix // 8, 3) :])
