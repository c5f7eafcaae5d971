# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The files of a checkout: those that git tracks or would track."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path


def listed(root: Path, *patterns: str) -> list[str]:
    """Their paths, without those that are deleted and not yet committed."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=root,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return [
        name for name in sorted(filter(None, listing.split("\0"))) if os.path.lexists(root / name)
    ]


def copy_files(root: Path, copy: Path) -> None:
    """Copy them; links stay links."""
    for name in listed(root):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / name, copy / name, follow_symlinks=False)
