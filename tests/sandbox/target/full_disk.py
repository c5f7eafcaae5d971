# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The fault `disk_full`: a file system of just the right size is mounted over a directory.

Every program sees it, perl inside too: what goes beyond the size fails with ENOSPC, at write or at
close as on a real disk, while a rename, a removal or a read still works.
"""

from __future__ import annotations

import ctypes
import os
import re
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

from .machine import Machine

_NOSUID_NODEV, _DETACH = 2 | 4, 2
_PAGE = 4096
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20}


class FullDisks:
    """Mounts and unmounts as the fault is switched; needs the right to mount in its namespace."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._fillers: dict[str, int] = {}
        self._libc = ctypes.CDLL(None, use_errno=True)
        machine.faults.watch(self._switch)

    def start(self) -> None:
        """Mounts what was on when the server stopped."""
        for directory, *free in self._machine.faults.arguments("disk_full"):
            self._fill(directory, *free)

    def stop(self) -> None:
        """Unmounts all, with everything kept that was written."""
        for directory in list(self._fillers):
            self._empty(directory)

    def _switch(self, name: str, arguments: tuple[str, ...], on: bool) -> None:
        if name != "disk_full":
            return
        if on:
            self._fill(*arguments)
        else:
            self._empty(arguments[0])

    def _fill(self, directory: str, free: str = "0") -> None:
        match = re.fullmatch(r"(\d+)([KM]?)", free)
        if match is None:
            raise ValueError(f"{free!r} is not a size; use a number with K or M, such as 64K")
        if not self._machine.files.is_dir(directory) or directory in self._fillers:
            raise ValueError(f"{directory} is not a directory of the server, or is already full")
        place = self._machine.files.resolve(directory)
        below = os.open(place, os.O_PATH | os.O_DIRECTORY)
        source = Path(f"/proc/self/fd/{below}")
        pages = sum(-(-path.stat().st_blocks * 512 // _PAGE) for path in _plain_files(source))
        pages += -(-int(match[1]) * _UNITS[match[2]] // _PAGE)
        # One page more, which a file without a name takes: a file system has one at least.
        self._call(
            "mount",
            b"tmpfs",
            bytes(place),
            b"tmpfs",
            _NOSUID_NODEV,
            b"size=%d" % (_PAGE * (pages + 1)),
        )
        try:
            filler = os.open(place, os.O_TMPFILE | os.O_RDWR)
            os.write(filler, bytes(_PAGE))
            _copy(source, place)
        finally:
            os.close(below)
        self._fillers[directory] = filler

    def _empty(self, directory: str) -> None:
        os.close(self._fillers.pop(directory))
        place = self._machine.files.resolve(directory)
        full = os.open(place, os.O_PATH | os.O_DIRECTORY)
        self._call("umount2", bytes(place), _DETACH)
        for name in self._machine.files.listdir(directory):
            self._machine.files.remove(f"{directory.rstrip('/')}/{name}")
        _copy(Path(f"/proc/self/fd/{full}"), place)
        os.close(full)

    def _call(self, name: str, *arguments: bytes | int) -> None:
        if getattr(self._libc, name)(*arguments) != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"{name}: {os.strerror(number)}")


def _plain_files(directory: Path) -> Iterator[Path]:
    for above, _, names in os.walk(f"{directory}/."):
        for name in names:
            path = Path(above, name)
            if stat.S_ISREG(path.lstat().st_mode):
                yield path


def _copy(source: Path, target: Path) -> None:
    """Copies what is in a directory, with owners, modes and times; holes stay holes."""
    # Our own environment has the library that knows the owners.
    subprocess.run(
        ["cp", "-a", f"{source}/.", str(target)], check=True, pass_fds=_descriptor(source)
    )


def _descriptor(source: Path) -> tuple[int, ...]:
    return (int(source.name),)
