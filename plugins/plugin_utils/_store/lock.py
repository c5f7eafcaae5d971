# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""One writer at a time, among the runs that share a directory."""

from __future__ import annotations

import fcntl
import os
import pwd
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError

_PAUSE = 0.1  # seconds between two attempts
_HOLDER_LENGTH = 200


class LockHeld(OperatorError):
    """Somebody else kept the lock for longer than this run was willing to wait."""


@contextmanager
def exclusive_lock(path: Path, patience: float) -> Iterator[None]:
    """Hold an flock(2) on the file path, which is created when missing and never removed.

    The system releases the lock of a process that died, so no lock is ever stale. While it is
    held, the file names the holder. Nobody else can open it, and so keep it locked. Waits up to
    patience seconds, then raises LockHeld; raises OSError when the file cannot be created.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    try:
        if not wait_for(descriptor, patience):
            holder = os.pread(descriptor, _HOLDER_LENGTH, 0).decode("ascii", "replace")
            who = "".join(filter(str.isprintable, holder)) or "another run"
            raise LockHeld(
                f"{path}: held by {who}; waited {patience:g} seconds. Wait until that run has "
                f"finished, or stop it, and try again"
            )
        _note(descriptor, _holder())
        try:
            yield
        finally:
            _note(descriptor, "")
    finally:
        os.close(descriptor)


def wait_for(descriptor: int, patience: float) -> bool:
    """Lock an open file or directory for this process; return whether that was possible in time."""
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_PAUSE)
        else:
            return True


def _note(descriptor: int, text: str) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, text.encode("ascii", "replace"), 0)


def _holder() -> str:
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        user = f"uid {os.getuid()}"
    since = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return f"process {os.getpid()} of {user} on {socket.gethostname()} since {since}"
