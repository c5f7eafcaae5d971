# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The ledger's records of what a VM has on its server: its image since it was installed, and its
further disks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from ansible_collections.puffy.vmm.plugins.module_utils._grammar.images import recorded_image
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.plain.values import (
    Parse,
    as_text,
    choice,
    record,
    sequence,
)
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Refused, shown

# The formats of images, and the endings of their files' names.
IMAGE_SUFFIXES: Mapping[str, str] = {"raw": "img", "qcow2": "qcow2"}

_TIME = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True)
class RecordedDisk:
    """A disk that a VM has, or had: its image is made once, and never again."""

    image: str
    format: str

    def as_data(self) -> dict[str, str]:
        """Return the record as plain data, which read_disk() takes."""
        return {"image": self.image, "format": self.format}


@dataclass(frozen=True)
class Installed:
    """That a VM was installed: when (UTC, whole seconds), and the image that it got."""

    at: datetime
    image: str
    format: str

    @classmethod
    def now(cls, image: str, image_format: str) -> Installed:
        return cls(datetime.now(UTC).replace(microsecond=0), image, image_format)

    @property
    def since(self) -> str:
        """The time as the ledger has it: 2026-11-29T03:00:00Z."""
        return self.at.strftime(_TIME)

    def as_data(self) -> dict[str, str]:
        """Return the record as plain data, which read_installed() takes."""
        return {"at": self.since, "image": self.image, "format": self.format}


def read_installed(value: object) -> Installed:
    """Return the record that a ledger or the inventory has. Raises Refused."""
    example = "{at: 2026-11-29T03:00:00Z, image: /var/vmm/web1.img, format: raw}"
    return Installed(**record(value, {"at": _time, **_DISK}, example, required=["at", *_DISK]))


def read_disk(value: object) -> RecordedDisk:
    """Return a disk that a ledger has. Raises Refused."""
    example = "{image: /var/vmm/web1.img, format: raw}"
    return RecordedDisk(**record(value, _DISK, example, required=_DISK))


def read_disks(value: object) -> tuple[RecordedDisk, ...]:
    """Return the further disks that a ledger has of a VM, in their order. Raises Refused."""
    return sequence(value, read_disk, "disks")


def _time(value: object) -> datetime:
    text = as_text(value)
    try:
        time = datetime.strptime(text, _TIME).replace(tzinfo=UTC)
    except ValueError:
        time = None
    # strptime() takes fewer digits, too.
    if time is None or time.strftime(_TIME) != text:
        raise Refused(f"{shown(text)} is not a valid time; use one such as 2026-11-29T03:00:00Z")
    return time


_DISK: Mapping[str, Parse] = {
    "image": recorded_image,
    "format": lambda value: choice(value, tuple(IMAGE_SUFFIXES)),
}
