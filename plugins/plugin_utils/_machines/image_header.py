# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The format and size of a disk's image, from its first bytes (usr.sbin/vmd/vioqcow2.c)."""

from __future__ import annotations

import struct
import typing as t
from dataclasses import dataclass

from ansible_collections.puffy.vmm.plugins.module_utils._grammar.sizes import MEBI, scaled

_MAGIC: t.Final = b"QFI\xfb"
_HEAD: t.Final = struct.Struct(">4sIQIIQ")
HEADER_BYTES: t.Final = _HEAD.size


@dataclass(frozen=True)
class Image:
    """bytes is the size that the VM sees; used is how much of it was written, as far as known.

    based says that a qcow2 image has another one below it.
    """

    format: str
    bytes: int
    used: int
    based: bool = False

    @property
    def size(self) -> str:
        """As a VM file has it: whole megabytes, rounded up."""
        return scaled(max(-(-self.bytes // MEBI) * MEBI, MEBI))


def read(head: bytes, size: int, blocks: int, said: str | None = None) -> Image:
    """Read the first bytes of an image.

    size and blocks of 512 bytes are lstat(2)'s, said is the format that vm.conf(5) names. Without
    one, vmd(8) goes by the magic number as well.
    """
    if said != "raw" and _is_qcow2(head):
        return Image("qcow2", _HEAD.unpack_from(head)[5], size, has_base(head))
    return Image("raw", size, blocks * 512)


def has_base(head: bytes) -> bool:
    """Return whether a file that begins like this is a qcow2 image with another one below it.

    For vmd(8) it has, if the name of that image has a length (virtio_qcow2_get_base).
    """
    return _is_qcow2(head) and _HEAD.unpack_from(head)[3] != 0


def _is_qcow2(head: bytes) -> bool:
    return len(head) >= _HEAD.size and head.startswith(_MAGIC)
