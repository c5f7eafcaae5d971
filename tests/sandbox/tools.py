# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The programs of OpenBSD's base that run inside a server and need no model of the machine."""

from __future__ import annotations

from pathlib import Path

HOST_PROGRAMS = ("ls", "id", "chown", "stat", "cat")


def install(base: Path) -> None:
    """Puts every tool into its place below ``base``."""
    for name in HOST_PROGRAMS:
        (base / "bin" / name).symlink_to(f"/usr/libexec/sandbox/host/{name}")
