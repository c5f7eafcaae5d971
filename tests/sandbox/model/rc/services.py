# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The actions of rc.d(8) scripts on the daemons of a machine, as rc.subr(8) carries them out."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from sandbox.target.call import Result

from . import rc_conf
from .daemon import Daemon, Outcome
from .rc_conf import SCRIPTS, Script

if TYPE_CHECKING:
    from sandbox.model.machine import Machine

ACTIONS = ("check", "reload", "restart", "start", "stop")
TIMEOUT = "30"
RUNDIR = "/var/run/rc.d"
DYING = 1.0  # seconds a daemon with the fault `daemon_dies NAME later` lives on


class Services:
    """The daemons of a machine by their names; each puts itself here."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.daemons: dict[str, Daemon] = {}

    def start(self) -> None:
        """At the first boot, services that rc.conf(8) turns on are running."""
        others = [Daemon(self.machine, name) for name in SCRIPTS if name not in self.daemons]
        state = self.machine.subsystem("rcctl")
        for script in others:
            if "booted" not in state and SCRIPTS[script.name].on:
                script.launch(())
        state["booted"] = True

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

    def variable(self, name: str, variable: str, action: str) -> str:
        """A variable of a daemon as its script sees it: runfile, rc.conf.local, script, default."""
        if action != "start" and (kept := self.started(name)):
            return kept[variable]
        value = rc_conf.read(self.machine.files).get(f"{name}_{variable}", "")
        if variable == "flags" and value == "NO" and action != "start":
            value = ""
        return value or {"flags": SCRIPTS[name].flags, "timeout": TIMEOUT}[variable]

    def act(self, name: str, action: str, uid: int) -> Result:
        """Run /etc/rc.d/NAME ACTION."""
        return _Script(self, SCRIPTS[name], uid).run(action)


class _Script:
    """One run of an rc.d script; gathers what it prints."""

    def __init__(self, services: Services, script: Script, uid: int) -> None:
        self.services, self.machine = services, services.machine
        self.script, self.name, self.uid = script, script.name, uid
        self.daemon = services.daemons[script.name]
        self.printed = ""

    def run(self, action: str) -> Result:
        path = f"/etc/rc.d/{self.name}"
        anybody = action == "check" and self.script.user_check
        if self.uid != 0 and not anybody:
            return Result(1, "", f"{path}: need root privileges\n")
        if action == "reload" and not self.script.reload:
            return Result(1, "", f"{path}: {action} is not supported\n")
        if action == "start" and self._flags() == "NO":
            text = f"need -f to force start since {self.name}_flags=NO"
            return Result(1, "", f"{path}: {text}\n")
        rc = int(not getattr(self, f"_{action}")())
        return Result(rc, self.printed)

    def _flags(self) -> str:
        return self.services.variable(self.name, "flags", "start")

    def _exit(self, word: str) -> bool:
        self.printed += f"{self.name}({word})\n"
        return word == "ok"

    def _check(self) -> bool:
        return self._exit("ok" if self.daemon.alive else "failed")

    def _start(self) -> bool:
        if self.daemon.alive:
            return True
        if self.daemon.test().ok and self._begin().ok:
            names = ("flags", "timeout")
            values = {name: self.services.variable(self.name, name, "start") for name in names}
            self.services.note_start(self.name, values)
            return self._exit("ok")
        self.services.forget_start(self.name)
        return self._exit("failed")

    def _begin(self) -> Outcome:
        fault = self._fault()
        if fault == "":
            return Outcome(ok=False)
        outcome = self.daemon.launch(tuple(shlex.split(self._flags())))
        if fault and outcome.ok:
            self._die_later()
        return outcome

    def _stop(self) -> bool:
        if not self.daemon.alive:
            return True
        timeout = float(self.services.variable(self.name, "timeout", "stop"))
        outcome = self.daemon.end(timeout)
        self.services.forget_start(self.name)
        return self._exit("ok" if outcome.ok else "failed")

    def _reload(self) -> bool:
        if not self.daemon.alive or not self.daemon.test().ok:
            return self._exit("failed")
        if self._fault() is not None:
            # A signal is sent in any case; what the daemon makes of it the script does not see.
            self._die_later()
            return self._exit("ok")
        return self._exit("ok" if self.daemon.reload().ok else "failed")

    def _restart(self) -> bool:
        return self._exit("failed") if not self.daemon.test().ok else self._stop() and self._start()

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
            if self.daemon.alive:
                self.daemon.end()

        self.machine.later(DYING, die)
