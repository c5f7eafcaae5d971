# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The terminals of guests: a FIFO stands for the slave of a pty(4) that vmd(8) has the master of.

A guest's output reaches those who have its terminal open, but nobody later. The first open turns
echo on (sys/kern/tty_pty.c, ptsopen), and what a guest prints comes back to it as if it was typed
until somebody sets raw mode: seen on 7.8, where cu(1) slept in tcsetattr(TCSAFLUSH) for a whole
installation. The last close forgets raw mode. Two that read at once both get everything here.
"""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
from typing import TYPE_CHECKING

from sandbox.target.call import NotModelled, Result

if TYPE_CHECKING:
    from sandbox.model.machine import Machine
    from sandbox.target.call import Call

# What the stub of stty adds to its environment: the path of its standard input.
STDIN = "SANDBOX_STDIN"
_MAJOR = 5


class Ttys:
    """By the path of a terminal, the write ends of its FIFO, and whether it is in raw mode."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self._writers: dict[str, int] = {}
        self._raw: set[str] = set()
        self._lock = threading.Lock()

    def open(self, path: str, number: int = 0) -> None:
        """A guest starts, and has this terminal until close()."""
        files = self.machine.files
        with self._lock:
            if path in self._writers:
                return
            host = files.resolve(path, follow=False)
            fresh = not host.exists()
            if fresh:
                os.mkfifo(host)
            reader = os.open(host, os.O_RDONLY | os.O_NONBLOCK)
            if fresh:
                files.mknod(path, 0o600, _MAJOR, number)
            self._writers[path] = os.open(host, os.O_WRONLY | os.O_NONBLOCK)
            os.close(reader)

    def close(self, path: str) -> None:
        with self._lock:
            writer = self._writers.pop(path, None)
            self._raw.discard(path)
            if writer is not None:
                os.close(writer)

    def write(self, path: str, text: str) -> str:
        """What a guest prints; returns what comes back to it."""
        self.open(path)
        with self._lock:
            writer = self._writers[path]
            poll = select.poll()
            poll.register(writer, 0)
            if poll.poll(0) or self.machine.faults.active("deaf_tty"):
                self._raw.discard(path)
                return ""
            with contextlib.suppress(BlockingIOError, BrokenPipeError):
                os.write(writer, text.encode())
            return "" if path in self._raw else text

    def set_raw(self, path: str) -> bool:
        """False if it is not a guest's terminal."""
        with self._lock:
            if path in self._writers:
                self._raw.add(path)
            return path in self._writers

    def wait_for_reader(self, path: str, seconds: float) -> None:
        """Until somebody has set raw mode: a real kernel boots for long enough."""
        end = time.monotonic() + seconds
        while path not in self._raw and time.monotonic() < end:
            time.sleep(0.02)

    def stop(self) -> None:
        for path in list(self._writers):
            self.close(path)


def stty(machine: Machine, call: Call) -> Result:
    """Raw mode on the terminal that is its standard input."""
    if call.argv[1:] != ("raw", "-echo"):
        raise NotModelled(" ".join(call.argv[1:]))
    if not machine.ttys.set_raw(call.environment.get(STDIN, "")):
        return Result(1, "", "stty: not a terminal\n")
    return Result()
