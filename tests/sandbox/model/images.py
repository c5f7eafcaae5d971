# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Disk images: made and grown as vmctl(8) and guests do, with a note of what was installed.

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
    from sandbox.files import Files

MAGIC = b"QFI\xfb"
MEGABYTE = 1024**2
BASES_MAX = 4
_MARK = b"puffy.vmm sandbox guest\n"
_RECORD_RAW, _RECORD_QCOW2 = 32 * 1024, 256 * 1024
_RECORD_MAX = 64 * 1024
_INSTALLED = 4 * MEGABYTE  # how much an installed image grows
_CLUSTER = 1 << 16
_BLOCK = 16 * 1024  # of FFS
# magic, version, base offset and length, cluster bits, size, encryption, L1 entries and offset,
# refcount offset and clusters, snapshots and their offset, three feature words, order, length
_HEADER = struct.Struct(">4sIQIIQIIQQIIQQQQII")
_MBR_SIGNATURE = b"\x55\xaa"
_OPENBSD_PARTITION = 0xA6


@dataclass(frozen=True)
class Header:
    size: int
    base: str


def is_qcow2(host: Path) -> bool:
    with host.open("rb") as stream:
        return stream.read(len(MAGIC)) == MAGIC


def qcow2_header(host: Path) -> Header:
    """Size and base image of a qcow2 file; ValueError for anything else."""
    with host.open("rb") as stream:
        data = stream.read(_HEADER.size)
        if len(data) < _HEADER.size:
            raise ValueError("short read on header")
        fields = _HEADER.unpack(data)
        if fields[0] != MAGIC:
            raise ValueError("invalid magic numbers")
        stream.seek(fields[2])
        return Header(fields[5], stream.read(fields[3]).decode("utf-8", "surrogateescape"))


def create_raw(host: Path, size: int) -> None:
    """A file of that length, sparse but for the blocks that FFS allocates at its end."""
    blocks = -(-size // _BLOCK)
    indirect = 0 if blocks <= 12 else 1 if blocks <= 12 + 4096 else 2
    with _new(host) as stream:
        stream.truncate(size)
        tail = min(size, (1 + indirect) * _BLOCK)
        stream.seek(size - tail)
        stream.write(bytes(tail))
        _settle(stream)


def create_qcow2(host: Path, size: int, base: str = "") -> None:
    """An empty qcow2 version 3 file with its tables, and as many blocks as FFS gives it."""
    l1_entries = -(-size // (_CLUSTER * _CLUSTER // 8))
    refcounts = _align(_CLUSTER + 8 * l1_entries)
    refcount_clusters = -(-size // (_CLUSTER**3 // 2))
    end = _align(refcounts + refcount_clusters * _CLUSTER)
    encoded = os.fsencode(base)
    header = _HEADER.pack(
        *(MAGIC, 3, _HEADER.size if base else 0, len(encoded), 16, size, 0, l1_entries, _CLUSTER),
        *(refcounts, refcount_clusters, 0, 0, 0, 0, 0, 4, _HEADER.size),
    )
    parts = {
        0: header + encoded,
        refcounts: struct.pack(">Q", end),
        end: struct.pack(">H", 1) * (end // _CLUSTER + 1),
        end + _CLUSTER - 2 * _BLOCK: bytes(2 * _BLOCK),
    }
    with _new(host) as stream:
        stream.truncate(end + _CLUSTER)
        for offset, data in parts.items():
            stream.seek(offset)
            stream.write(data.ljust(_BLOCK, b"\0"))
        _settle(stream)


def _align(size: int) -> int:
    return -(-size // _CLUSTER) * _CLUSTER


def _settle(stream: Any) -> None:
    """Let the host decide now how many blocks the file takes."""
    stream.flush()
    os.fsync(stream.fileno())


def _new(host: Path) -> Any:
    return os.fdopen(os.open(host, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "r+b")


@dataclass(frozen=True)
class Image:
    """An image as a guest's disk; `path` is the server's."""

    files: Files
    path: str
    format: str  # raw, qcow2

    @property
    def host(self) -> Path:
        return self.files.resolve(self.path)

    def size(self) -> int:
        """What the guest sees."""
        return qcow2_header(self.host).size if self.format == "qcow2" else self.host.stat().st_size

    def bases(self) -> list[str]:
        """The chain below a qcow2 image; ValueError for a broken or too long one."""
        found: list[str] = []
        path = self.path
        while self.format == "qcow2":
            base = qcow2_header(self.files.resolve(path)).base
            if not base:
                break
            path = os.path.join(os.path.dirname(path), base)
            if not self.files.exists(path):
                raise ValueError(f"unable to resolve {base}")
            found.append(path)
            if len(found) >= BASES_MAX:
                raise ValueError("too many base images")
        return found

    def record(self) -> dict[str, Any] | None:
        """What was installed last on the image or on one below it."""
        offset = _RECORD_QCOW2 if self.format == "qcow2" else _RECORD_RAW
        for path in (self.path, *self.bases()):
            with self.files.resolve(path).open("rb") as stream:
                stream.seek(offset)
                data = stream.read(_RECORD_MAX)
            if data.startswith(_MARK):
                text = data[len(_MARK) :].partition(b"\0")[0]
                found: dict[str, Any] = json.loads(text)
                return found
        return None

    def is_blank(self) -> bool:
        """Whether a BIOS finds nothing to boot."""
        if self.record() is not None:
            return False
        if self.format == "qcow2":
            return self.host.stat().st_size <= _RECORD_QCOW2 and not self.bases()
        with self.host.open("rb") as stream:
            return stream.read(512)[510:] != _MBR_SIGNATURE

    def write(self, record: Mapping[str, Any]) -> None:
        """Install: OSError ENOSPC if the disk is too small for it."""
        if self.size() < _INSTALLED:
            raise failure(errno.ENOSPC)
        body = _MARK + json.dumps(dict(record), sort_keys=True).encode() + b"\0"
        offset = _RECORD_QCOW2 if self.format == "qcow2" else _RECORD_RAW
        with self.host.open("r+b") as stream:
            if self.format == "raw":
                entry = bytes([0x80, 1, 1, 0, _OPENBSD_PARTITION, 254, 255, 255])
                table = entry + struct.pack("<II", 64, self.size() // 512 - 64)
                stream.write(bytes(446) + table + bytes(48) + _MBR_SIGNATURE)
            stream.seek(offset)
            stream.write(body.ljust(_RECORD_MAX, b"\0"))
            stream.write(os.urandom(_INSTALLED - offset - _RECORD_MAX))


@dataclass(frozen=True)
class GuestDisk:
    """A disk as the guest names it. The installer calls `write` once the sets are on it.

    A guest booted from the disk takes `hostname`, `interfaces` and `sshd` from the record.
    """

    name: str  # sd0
    image: Image

    @property
    def size(self) -> int:
        """Bytes."""
        return self.image.size()

    def write(self, record: Mapping[str, Any]) -> None:
        self.image.write(record)
