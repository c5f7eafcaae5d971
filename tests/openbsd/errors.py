# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What goes wrong, told to the person who started it."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path


class OpenBSDError(RuntimeError):
    """Something that the person who runs the tests can do something about."""


def write_error(path: Path, error: OSError) -> OpenBSDError:
    """Return what to say when ``path`` could not be written."""
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return OpenBSDError(f"{path}: {error.strerror}")
    free = shutil.disk_usage(path.parent).free >> 20
    return OpenBSDError(
        f"{path}: the disk is full ({free} MiB free); "
        "make room, or let OPENBSD_CACHE name a directory on another disk"
    )
