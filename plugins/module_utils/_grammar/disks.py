# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The grammar of a VM's further disks. Raises Refused."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.puffy.vmm.plugins.module_utils._grammar.further import further
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.images import (
    DISK_FORMATS,
    format_of,
    image,
)
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.plain.values import (
    as_text,
    choice,
    record,
)
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.sizes import DISK, Size
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Refused


@dataclass(frozen=True)
class FurtherDisk:
    """A disk of a VM besides its first, as its file gives it."""

    size: Size
    format: str | None = None
    image: str | None = None


def further_disks(value: object) -> tuple[FurtherDisk, ...]:
    """Return a VM's disks besides its first; there may be none."""
    return further(value, _disk, "disks, as in [{size: 100G}]")


def _disk(value: object) -> FurtherDisk:
    disk = FurtherDisk(**record(value, _PARSERS, "{size: 100G}", required=["size"]))
    if disk.image and not (disk.format or format_of(disk.image)):
        raise Refused("format is missing; the name of the image does not end with one")
    return disk


_PARSERS = {
    "size": lambda size: DISK.parse(as_text(size)),
    "format": lambda name: choice(name, DISK_FORMATS),
    "image": image,
}
