# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""A machine: state, files, clock, faults, and the handlers of the commands that a model brings."""

from __future__ import annotations

import random
import shlex
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from .call import NOT_MODELLED, Call, Handler, NotModelled, Reply, Result, Streams
from .clock import Clock
from .faults import Faults
from .files import Files

# Above the numbers that processes inside really have, so that kill(1) never hits one of those.
_FIRST_PID, _LAST_PID = 40000, 99999


class Machine:
    """One target. Handlers run one at a time, under ``lock``.

    A model derives its own class, with the commands it answers by their absolute paths and parts
    that may have install(), called when a target is made, start() and stop(), called after loading
    and before saving the state, and watch(), called after each command. ``state`` maps a subsystem
    to plain data that JSON can hold; it is saved when the target stops.
    """

    COMMANDS: ClassVar[Mapping[str, Handler]] = {}
    FAULTS: ClassVar[Mapping[str, str]] = {}
    DEFAULT_FAULTS: ClassVar[tuple[tuple[str, ...], ...]] = ()

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
        self.hostname: str = self.subsystem("system").get("hostname", hostname)
        self.faults = Faults(self.FAULTS, self.state.get("faults", self.DEFAULT_FAULTS))
        self.on_cut: Callable[[int], None] = lambda session: None
        self._random = random.Random()
        self._timers: set[threading.Timer] = set()
        self.parts: list[Any] = []

    def install(self) -> None:
        """Lets the parts put their files into a root that has just been made."""
        self._each("install")

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
        """A process id that no other process of the model has had in this run."""
        used = self.subsystem("pids").setdefault("used", [])
        while (fresh := self._random.randint(_FIRST_PID, _LAST_PID)) in used:
            continue
        used.append(fresh)
        return fresh

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
                self.on_cut(call.session)
            for command, *rest in self.faults.arguments("fail"):
                if command == name:
                    rc, text = (rest + ["1", ""])[0], " ".join(rest[1:])
                    return Result(int(rc), "", f"{text}\n" if text else "")
            handler = self.COMMANDS.get(call.path) or self._by_name(name)
            if handler is None:
                return Result(127, "", f"ksh: {name}: not found\n")
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

    def run(
        self, command: str, *, uid: int = 0, user: str = "root", cwd: str = "/", stdin: bytes = b""
    ) -> Result:
        """Runs one command in this process, for tests of models: no shell, words only."""
        streams = Streams(stdin)
        argv = tuple(shlex.split(command))
        call = Call(argv, argv[0], cwd, uid, uid, user, streams=streams)
        reply = self.handle(call)
        if not isinstance(reply, Result):
            raise TypeError(f"{command}: runs another program: {reply}")
        stdout, stderr = "".join(streams.stdout), "".join(streams.stderr)
        return Result(reply.rc, stdout + reply.stdout, stderr + reply.stderr)

    def _by_name(self, name: str) -> Handler | None:
        paths = [path for path in self.COMMANDS if PurePosixPath(path).name == name]
        # A script in /etc has its daemon's name, and is no command to be found by name.
        paths = [path for path in paths if not path.startswith("/etc/rc.d/")]
        return self.COMMANDS[paths[0]] if paths else None
