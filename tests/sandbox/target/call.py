# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""One execution of a modelled command: what the caller gave, and what it gets back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    rc: int = 0
    stdout: str = ""
    stderr: str = ""


@dataclass(frozen=True)
class Exec:
    """Another program that takes the caller's place, as su(1) does it.

    The environment is the whole of the new one; ``argv0`` is what the program sees as its name.
    """

    argv: tuple[str, ...]
    user: str
    environment: Mapping[str, str] = field(default_factory=dict)
    argv0: str = ""
    cwd: str = ""


Reply = Result | Exec


class NotModelled(Exception):
    """A command line, a file or a packet that the model does not know; the text says which."""


# The first argument is the model's machine.
Handler = Callable[[Any, "Call"], Reply]
# The exit status of what no model answers, which no test may take for a pass.
NOT_MODELLED = 99


class Streams:
    """The caller's standard streams; this one has only bytes that are known beforehand."""

    def __init__(self) -> None:
        self.input = b""
        self.complete = True
        self.stdout: list[str] = []
        self.stderr: list[str] = []

    def ask(self) -> None:
        """Asks for standard input, which is in ``input`` once it is ``complete``."""

    def write(self, stdout: str, stderr: str) -> None:
        self.stdout.append(stdout)
        self.stderr.append(stderr)


@dataclass
class Call:
    """A call of a modelled command.

    The machine's lock is held while a handler runs; ``stdin`` and ``sleep`` let go of it.
    """

    argv: tuple[str, ...]
    path: str = ""
    cwd: str = "/"
    uid: int = 0
    gid: int = 0
    user: str = "root"
    environment: Mapping[str, str] = field(default_factory=dict)
    streams: Streams = field(default_factory=Streams)
    cancelled: threading.Event = field(default_factory=threading.Event)
    wakeup: threading.Condition = field(default_factory=threading.Condition)
    pid: int = 0

    @property
    def stdin(self) -> bytes:
        """All of standard input; it is read on first use only, so the caller may keep it.

        The machine's lock is released meanwhile: what writes it may be a modelled command.
        """
        self.streams.ask()
        with self.wakeup:
            self.wakeup.wait_for(lambda: self.streams.complete)
        return self.streams.input

    def write(self, stdout: str = "", stderr: str = "") -> None:
        """Sends output at once, before the handler's result."""
        self.streams.write(stdout, stderr)

    def absolute(self, path: str) -> str:
        """The path as seen from the caller's working directory."""
        return str(PurePosixPath(self.cwd) / path)

    def sleep(self, seconds: float) -> bool:
        """Waits with the machine's lock released; False if the caller gave up meanwhile."""
        with self.wakeup:
            return not self.wakeup.wait_for(self.cancelled.is_set, seconds)

    def cancel(self) -> None:
        """The caller is gone."""
        self.cancelled.set()
        with self.wakeup:
            self.wakeup.notify_all()
