# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Networks as drawings."""

from __future__ import annotations

import re

from ansible_collections.puffy.vmm.plugins.plugin_utils._report.address_map import (
    GUTTER,
    STEP,
    AddressMap,
    address_map,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._report.model import (
    Kind,
    Network,
    Span,
    address_value,
)


def network(text: str, *spans: tuple[str, str, Kind, str]) -> Network:
    made = [
        Span(address_value(first)[0], address_value(first)[1], address_value(last)[1], kind, label)
        for first, last, kind, label in spans
    ]
    return Network(text, made[0].version, ("server1",), tuple(made))


def cells(drawn: AddressMap, kind: Kind) -> list[tuple[int, int]]:
    """Columns and rows of the cells of a kind."""
    paths = "".join(shape.path for shape in drawn.shapes if shape.kind == kind)
    places = re.findall(r"M(\d+) (\d+)", paths)
    return [((int(x) - GUTTER) // STEP, int(y) // STEP) for x, y in places]


def test_a_small_network_is_drawn_whole() -> None:
    drawn = address_map(
        network(
            "203.0.113.0/26",
            ("203.0.113.0", "203.0.113.0", Kind.UNUSABLE, ""),
            ("203.0.113.1", "203.0.113.1", Kind.SERVER, "gateway"),
            ("203.0.113.2", "203.0.113.32", Kind.FREE, ""),
            ("203.0.113.33", "203.0.113.33", Kind.USED, "web1"),
            ("203.0.113.34", "203.0.113.62", Kind.FREE, ""),
            ("203.0.113.63", "203.0.113.63", Kind.UNUSABLE, ""),
        )
    )
    assert [row.name for row in drawn.rows] == [".0", ".32"]
    assert cells(drawn, Kind.SERVER) == [(1, 0)]
    assert cells(drawn, Kind.USED) == [(1, 1)]
    assert len(cells(drawn, Kind.FREE)) == 60
    titles = {shape.kind: shape.title for shape in drawn.shapes}
    assert titles == {
        Kind.SERVER: "203.0.113.1: gateway", Kind.USED: "203.0.113.33: web1", Kind.FREE: "",
    }  # fmt: skip
    assert (drawn.width, drawn.height, drawn.complete) == (GUTTER + 320, 20, True)


def test_of_a_large_network_only_what_is_in_use_is_drawn() -> None:
    drawn = address_map(
        network(
            "2001:db8::/64",
            ("2001:db8::", "2001:db8::", Kind.UNUSABLE, ""),
            ("2001:db8::1", "2001:db8::f", Kind.OUTSIDE, ""),
            ("2001:db8::10", "2001:db8::10", Kind.USED, "web1"),
            ("2001:db8::11", "2001:db8::ffff", Kind.FREE, ""),
            ("2001:db8::1:0", "2001:db8::1:0", Kind.USED, "far"),
            ("2001:db8::1:1", "2001:db8::ffff:ffff:ffff:ffff", Kind.FREE, ""),
        )
    )
    assert [(row.name, row.gap) for row in drawn.rows] == [
        ("::0", False), ("⋯", True), ("::10000", False), ("⋯", True),
    ]  # fmt: skip
    assert cells(drawn, Kind.USED) == [(16, 0), (0, 2)]
    assert drawn.complete


def test_a_very_long_span_is_not_drawn_whole() -> None:
    drawn = address_map(
        network(
            "10.0.0.0/8",
            ("10.0.0.0", "10.127.255.255", Kind.RESERVED, "vmm_reserved"),
            ("10.128.0.0", "10.255.255.255", Kind.FREE, ""),
        )
    )
    assert [row.name for row in drawn.rows] == [
        ".0.0.0", "⋯", ".127.255.224", ".128.0.0", "⋯",
    ]  # fmt: skip


def test_a_map_has_an_end() -> None:
    spans = [
        (
            f"10.{x}.{y}.0",
            f"10.{x}.{y}.255",
            Kind.USED if y % 2 else Kind.FREE,
            "x" if y % 2 else "",
        )
        for x in range(2)
        for y in range(256)
    ]
    drawn = address_map(network("10.0.0.0/15", *spans))
    assert not drawn.complete
    assert drawn.height < 5000


def test_a_network_of_few_addresses() -> None:
    drawn = address_map(
        network(
            "203.0.113.8/30",
            ("203.0.113.8", "203.0.113.8", Kind.UNUSABLE, ""),
            ("203.0.113.9", "203.0.113.10", Kind.FREE, ""),
            ("203.0.113.11", "203.0.113.11", Kind.UNUSABLE, ""),
        )
    )
    assert (drawn.width, drawn.height) == (GUTTER + 40, 10)
    assert [row.name for row in drawn.rows] == [".8"]
    assert cells(drawn, Kind.FREE) == [(1, 0), (2, 0)]
