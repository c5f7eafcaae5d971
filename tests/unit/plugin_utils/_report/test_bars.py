# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Bars of a server, and the words beside them."""

from __future__ import annotations

import pytest
from ansible_collections.puffy.vmm.plugins.plugin_utils._report.bars import (
    Bar,
    Segment,
    bars,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._report.model import (
    Addresses,
    Disk,
    Memory,
    Reach,
    Server,
)

GIB = 1 << 30
REST = Segment(0, 100, "rest")


def memory(value: Memory) -> Bar:
    return bars(Server("server1", Reach.REACHED, memory=value))[0]


def disk(value: Disk) -> Bar:
    return bars(Server("server1", Reach.REACHED, disks=(value,)))[1]


MEMORY: dict[str, tuple[Memory, Bar]] = {
    "nothing is known": (Memory(3 * GIB), Bar("Memory", "3 GiB promised")),
    "all is known": (
        Memory(4 * GIB, running=GIB, total=8 * GIB),
        Bar(
            "Memory", "4 GiB promised of 8 GiB", "1 GiB in running VMs",
            (REST, Segment(0, 12.5, "main"), Segment(12.5, 37.5, "soft")),
        ),
    ),
    "a limit": (
        Memory(4 * GIB, running=0, total=8 * GIB, limit=16 * GIB),
        Bar(
            "Memory", "4 GiB promised of 16 GiB", "0 B in running VMs, the server has 8 GiB",
            (REST, Segment(0, 25, "soft")),
        ),
    ),
    "a limit without live data": (
        Memory(4 * GIB, limit=16 * GIB),
        Bar("Memory", "4 GiB promised of 16 GiB", "", (REST, Segment(0, 25, "soft"))),
    ),
    "more than there is": (
        Memory(16 * GIB, running=4 * GIB, total=8 * GIB),
        Bar(
            "Memory", "16 GiB promised of 8 GiB", "4 GiB in running VMs",
            (REST, Segment(0, 25, "main"), Segment(25, 75, "soft")), "overcommitted",
        ),
    ),
}  # fmt: skip
DISKS: dict[str, tuple[Disk, Bar]] = {
    "nothing is known": (Disk("/var/vmm", 3 * GIB), Bar("Disk /var/vmm", "3 GiB promised")),
    "room for all": (
        Disk("/var/vmm", 20 * GIB, 10 * GIB, 100 * GIB, 30 * GIB, 65 * GIB),
        Bar(
            "Disk /var/vmm", "30 GiB of 100 GiB used", "10 GiB in images, 20 GiB promised",
            (REST, Segment(0, 10, "main"), Segment(10, 20, "other")),
        ),
    ),
    "images may grow too much": (
        Disk("/var/vmm", 80 * GIB, 10 * GIB, 100 * GIB, 30 * GIB, 65 * GIB),
        Bar(
            "Disk /var/vmm", "30 GiB of 100 GiB used", "10 GiB in images, 80 GiB promised",
            (REST, Segment(0, 10, "main"), Segment(10, 20, "other")), "overcommitted",
        ),
    ),
    "images that share blocks": (
        Disk("/var/vmm", 20 * GIB, 40 * GIB, 100 * GIB, 30 * GIB, 65 * GIB),
        Bar(
            "Disk /var/vmm", "30 GiB of 100 GiB used", "30 GiB in images, 20 GiB promised",
            (REST, Segment(0, 30, "main")),
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MEMORY)
def test_memory(name: str) -> None:
    value, bar = MEMORY[name]
    assert memory(value) == bar


@pytest.mark.parametrize("name", DISKS)
def test_disks(name: str) -> None:
    value, bar = DISKS[name]
    assert disk(value) == bar


def test_addresses() -> None:
    server = Server("server1", Reach.REACHED, addresses=Addresses(200, 50))
    segments = (REST, Segment(0, 25, "main"))
    assert bars(server)[1] == Bar("IPv4 addresses", "50 of 200 taken", "", segments)
    full = Server("server1", Reach.REACHED, addresses=Addresses(2, 2))
    assert bars(full)[1].warning == "full"
