# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The ledger's record of an installation: when it was, and which image the VM has since then."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ansible_collections.puffy.vmm.plugins.module_utils._grammar.plain.values import (
    as_text,
    choice,
    known_keys,
    matching,
    part,
)
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.server import directory
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Refused, shown

# The formats of images, and how the names of files end that have them.
IMAGE_SUFFIXES: Mapping[str, str] = {"raw": "img", "qcow2": "qcow2"}

_TIME = "%Y-%m-%dT%H:%M:%SZ"
_FILE_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}"


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
        """The record as plain data, which read_installed() takes."""
        return {"at": self.since, "image": self.image, "format": self.format}


def read_installed(value: object) -> Installed:
    """Return the record that a ledger or the inventory has. Raises Refused."""
    parts = ", ".join(_PARTS)
    given = known_keys(value, tuple(_PARTS), f"{parts} in braces")
    if missing := [name for name in _PARTS if name not in given]:
        raise Refused(f"{missing[0]} is missing; give {parts}")
    return Installed(**{name: part(name, given, parse) for name, parse in _PARTS.items()})


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


def _image(value: object) -> str:
    text = as_text(value)
    place, _slash, name = text.rpartition("/")
    try:
        return f"{directory(place)}/{matching(name, _FILE_NAME, '')}"
    except Refused:
        complaint = f"{shown(text)} is not a path of an image; use one such as /var/vmm/web1.img"
        raise Refused(complaint) from None


_PARTS: Mapping[str, Callable[[object], Any]] = {
    "at": _time,
    "image": _image,
    "format": lambda value: choice(value, tuple(IMAGE_SUFFIXES)),
}
