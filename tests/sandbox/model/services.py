# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The actions of rc.d(8) scripts on the daemons of a machine, as rc.subr(8) carries them out."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.call import Result
from sandbox.model import rc_conf
from sandbox.model.background import ENDING
from sandbox.model.daemon import Daemon, Outcome
from sandbox.model.rc_scripts import SCRIPTS, Script

if TYPE_CHECKING:
    from sandbox.machine import Machine
    from sandbox.model.processes import Process

ACTIONS = ("check", "configtest", "reload", "restart", "start", "stop")
TIMEOUT = "30"
RUNDIR = "/var/run/rc.d"
DYING = 1.0  # seconds a daemon with the fault `daemon_dies NAME later` lives on


@dataclass(frozen=True)
class Options:
    """The options before the action: -d, -f and -q; and who calls."""

    debug: bool = False
    force: bool = False
    quiet: bool = False
    uid: int = 0


def _inert(services: Services, name: str) -> Daemon:
    """A daemon of which only is modelled whether it runs."""

    def start(machine: Machine, flags: tuple[str, ...]) -> Outcome:
        services.begin(name, flags)
        return Outcome(ok=True)

    def stop(machine: Machine, timeout: float) -> Outcome:
        services.machine.processes.remove(services.running.pop(name, 0))
        return Outcome(ok=True)

    def ok(machine: Machine, flags: tuple[str, ...] = ()) -> Outcome:
        return Outcome(ok=True)

    return Daemon(
        name=name,
        start=start,
        stop=stop,
        alive=lambda machine: name in services.running,
        reload=ok if SCRIPTS[name].reload else None,
        configtest=ok if SCRIPTS[name].configtest else None,
    )


