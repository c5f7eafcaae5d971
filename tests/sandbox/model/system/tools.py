# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The programs of OpenBSD's base that need no model of the machine, and perl's own modules."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

_INSIDE = Path(__file__).parent / "inside"
_TOOL = _INSIDE / "tool.pl"
_BIN = frozenset(
    "[ cat chgrp chmod cp date echo expr kill ln ls mkdir mv pwd rm rmdir sleep tar test".split()
)
_SBIN = frozenset("chown mknod nologin".split())
# Programs of the host as they are: no options, or their own syntax, or the same software.
_PLAIN = (
    "[", "awk", "basename", "dirname", "echo", "expr", "false", "kill", "nohup", "printf", "pwd",
    "date", "ssh", "ssh-keygen", "test", "true",
)  # fmt: skip
_WRAPPED = tuple(re.findall(r"(\w+) => '", _TOOL.read_text().split("%LETTERS")[1].split(");")[0]))
PROGRAMS = tuple(sorted({*_PLAIN, *_WRAPPED} - {"egrep", "fgrep"}))
_NOLOGIN = "#!/bin/sh\necho This account is currently not available.\nexit 1\n"


def furnish(base: Path) -> None:
    """Puts every tool into its place below ``base``, and the modules that come with OpenBSD."""
    shutil.copytree(_INSIDE / "perl5", base / "usr/libdata/perl5", dirs_exist_ok=True)
    for name in _WRAPPED:
        _write(base, name, _TOOL.read_text())
    for name in ("ftp", "stat"):
        _write(base, name, (_INSIDE / f"{name}.pl").read_text())
    _write(base, "nologin", _NOLOGIN)
    for name in _PLAIN:
        _place(base, name).symlink_to(f"/usr/libexec/sandbox/host/{name}")


def _write(base: Path, name: str, text: str) -> None:
    place = _place(base, name)
    place.write_text(text)
    place.chmod(0o755)


def _place(base: Path, name: str) -> Path:
    directory = "bin" if name in _BIN else "sbin" if name in _SBIN else "usr/bin"
    return base / directory / name
