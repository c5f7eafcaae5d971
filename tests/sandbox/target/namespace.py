# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""How bubblewrap(1) is called: once around all of a server's processes, once for each session.

The outer namespace sees the host's files, for the machine's process and sshd. It has the processes
and message queues of one server, so nothing survives its end. A session sees the server's root.
"""

from __future__ import annotations

import os
import platform
import shutil
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from .base import Base

UID = 1000
QUEUE_KEY = "7800"
SOCKET = "/usr/libexec/sandbox/socket"
RECORD = "/usr/libexec/sandbox/record"
SPEED = "/usr/libexec/sandbox/speed"
FAKEROOT = "/usr/libexec/sandbox/libfakeroot.so"
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_IDS = ("UID", "EUID", "SUID", "FUID", "GID", "EGID", "SGID", "FGID")


def outer(writable: Iterable[Path], run: Path, *, attached: bool) -> list[str]:
    """The command line in front of the machine's process; ``run`` becomes /run.

    With ``attached`` all of it dies with the thread that starts it.
    """
    words = ["bwrap", *(["--die-with-parent"] if attached else [])]
    words += ["--unshare-user", "--unshare-pid", "--unshare-ipc", "--as-pid-1"]
    words += ["--uid", str(UID), "--gid", str(UID), "--cap-add", "CAP_SYS_ADMIN"]
    words += ["--ro-bind", "/", "/", "--dev-bind", "/dev", "/dev", "--proc", "/proc"]
    for directory in writable:
        words += ["--bind", str(directory), str(directory)]
    words += ["--bind", str(run), "/run"]
    # A directory over /etc, since a mount over a file there ends when the host replaces the file.
    words += ["--ro-bind", "/etc", "/run/host-etc", "--ro-bind", str(run / "etc"), "/etc"]
    return words


def prepare_run(run: Path) -> None:
    """Makes what ``outer`` binds: the host's /etc but for what sshd shall see otherwise."""
    shutil.rmtree(run, ignore_errors=True)
    (run / "etc").mkdir(parents=True)
    (run / "host-etc").mkdir()
    own = ("passwd", "group", "nsswitch.conf")
    for name in own:
        (run / "etc" / name).touch()
    for name in os.listdir("/etc"):
        if name not in own:
            (run / "etc" / name).symlink_to(f"/run/host-etc/{name}")


def session(directory: Path, base: Base, home: str, closed: Iterable[str]) -> list[str]:
    """The command line in front of a shell in the server's root.

    ``directory`` is the server's own on the host. Files that are ``closed`` cannot be opened.
    """
    root = directory / "root"
    words = ["bwrap", "--bind", str(root), "/"]
    for name in ("bin", "sbin", "usr"):
        words += ["--ro-bind", str(base.path / name), f"/{name}"]
    for source, place in base.binds:
        words += ["--ro-bind", source, place]
    words += ["--bind", str(root / "usr/local"), "/usr/local"]
    for name in _DEVICES:
        words += ["--dev-bind", f"/dev/{name}", f"/dev/{name}"]
    for path in closed:
        words += ["--ro-bind", str(directory / "closed"), path]
    words += ["--ro-bind", "/proc", "/usr/libexec/sandbox/proc"]
    words += ["--ro-bind", "/run/machine.sock", SOCKET, "--ro-bind", "/run/speed", SPEED]
    words += ["--bind", str(directory / "record"), RECORD]
    words += ["--setenv", "LD_PRELOAD", FAKEROOT, "--chdir", home]
    return words


def identity(uid: int, gid: int) -> dict[str, str]:
    """The part of the environment that makes a process the server's account (see faked(1))."""
    ids = {f"FAKEROOT{name}": str(gid if "GID" in name else uid) for name in _IDS}
    return {"FAKEROOTKEY": QUEUE_KEY, **ids}


@dataclass(frozen=True)
class _Calls:
    """Numbers of the calls that change an owner, for one kind of machine (linux/audit.h)."""

    audit: int
    numbers: tuple[int, ...]


_CHOWN: Mapping[str, _Calls] = {
    "x86_64": _Calls(0xC000003E, (92, 93, 94, 260)),
    "aarch64": _Calls(0xC00000B7, (54, 55)),
}


def owner_filter() -> bytes:
    """A seccomp program under which chown(2) fails with EPERM, which libfakeroot expects.

    In a namespace of one user it would fail with EINVAL, which libfakeroot passes on unless an
    environment variable says otherwise; a program may have cleared its environment.
    """
    calls = _CHOWN.get(platform.machine())
    if calls is None:
        return b""
    load, jump, leave = 0x20, 0x15, 0x06
    allow, refuse = 0x7FFF0000, 0x00050001
    count = len(calls.numbers)
    program = [(load, 0, 0, 4), (jump, 0, count + 1, calls.audit), (load, 0, 0, 0)]
    program += [(jump, count - place, 0, number) for place, number in enumerate(calls.numbers)]
    program += [(leave, 0, 0, allow), (leave, 0, 0, refuse)]
    return b"".join(struct.pack("HBBI", *instruction) for instruction in program)
