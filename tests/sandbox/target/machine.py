# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""A machine: state, files, clock, faults, and the handlers of the commands that a model brings."""

from __future__ import annotations

import os
import shlex
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from .call import NOT_MODELLED, Call, Handler, NotModelled, Reply, Result
from .faults import Faults
from .files import Files

# Above the numbers that processes inside really have, so that kill(1) never hits one of those.
_FIRST_PID = 40000


@dataclass(frozen=True)
class Clock:
    """``speed`` divides every modelled wait: 10 makes an install of 60 seconds take 6."""

    speed: float = float(os.environ.get("SANDBOX_SPEED", "1"))

    def now(self) -> datetime:
        """The time of day, in UTC, as the server's own zone is UTC."""
        return datetime.now(UTC)

    def real(self, seconds: float) -> float:
        """Real seconds that a modelled wait takes."""
        return seconds / self.speed


class Machine:
    """One target. Handlers run one at a time, under ``lock``.

    A model derives its own class, with the commands it answers by their absolute paths and parts
    that may have start() and stop(), called after loading and before saving the state, and watch(),
    called after each command. ``state`` maps a subsystem to plain data that JSON can hold; it is
    saved when the target stops.
    """

    COMMANDS: ClassVar[Mapping[str, Handler]] = {}
    FAULTS: ClassVar[Mapping[str, str]] = {}

    def __init__(
        self,
        root: Path,
        hostname: str = "server1.example.org",
        state: dict[str, Any] | None = None,
        clock: Clock | None = None,
        system: Path | None = None,
    ) -> None:
        self.root = root
        self.files = Files(root, system)
        self.clock = clock or Clock()
        self.lock = threading.RLock()
        self.wakeup = threading.Condition(self.lock)
        self.state: dict[str, Any] = {} if state is None else state
        self.hostname = hostname
        self.faults = Faults(self.FAULTS, self.state.get("faults", ()))
        self.on_cut: Callable[[int], None] = lambda pid: None
        self.on_end: Callable[[], None] = lambda: None
        self._timers: set[threading.Timer] = set()
        self.parts: list[Any] = []

    def start(self) -> None:
        """Brings the parts to life: called once, with the state loaded and the files there."""
        self._each("start")

    def stop(self) -> None:
        """Lets the parts put all they know into ``state`` and ends every timer."""
        with self.lock:
            self._each("stop", backwards=True)
            for timer in self._timers:
                timer.cancel()
            self.state["faults"] = self.faults.dump()

    def _each(self, name: str, *, backwards: bool = False) -> None:
        with self.lock:
            for part in reversed(self.parts) if backwards else self.parts:
                getattr(part, name, lambda: None)()

    def subsystem(self, name: str) -> dict[str, Any]:
        """The saved data of one subsystem, to be read and changed in place."""
        data: dict[str, Any] = self.state.setdefault(name, {})
        return data

    def sshd_blocks(self) -> str:
        """What comes at the end of sshd_config(5), which is read for each connection."""
        return ""

    def closed_to(self, account: str) -> list[str]:
        """Files that the programs of an account cannot open, whatever bits they have here."""
        return []

    def pid(self) -> int:
        """A process id that no other process of the model has had."""
        state = self.subsystem("pids")
        state["last"] = state.get("last", _FIRST_PID) + 1
        return int(state["last"])

    def later(self, seconds: float, action: Callable[[], None]) -> threading.Timer:
        """Does something after a modelled wait, with the lock held; the timer can be cancelled."""

        def run() -> None:
            with self.lock:
                self._timers.discard(timer)
                if not timer.finished.is_set():
                    action()

        timer = threading.Timer(self.clock.real(seconds), run)
        timer.daemon = True
        self._timers.add(timer)
        timer.start()
        return timer

    def handle(self, call: Call) -> Reply:
        """Runs a command's handler, with the faults that concern every command."""
        name = PurePosixPath(call.path or call.argv[0]).name
        with self.lock:
            call.wakeup = self.wakeup
            for command, seconds in self.faults.arguments("slow"):
                if command == name and not call.sleep(float(seconds)):
                    return Result(143)
            if self.faults.active("cut_at", name):
                self.faults.replace(("cut_at", name), None)
                self.on_cut(call.pid)
            for command, *rest in self.faults.arguments("fail"):
                if command == name:
                    rc, text = (rest + ["1", ""])[0], " ".join(rest[1:])
                    return Result(int(rc), "", f"{text}\n" if text else "")
            handler = self.COMMANDS.get(call.path) or self._by_name(name)
            if handler is None:
                return Result(127, "", f"sh: {name}: not found\n")
            try:
                reply = handler(self, call)
            except NotModelled as problem:
                reply = self.not_modelled(f"{name}: {problem}")
            self._each("watch")
            return reply

    def not_modelled(self, text: str) -> Result:
        """Answers what no model knows, and notes it: who runs the test looks whether it was met."""
        self.subsystem("unmodelled").setdefault("met", []).append(text)
        print(f"not modelled: {text}", file=sys.stderr)
        return Result(NOT_MODELLED, "", f"not modelled: {text}\n")

    def run(self, command: str, patience: float = 10) -> Result:
        """Runs one command in this process as root, for tests of models: no shell, words only.

        The caller gives up after real seconds, with the status of timeout(1).
        """
        argv = tuple(shlex.split(command))
        call = Call(argv, argv[0])
        timer = threading.Timer(patience, call.cancel)
        timer.start()
        reply = self.handle(call)
        timer.cancel()
        if not isinstance(reply, Result):
            raise TypeError(f"{command}: runs another program: {reply}")
        rc = 124 if call.cancelled.is_set() else reply.rc
        stdout, stderr = "".join(call.streams.stdout), "".join(call.streams.stderr)
        return Result(rc, stdout + reply.stdout, stderr + reply.stderr)

    def _by_name(self, name: str) -> Handler | None:
        paths = [path for path in self.COMMANDS if PurePosixPath(path).name == name]
        return self.COMMANDS[paths[0]] if paths else None
