# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Errors of system calls, in OpenBSD's words (strerror(3)) where Linux has others."""

from __future__ import annotations

import errno
import os

_WORDS = {
    errno.EBUSY: "Device busy",
    errno.ENXIO: "Device not configured",
    errno.ENODEV: "Operation not supported by device",
    errno.EADDRNOTAVAIL: "Can't assign requested address",
}


def text(code: int) -> str:
    """What strerror(3) says."""
    return _WORDS.get(code) or os.strerror(code)


def failure(code: int) -> OSError:
    return OSError(code, text(code))