class Services:
    """The daemons of a machine; `daemons` is filled by the models through `register`."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.daemons: dict[str, Daemon] = {}
        machine.processes.on_signal(self._signalled)

    def register(self, daemon: Daemon) -> None:
        self.daemons[daemon.name] = daemon

    def daemon(self, name: str) -> Daemon:
        """The model of a daemon; KeyError if there is no such script."""
        if name not in self.daemons:
            self.daemons[name] = _inert(self, SCRIPTS[name].name)
        return self.daemons[name]

    @property
    def running(self) -> dict[str, int]:
        """Process ids of the daemons of which nothing else is modelled."""
        found: dict[str, int] = self.machine.subsystem("rcctl").setdefault("running", {})
        return found

    def started(self, name: str) -> dict[str, str]:
        """What the script keeps in /var/run/rc.d of a daemon that it started, by variable."""
        path = f"{RUNDIR}/{name}"
        if not self.machine.files.exists(path):
            return {}
        lines = self.machine.files.read_text(path).splitlines()
        pairs = (line.partition("=")[::2] for line in lines)
        return {key.removeprefix("daemon_"): value for key, value in pairs}

    def note_start(self, name: str, values: dict[str, str]) -> None:
        """Keep how a daemon was started."""
        if not self.machine.files.is_dir(RUNDIR):
            self.machine.files.mkdir(RUNDIR, parents=True)
        lines = [f"daemon_{key}={value}\n" for key, value in sorted(values.items())]
        self.machine.files.write_text(f"{RUNDIR}/{name}", "".join(lines), 0o644)

    def forget_start(self, name: str) -> None:
        if self.machine.files.exists(f"{RUNDIR}/{name}"):
            self.machine.files.remove(f"{RUNDIR}/{name}")

    def start(self) -> None:
        """The first boot: what rc.conf(8) turns on is running."""
        if "running" in self.machine.subsystem("rcctl"):
            return
        values = rc_conf.read(self.machine.files)
        for name, script in SCRIPTS.items():
            enabled = script.base and values.get(f"{name}_flags", "NO") != "NO"
            if enabled and name not in self.daemons:
                self.begin(name, tuple(shlex.split(self.variable(name, "flags", "start"))))

    def begin(self, name: str, flags: tuple[str, ...]) -> None:
        """Let a daemon run of which nothing else is modelled."""
        command = SCRIPTS[name].process or " ".join((f"/usr/sbin/{name}", *flags))
        self.running[name] = self.machine.processes.add("root", command)

    def _signalled(self, process: Process, signal: str) -> None:
        names = [name for name, pid in self.running.items() if pid == process.pid]
        if names and signal in ENDING:
            del self.running[names[0]]

    def alive(self, name: str) -> bool:
        return self.daemon(name).alive(self.machine)

    def variable(self, name: str, variable: str, action: str, *, force: bool = False) -> str:
        """A variable of a daemon as its script sees it: runfile, rc.conf.local, script, default."""
        if action != "start" and (kept := self.started(name)):
            return kept[variable]
        value = rc_conf.read(self.machine.files).get(f"{name}_{variable}", "")
        if variable == "flags" and value == "NO" and (force or action != "start"):
            value = ""
        defaults = {"flags": SCRIPTS[name].flags, "timeout": TIMEOUT}
        return value or defaults[variable]

    def act(self, name: str, action: str, options: Options | None = None) -> Result:
        """Run /etc/rc.d/NAME ACTION."""
        return _Script(self, SCRIPTS[name], options or Options()).run(action)


class _Script:
    """One run of an rc.d script; gathers what it prints."""

    def __init__(self, services: Services, script: Script, options: Options) -> None:
        self.services = services
        self.machine = services.machine
        self.script = script
        self.name = script.name
        self.daemon = services.daemon(script.name)
        self.options = options
        self.printed = ""
        self.errors = ""

    def run(self, action: str) -> Result:
        path = f"/etc/rc.d/{self.name}"
        anybody = action == "check" and self.script.user_check
        if self.options.uid != 0 and not anybody:
            return Result(1, "", f"{path}: need root privileges\n")
        if not self._supports(action):
            return Result(1, "", f"{path}: {action} is not supported\n")
        if action == "start" and self._flags(action) == "NO":
            text = f"need -f to force start since {self.name}_flags=NO"
            return Result(1, "", f"{path}: {text}\n")
        rc = int(not getattr(self, f"_{action}")())
        return Result(rc, self.printed, self.errors)

    def _supports(self, action: str) -> bool:
        return {
            "configtest": self.script.configtest,
            "reload": self.script.reload,
            "restart": self.script.stop,
            "stop": self.script.stop,
        }.get(action, True)

    def _flags(self, action: str) -> str:
        return self.services.variable(self.name, "flags", action, force=self.options.force)

    def _words(self, action: str) -> tuple[str, ...]:
        return tuple(shlex.split(self._flags(action)))

    def _print_name(self) -> None:
        if not self.options.quiet:
            self.printed += self.name + ("\n" if self.options.debug else "")

    def _exit(self, word: str) -> bool:
        good = word in ("ok", "killed")
        if self.options.quiet and good:
            return good
        self.printed += f"{self.name if self.options.quiet else ''}({word})\n"
        return good

    def _do(self, step: str, outcome: Outcome | bool) -> bool:
        """A step of the script; with -d its name and what it writes are shown."""
        if isinstance(outcome, bool):
            outcome = Outcome(outcome)
        if self.options.debug:
            self.printed += f"doing {step}\n{outcome.stderr}"
        return outcome.ok

    def _lives(self) -> bool:
        return self._do("rc_check", self.daemon.alive(self.machine))

    def _tests_well(self, action: str) -> bool:
        if self.daemon.configtest is None:
            return True
        flags = self._words(action)
        return self._do("rc_configtest", self.daemon.configtest(self.machine, flags))

    def _check(self) -> bool:
        self._print_name()
        return self._exit("ok" if self._lives() else "failed")

    def _configtest(self) -> bool:
        self._print_name()
        return self._exit("ok" if self._tests_well("configtest") else "failed")

    def _start(self) -> bool:
        if self._lives():
            return True
        self._print_name()
        if self._tests_well("start") and self._do("rc_start", self._begin()):
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
        outcome = self.daemon.start(self.machine, self._words("start"))
        if fault and outcome.ok:
            self._die_later()
        return outcome

    def _stop(self) -> bool:
        if not self._lives():
            return True
        self._print_name()
        timeout = float(self.services.variable(self.name, "timeout", "stop"))
        outcome = self.daemon.stop(self.machine, timeout)
        self._do("rc_stop", outcome)
        self.services.forget_start(self.name)
        if not outcome.ok:
            return self._exit("failed")
        return self._exit("killed" if outcome.killed else "ok")

    def _reload(self) -> bool:
        self._print_name()
        if not self._lives() or not self._tests_well("reload"):
            return self._exit("failed")
        if self._fault() is not None:
            # A signal is sent in any case; what the daemon makes of it the script does not see.
            self._die_later()
            return self._exit("ok")
        assert self.daemon.reload is not None
        return self._exit(
            "ok" if self._do("rc_reload", self.daemon.reload(self.machine)) else "failed"
        )

    def _restart(self) -> bool:
        if not self._tests_well("restart"):
            return self._exit("failed")
        for action in ("stop", "start"):
            result = _Script(self.services, self.script, self.options).run(action)
            self.printed += result.stdout
            self.errors += result.stderr
            if result.rc:
                return False
        return True

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
            if self.daemon.alive(self.machine):
                self.daemon.stop(self.machine, 0.0)

        self.machine.later(DYING, die)
