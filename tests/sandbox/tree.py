# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The root of a server that has just been installed."""

from __future__ import annotations

from .files import Files


def plant(files: Files) -> None:
    for name in ("bin", "sbin", "usr", "usr/local", "etc", "dev", "tmp", "var", "root", "root/.ssh", "home", "var/log"):
        files.mkdir("/" + name)
    files.symlink("usr/lib64", "/lib64")
    files.write_text("/etc/passwd", "root:*:0:0:Charlie &:/root:/bin/ksh\npuffy:*:1001:1001::/home/puffy:/bin/ksh\n")
    files.write_text("/etc/group", "wheel:*:0:root\npuffy:*:1001:\n")
    files.mknod("/dev/tap0",0o600,93,0)
    files.write_text("/etc/x", "", owner=(107,107))
