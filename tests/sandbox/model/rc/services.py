# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The actions of rc.d(8) scripts on the daemons of a machine, as rc.subr(8) carries them out."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.target.call import Result

from . import rc_conf
from .daemon import Daemon, Outcome
from .rc_conf import SCRIPTS, Script

if TYPE_CHECKING:
    from sandbox.model.machine import Machine

ACTIONS = ("check", "configtest", "reload", "restart", "start", "stop")
TIMEOUT = "30"
RUNDIR = "/var/run/rc.d"
DYING = 1.0  # seconds a daemon with the fault `daemon_dies NAME later` lives on


@dataclass(frozen=True)
class Options:
    """The options before the action: -f and -q; and who calls."""

    force: bool = False
    quiet: bool = False
    uid: int = 0


class Services:
    """The daemons of a machine; `daemons` is filled by the models through `register`."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.daemons: dict[str, Daemon] = {}

    def register(self, daemon: Daemon) -> None:
        self.daemons[daemon.name] = daemon

    @property
    def running(self) -> list[str]:
        """The daemons of which nothing else is modelled."""
        names: list[str] = self.machine.subsystem("rcctl").setdefault("running", [])
        return names

    def start(self) -> None:
        """The first boot: what rc.conf(8) turns on is running."""
        for name in SCRIPTS:
            if name not in self.daemons:
                self.register(self._inert(name))
        if not self.running:
            self.running.extend(name for name, script in SCRIPTS.items() if script.on)

    def _inert(self, name: str) -> Daemon:
        ok = Outcome(ok=True)

        def start(_flags: tuple[str, ...]) -> Outcome:
            self.running.append(name)
            return ok

        def stop(_timeout: float) -> Outcome:
            self.running.remove(name)
            return ok

        return Daemon(
            name, start, stop, lambda: name in self.running,
            reload=(lambda: ok) if SCRIPTS[name].reload else None,
            configtest=(lambda: ok) if SCRIPTS[name].configtest else None,
        )  # fmt: skip

    def started(self, name: str) -> dict[str, str]:
        """What the script keeps in /var/run/rc.d of a daemon that it started, by variable."""
        path = f"{RUNDIR}/{name}"
        if not self.machine.files.exists(path):
            return {}
        lines = self.machine.files.read_text(path).splitlines()
        return dict(line.removeprefix("daemon_").split("=", 1) for line in lines)

    def note_start(self, name: str, values: dict[str, str]) -> None:
        lines = [f"daemon_{key}={value}\n" for key, value in sorted(values.items())]
        self.machine.files.write_text(f"{RUNDIR}/{name}", "".join(lines), 0o644)

    def forget_start(self, name: str) -> None:
        if self.machine.files.exists(f"{RUNDIR}/{name}"):
            self.machine.files.remove(f"{RUNDIR}/{name}")

    def variable(self, name: str, variable: str, action: str, *, force: bool = False) -> str:
        """A variable of a daemon as its script sees it: runfile, rc.conf.local, script, default."""
        if action != "start" and (kept := self.started(name)):
            return kept[variable]
        value = rc_conf.read(self.machine.files).get(f"{name}_{variable}", "")
        if variable == "flags" and value == "NO" and (force or action != "start"):
            value = ""
        return value or {"flags": SCRIPTS[name].flags, "timeout": TIMEOUT}[variable]

    def act(self, name: str, action: str, options: Options) -> Result:
        """Run /etc/rc.d/NAME ACTION."""
        return _Script(self, SCRIPTS[name], options).run(action)


class _Script:
    """One run of an rc.d script; gathers what it prints."""

    def __init__(self, services: Services, script: Script, options: Options) -> None:
        self.services, self.machine = services, services.machine
        self.script, self.name, self.options = script, script.name, options
        self.daemon = services.daemons[script.name]
        self.printed = ""

    def run(self, action: str) -> Result:
        path = f"/etc/rc.d/{self.name}"
        anybody = action == "check" and self.script.user_check
        if self.options.uid != 0 and not anybody:
            return Result(1, "", f"{path}: need root privileges\n")
        supported = {"configtest": self.script.configtest, "reload": self.script.reload}
        if not supported.get(action, True):
            return Result(1, "", f"{path}: {action} is not supported\n")
        if action == "start" and self._flags() == "NO":
            text = f"need -f to force start since {self.name}_flags=NO"
            return Result(1, "", f"{path}: {text}\n")
        rc = int(not getattr(self, f"_{action}")())
        return Result(rc, self.printed)

    def _flags(self) -> str:
        return self.services.variable(self.name, "flags", "start", force=self.options.force)

    def _print_name(self) -> None:
        self.printed += "" if self.options.quiet else self.name

    def _exit(self, word: str) -> bool:
        good = word == "ok"
        if not (self.options.quiet and good):
            self.printed += f"{self.name if self.options.quiet else ''}({word})\n"
        return good

    def _tests_well(self) -> bool:
        return self.daemon.configtest is None or self.daemon.configtest().ok

    def _check(self) -> bool:
        self._print_name()
        return self._exit("ok" if self.daemon.alive() else "failed")

    def _configtest(self) -> bool:
        self._print_name()
        return self._exit("ok" if self._tests_well() else "failed")

    def _start(self) -> bool:
        if self.daemon.alive():
            return True
        self._print_name()
        if self._tests_well() and self._begin().ok:
            value, force = self.services.variable, self.options.force
            names = ("flags", "timeout")
            values = {one: value(self.name, one, "start", force=force) for one in names}
            self.services.note_start(self.name, values)
            return self._exit("ok")
        self.services.forget_start(self.name)
        return self._exit("failed")

    def _begin(self) -> Outcome:
        fault = self._fault()
        if fault == "":
            return Outcome(ok=False)
        outcome = self.daemon.start(tuple(shlex.split(self._flags())))
        if fault and outcome.ok:
            self._die_later()
        return outcome

    def _stop(self) -> bool:
        if not self.daemon.alive():
            return True
        self._print_name()
        timeout = float(self.services.variable(self.name, "timeout", "stop"))
        outcome = self.daemon.stop(timeout)
        self.services.forget_start(self.name)
        return self._exit("ok" if outcome.ok else "failed")

    def _reload(self) -> bool:
        self._print_name()
        if not self.daemon.alive() or not self._tests_well() or self.daemon.reload is None:
            return self._exit("failed")
        if self._fault() is not None:
            # A signal is sent in any case; what the daemon makes of it the script does not see.
            self._die_later()
            return self._exit("ok")
        return self._exit("ok" if self.daemon.reload().ok else "failed")

    def _restart(self) -> bool:
        return self._exit("failed") if not self._tests_well() else self._stop() and self._start()

    def _fault(self) -> str | None:
        """The fault daemon_dies for this daemon: "" (at once), "later", or None; used up by asking.

        `daemon_dies NAME always` stays.
        """
        for arguments in self.machine.faults.arguments("daemon_dies"):
            if arguments[0] == self.name:
                if "always" not in arguments:
                    self.machine.faults.replace(("daemon_dies", *arguments), None)
                return "later" if "later" in arguments else ""
        return None

    def _die_later(self) -> None:
        def die() -> None:
            if self.daemon.alive():
                self.daemon.stop(0.0)

        self.machine.later(DYING, die)
