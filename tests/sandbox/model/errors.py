# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Errors of system calls, in OpenBSD's words (strerror(3)) where Linux has others."""

from __future__ import annotations

import errno
import os

EPROCLIM = 1067  # OpenBSD's 67, which means something else on Linux

_WORDS = {
    errno.EBUSY: "Device busy",
    errno.ENXIO: "Device not configured",
    errno.ENODEV: "Operation not supported by device",
    errno.EADDRNOTAVAIL: "Can't assign requested address",
    errno.ERANGE: "Result too large",
    errno.ELOOP: "Too many levels of symbolic links",
    errno.EROFS: "Read-only file system",
    errno.EOVERFLOW: "Value too large to be stored in data type",
    EPROCLIM: "Too many processes",
}


def text(code: int) -> str:
    """What strerror(3) says; vmd's own codes and -1 are unknown to it."""
    if code in _WORDS:
        return _WORDS[code]
    known = os.strerror(code) if 0 <= code <= 133 else ""
    return known or f"Unknown error: {code}"


def failure(code: int) -> OSError:
    return OSError(code, text(code))
