# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Keeps owners, modes and device nodes over a stop: faked(1) knows them only while it runs."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

from .files import Files


def save(files: Files, place: Path) -> None:
    """Writes what the host's file system does not hold: [path, uid, gid, mode, device or null]."""
    rows = []
    for directory, names, plain in os.walk(files.root):
        for name in (*names, *plain):
            path = "/" + os.path.relpath(os.path.join(directory, name), files.root)
            status = files.lstat(path)
            if stat.S_ISLNK(status.st_mode):
                continue
            device = stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode)
            rows.append(
                [path, status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)]
                + [status.st_rdev if device else None]
            )
    place.write_text("[" + ",\n".join(json.dumps(row) for row in rows) + "]\n")


def restore(files: Files, place: Path) -> None:
    """Gives the files back what ``save`` has written; files that are gone are left out."""
    if not place.exists():
        return
    for path, uid, gid, mode, device in json.loads(place.read_text()):
        if not os.path.lexists(files.resolve(path, follow=False)):
            continue
        if device is not None:
            files.remove(path)
            files.mknod(path, mode, os.major(device), os.minor(device))
        files.chown(path, uid, gid)
        files.chmod(path, mode)
