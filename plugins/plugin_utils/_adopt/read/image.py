# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The format and size of a disk's image, from its first bytes (usr.sbin/vmd/vioqcow2.c)."""

from __future__ import annotations

import struct
import typing as t
from dataclasses import dataclass

from ansible_collections.puffy.vmm.plugins.module_utils._grammar.sizes import MEBI, scaled

HEADER_BYTES: t.Final = 512
_MAGIC: t.Final = b"QFI\xfb"
_HEAD: t.Final = struct.Struct(">4sIQIIQ")


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
    if len(head) >= _HEAD.size and head[:4] == _MAGIC and said != "raw":
        _magic, _version, backing, _length, _bits, virtual = _HEAD.unpack_from(head)
        return Image("qcow2", virtual, size, backing != 0)
    return Image("raw", size, blocks * 512)
