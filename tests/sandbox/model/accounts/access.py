# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""May a user do that to a file? The machine's process may do all, so the models have to ask."""

from __future__ import annotations

import errno
import stat
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from sandbox.model.errors import failure

if TYPE_CHECKING:
    from sandbox.model.machine import Machine

READ, WRITE, SEARCH = 4, 2, 1


def groups(machine: Machine, uid: int) -> list[int]:
    user = machine.accounts.user(uid)
    return machine.accounts.groups_of(user) if user else []


def check(machine: Machine, uid: int, path: str, wanted: int) -> None:
    """OSError ENOENT or ENOTDIR if the path cannot be reached, EACCES if the user may not."""
    if uid == 0:
        machine.files.stat(path)
        return
    parts = PurePosixPath(path)
    for parent in [*reversed(parts.parents)]:
        found = machine.files.stat(str(parent))
        if not stat.S_ISDIR(found.st_mode):
            raise failure(errno.ENOTDIR)
        require(machine, uid, found.st_mode, (found.st_uid, found.st_gid), SEARCH)
    found = machine.files.stat(path)
    require(machine, uid, found.st_mode, (found.st_uid, found.st_gid), wanted)


def require(machine: Machine, uid: int, mode: int, owner: tuple[int, int], wanted: int) -> None:
    """The first class that fits decides: owner, group, others. Root may read and write all."""
    if uid == 0:
        return
    if uid == owner[0]:
        bits = mode >> 6
    elif owner[1] in groups(machine, uid):
        bits = mode >> 3
    else:
        bits = mode
    if bits & wanted != wanted:
        raise failure(errno.EACCES)
