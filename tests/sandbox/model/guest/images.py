# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Disk images: made as vmctl(8) makes them, with a note of what was installed.

Offsets and sizes are bytes. What a guest's file systems would hold is not modelled: an installed
system is a record, a JSON object, at a fixed place of the image, with a few MiB around it.
"""

from __future__ import annotations

import errno
import json
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.model.errors import failure

if TYPE_CHECKING:
    from sandbox.target.files import Files

MAGIC = b"QFI\xfb"
MEGABYTE = 1024**2
_MARK = b"puffy.vmm sandbox guest\n"
_RECORD = 256 * 1024
_RECORD_MAX = 64 * 1024
_INSTALLED = 4 * MEGABYTE  # how much an installed image grows
# magic, version, base offset and length, cluster bits, size, encryption, table's length and place
_HEADER = struct.Struct(">4sIQIIQIIQ")


def is_qcow2(host: Path) -> bool:
    with host.open("rb") as stream:
        return stream.read(len(MAGIC)) == MAGIC


def create_raw(host: Path, size: int) -> None:
    """A sparse file of that length; OSError for one that is there."""
    with _new(host) as stream:
        stream.truncate(size)


def create_qcow2(host: Path, size: int) -> None:
    """The header of an empty qcow2 version 3 file, of the length that vmctl(8) gives it."""
    with _new(host) as stream:
        stream.write(_HEADER.pack(MAGIC, 3, 0, 0, 16, size, 0, -(-size >> 29), 1 << 16))
        stream.truncate(_RECORD)


def _new(host: Path) -> Any:
    return os.fdopen(os.open(host, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "r+b")


@dataclass(frozen=True)
class Image:
    """An image as a guest's disk of that name; `path` is the server's."""

    files: Files
    path: str
    format: str  # raw, qcow2
    name: str = "sd0"

    @property
    def host(self) -> Path:
        return self.files.resolve(self.path)

    @property
    def size(self) -> int:
        """What the guest sees."""
        if self.format == "raw":
            return self.host.stat().st_size
        with self.host.open("rb") as stream:
            return int(_HEADER.unpack(stream.read(_HEADER.size))[5])

    def record(self) -> dict[str, Any] | None:
        """What was installed last on the image."""
        with self.host.open("rb") as stream:
            stream.seek(_RECORD)
            data = stream.read(_RECORD_MAX)
        if not data.startswith(_MARK):
            return None
        record: dict[str, Any] = json.loads(data[len(_MARK) :].partition(b"\0")[0])
        return record

    def is_blank(self) -> bool:
        """Whether a BIOS finds nothing to boot."""
        with self.host.open("rb") as stream:
            begin = stream.read(_RECORD)
        return not any(begin[_HEADER.size if self.format == "qcow2" else 0 :])

    def write(self, record: Mapping[str, Any]) -> None:
        """Install: OSError ENOSPC if the disk is too small for it."""
        if self.size < _INSTALLED:
            raise failure(errno.ENOSPC)
        body = _MARK + json.dumps(dict(record), sort_keys=True).encode() + b"\0"
        with self.host.open("r+b") as stream:
            if self.format == "raw":
                stream.write(b"master boot record")
            stream.seek(_RECORD)
            stream.write(body.ljust(_RECORD_MAX, b"\0"))
            stream.write(os.urandom(_INSTALLED - _RECORD - _RECORD_MAX))
