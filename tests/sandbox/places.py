# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Where programs are."""

from __future__ import annotations

import os
import stat
from pathlib import PurePosixPath

from .files import Files

LOGIN_PATH = "/usr/bin:/bin:/usr/sbin:/sbin:/usr/X11R6/bin:/usr/local/bin:/usr/local/sbin"


def program(files: Files, name: str, search: str, cwd: str) -> str | None:
    """The path that execvp(3) would run for a name, None if there is none."""
    if "/" in name:
        candidates = [str(PurePosixPath(cwd) / name)]
    else:
        candidates = [f"{directory}/{name}" for directory in search.split(":") if directory]
    for path in candidates:
        host = files.resolve(path)
        if (
            os.path.exists(host)
            and stat.S_ISREG(host.stat().st_mode)
            and host.stat().st_mode & 0o111
        ):
            return path
    return None
