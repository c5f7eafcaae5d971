# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Memory, disks and addresses of a server as bars, each with words that say the same."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.puffy.vmm.plugins.module_utils._grammar.sizes import size_text
from ansible_collections.puffy.vmm.plugins.plugin_utils._report.model import (
    Disk,
    Memory,
    Server,
)


@dataclass(frozen=True)
class Segment:
    """A part of a bar: from where, and how wide, both in percent; style names its color."""

    at: float
    width: float
    style: str


@dataclass(frozen=True)
class Bar:
    """A bar; one without segments is of something unknown, and is not drawn."""

    name: str
    text: str
    note: str = ""
    segments: tuple[Segment, ...] = ()
    warning: str = ""


def bars(server: Server) -> tuple[Bar, ...]:
    """Return the bars of a server, in the order in which they are shown."""
    rows = [_memory(server.memory), *map(_disk, server.disks)]
    if server.addresses:
        total, taken = server.addresses.total, server.addresses.taken
        text = f"{taken:,} of {total:,} taken"
        segments = _segments(total, (taken, "main"))
        rows.append(Bar("IPv4 addresses", text, "", segments, "full" if taken >= total else ""))
    return tuple(rows)


def _memory(memory: Memory) -> Bar:
    whole = memory.limit or memory.total
    text = f"{size_text(memory.promised)} promised"
    if whole is None:
        return Bar("Memory", text)
    text += f" of {size_text(whole)}"
    notes = []
    if memory.running is not None:
        notes.append(f"{size_text(memory.running)} in running VMs")
    if memory.limit is not None and memory.total is not None:
        notes.append(f"the server has {size_text(memory.total)}")
    running = min(memory.running or 0, memory.promised)
    segments = _segments(whole, (running, "main"), (memory.promised - running, "soft"))
    warning = "overcommitted" if memory.promised > whole else ""
    return Bar("Memory", text, ", ".join(notes), segments, warning)


def _disk(disk: Disk) -> Bar:
    name = f"Disk {disk.directory}"
    promised = f"{size_text(disk.promised)} promised"
    if disk.size is None or disk.used is None:
        return Bar(name, promised)
    images = min(disk.images or 0, disk.used)
    grows = max(disk.promised - images, 0)
    warning = "overcommitted" if disk.free is not None and grows > disk.free else ""
    text = f"{size_text(disk.used)} of {size_text(disk.size)} used"
    note = f"{size_text(images)} in images, {promised}"
    segments = _segments(disk.size, (images, "main"), (disk.used - images, "other"))
    return Bar(name, text, note, segments, warning)


def _segments(whole: int, *parts: tuple[int, str]) -> tuple[Segment, ...]:
    """Return parts next to each other; if they are more than the whole, they share the bar."""
    most = max(whole, sum(size for size, _style in parts), 1)
    segments, at = [Segment(0, 100, "rest")], 0.0
    for size, style in parts:
        width = round(100 * size / most, 2)
        if width > 0:
            segments.append(Segment(round(at, 2), width, style))
        at += width
    return tuple(segments)
