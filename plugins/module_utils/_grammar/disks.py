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
    known_keys,
    part,
)
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.sizes import DISK, Size
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Refused


@dataclass(frozen=True)
class FurtherDisk:
    """A disk of a VM next to its first, as its file gives it."""

    size: Size
    format: str | None = None
    image: str | None = None


def further_disks(value: object) -> tuple[FurtherDisk, ...]:
    """Return a VM's disks next to its first; there may be none."""
    return further(value, _disk, "disks, as in [{size: 100G}]")


def _disk(value: object) -> FurtherDisk:
    given = known_keys(value, ("size", "format", "image"), "size, format and image, as {size: 9G}")
    if "size" not in given:
        raise Refused("size is missing; give one such as 100G")
    disk = FurtherDisk(
        part("size", given, lambda size: DISK.parse(as_text(size))),
        part("format", given, lambda one: choice(one, DISK_FORMATS)) if "format" in given else None,
        part("image", given, image) if "image" in given else None,
    )
    if disk.image and not (disk.format or format_of(disk.image)):
        raise Refused("format is missing; the name of the image does not end with one")
    return disk
