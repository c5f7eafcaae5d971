# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The modelled machine: state, files, clock and faults, and the models that hang off it."""

from __future__ import annotations

import random
import shlex
import threading
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from . import models
from .call import Call, Reply, Result, Streams
from .clock import Clock
from .faults import DEFAULT, Faults
from .files import Files

if TYPE_CHECKING:
    from .model.accounts import Accounts
    from .model.dhcpd import Dhcpd
    from .model.guest import Guests
    from .model.httpd import Httpd
    from .model.network import Network
    from .model.pfctl import Pf
    from .model.ping import Wire
    from .model.processes import Processes
    from .model.rcctl import Services
    from .model.sensorsd import Sensorsd
    from .model.sshd import Sshd
    from .model.sysctl import Sysctl
    from .model.ttys import Ttys
    from .model.vmd import Vmd

# Above the numbers that processes inside really have, so that kill(1) never hits one of those.
_FIRST_PID, _LAST_PID = 40000, 99999


class Machine:
    """One server. Handlers run one at a time, under ``lock``.

    ``state`` maps a subsystem to plain data that JSON can hold; it is saved when the server stops.
    """

    accounts: Accounts
    processes: Processes
    network: Network
    services: Services
    sysctl: Sysctl
    pf: Pf
    vmd: Vmd
    guests: Guests
    dhcpd: Dhcpd
    httpd: Httpd
    sensorsd: Sensorsd
    sshd: Sshd
    ttys: Ttys
    wire: Wire

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
        self.faults = Faults(self.state.get("faults", DEFAULT))
        self.on_cut: Callable[[int], None] = lambda session: None
        self._random = random.Random()
        self._timers: set[threading.Timer] = set()
        self._parts: list[Any] = []
        modules = models.load()
        self.commands = models.commands(modules)
        for name, (attribute, kind) in models.PARTS.items():
            part = getattr(modules[name], kind)(self)
            setattr(self, attribute, part)
            self._parts.append(part)

    @property
    def short_name(self) -> str:
        return self.hostname.split(".", 1)[0]

    def install(self) -> None:
        """Lets the models put their files into a server that has just been made."""
        with self.lock:
            for part in self._parts:
                getattr(part, "install", _nothing)()

    def start(self) -> None:
        """Brings the models to life: called once, with the state loaded and the files there."""
        with self.lock:
            for part in self._parts:
                getattr(part, "start", _nothing)()

    def stop(self) -> None:
        """Lets the models put all they know into ``state`` and ends every timer."""
        with self.lock:
            for part in reversed(self._parts):
                getattr(part, "stop", _nothing)()
            for timer in self._timers:
                timer.cancel()
            self.state["faults"] = self.faults.dump()

    def subsystem(self, name: str) -> dict[str, Any]:
        """The saved data of one subsystem, to be read and changed in place."""
        found: dict[str, Any] = self.state.setdefault(name, {})
        return found

    def pid(self) -> int:
        """A process id that no other process of the model has had in this run."""
        used = self.subsystem("pids").setdefault("used", [])
        while (fresh := self._random.randint(_FIRST_PID, _LAST_PID)) in used:
            continue
        used.append(fresh)
        return fresh

    def log(self, tag: str, text: str, pid: int | None = None, file: str = "daemon") -> None:
        """Appends to /var/log/FILE what syslogd(8) would."""
        now = self.clock.now()
        stamp = f"{now:%b} {now.day:2d} {now:%H:%M:%S}"
        process = "" if pid is None else f"[{pid}]"
        self.files.append_text(
            f"/var/log/{file}", f"{stamp} {self.short_name} {tag}{process}: {text}\n"
        )

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
        """Runs a modelled command's handler, with the faults that concern every command."""
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
            handler = self.commands.get(call.path) or self._by_name(name)
            if handler is None:
                return Result(127, "", f"ksh: {name}: not found\n")
            reply = handler(self, call)
            for part in self._parts:
                getattr(part, "watch", _nothing)()
            return reply

    def run(
        self, command: str, *, uid: int = 0, user: str = "root", cwd: str = "/", stdin: bytes = b""
    ) -> Result:
        """Runs one modelled command in this process, for tests of models: no shell, words only."""
        streams = Streams(stdin)
        argv = tuple(shlex.split(command))
        call = Call(argv, argv[0], cwd, uid, uid, user, streams=streams)
        reply = self.handle(call)
        if not isinstance(reply, Result):
            raise TypeError(f"{command}: runs another program: {reply}")
        return Result(
            reply.rc, "".join(streams.stdout) + reply.stdout, "".join(streams.stderr) + reply.stderr
        )

    def _by_name(self, name: str) -> Any:
        paths = [path for path in self.commands if PurePosixPath(path).name == name]
        # A script in /etc/rc.d has its daemon's name, and is no command to be found by name.
        paths = [path for path in paths if not path.startswith("/etc/rc.d/")]
        return self.commands[paths[0]] if paths else None


def _nothing() -> None:
    return None
