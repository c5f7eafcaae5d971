# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The disks of VMs: which image each has, and what a VM file can no longer ask for.

What a ledger has recorded stays as it is, whatever files and settings say later: nothing is moved,
converted, made again or made smaller.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.installed import (
    IMAGE_SUFFIXES,
    Installed,
    RecordedDisk,
)
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.disks import FurtherDisk
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.images import format_of
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.sizes import Size


@dataclass(frozen=True)
class Disk:
    """A disk of a VM. recorded says that the ledger has it: its image existed once."""

    image: str
    format: str
    size: Size
    recorded: bool = False


@dataclass(frozen=True)
class Wishes:
    """What the file of a VM says about its disks, and what the ledger has recorded of them.

    directory and default_format are the server's, for images that the file says nothing about.
    """

    name: str
    source: str
    declared: FurtherDisk
    further: Sequence[FurtherDisk] = ()
    first: Installed | RecordedDisk | None = None
    recorded: Sequence[RecordedDisk] = ()
    directory: str = ""
    default_format: str = ""


def first_disk(wishes: Wishes) -> Disk:
    """Return the disk that the VM's system is on."""
    if first := wishes.first:
        return Disk(first.image, first.format, wishes.declared.size, recorded=True)
    return _new(wishes.name, wishes.declared, wishes)


def further_disks(wishes: Wishes) -> tuple[Disk, ...]:
    """Return the disks besides the first, in their order."""
    disks = []
    for place, wish in enumerate(wishes.further):
        if place < len(wishes.recorded):
            known = wishes.recorded[place]
            disks.append(Disk(known.image, known.format, wish.size, recorded=True))
        else:
            disks.append(_new(f"{wishes.name}.disk{place + 2}", wish, wishes))
    return tuple(disks)


def detached(wishes: Wishes) -> tuple[str, ...]:
    """Return the images of disks that the VM had and that its file no longer names."""
    return tuple(disk.image for disk in wishes.recorded[len(wishes.further) :])


def _new(name: str, wish: FurtherDisk, wishes: Wishes) -> Disk:
    kind = wish.format or (wish.image and format_of(wish.image)) or wishes.default_format
    path = wish.image or f"{wishes.directory}/{name}.{IMAGE_SUFFIXES[kind]}"
    return Disk(path, kind, wish.size)


def refusal(wishes: Wishes, ledger: str) -> str | None:
    """Return why the file's wishes are refused, or None: the ledger has something else.

    wishes.source and ledger are how problems name the two files.
    """
    pairs = zip((wishes.declared, *wishes.further), (wishes.first, *wishes.recorded), strict=False)
    for place, (wish, record) in enumerate(pairs):
        if record is None:
            continue
        kind, path = wish.format, wish.image
        item = f"disks: item {place}: " if place else ""
        since = f" since {record.since}" if isinstance(record, Installed) else ""
        there = f"{ledger} has the image {record.image}"
        field = "format" if item else "disk_format"
        if kind not in (None, record.format):
            return (
                f"{wishes.source}: {item}{field}: {kind} is asked for, and {there} in the format "
                f"{record.format}{since}; an image that exists is not converted: write {field}: "
                f"{record.format} or take the line out, or archive and purge {wishes.name} for a "
                f"new VM without its data"
            )
        if path not in (None, record.image):
            return (
                f"{wishes.source}: {item}image: {path} is asked for, and {there}{since}; no run "
                f"moves an image: write image: {record.image} or take it out"
            )
    return None
