# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""rcctl(8), and the scripts in /etc/rc.d that it calls."""

from __future__ import annotations

import getopt
import re
from collections.abc import Callable
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from sandbox.call import Call, Handler, Result
from sandbox.model import rc_conf
from sandbox.model.rc_scripts import SCRIPTS
from sandbox.model.services import ACTIONS, TIMEOUT, Options, Services

if TYPE_CHECKING:
    from sandbox.machine import Machine

__all__ = ["COMMANDS", "Services"]

USAGE = (
    "usage:\trcctl get|getdef|set daemon|service [variable [argument ...]]\n"
    f"\trcctl [-d | -q] [-f] {'|'.join(ACTIONS)} daemon ...\n"
    "\trcctl disable|enable|order [daemon ...]\n"
    "\trcctl ls all|failed|off|on|rogue|started|stopped\n"
)
LISTS = ("all", "failed", "off", "on", "rogue", "started", "stopped")
ROOT_LISTS = ("failed", "rogue", "started", "stopped")
VARIABLES = ("class", "execdir", "flags", "logger", "rtable", "timeout", "user")
SPECIAL = rc_conf.SPECIAL


class RcctlError(Exception):
    """Ends rcctl with a message and a status."""

    def __init__(self, text: str, rc: int = 1) -> None:
        super().__init__(text)
        self.rc = rc


def usage() -> RcctlError:
    return RcctlError(USAGE)


def error(text: str, rc: int = 1) -> RcctlError:
    return RcctlError(f"rcctl: {text}\n", rc)


def rcctl(machine: Machine, call: Call) -> Result:
    try:
        options, words = _options(call)
        if not words or (options.debug and options.quiet):
            raise usage()
        return _Rcctl(machine, options).run(words[0], words[1:])
    except RcctlError as failure:
        return Result(failure.rc, "", str(failure))


def rc_script(name: str, machine: Machine, call: Call) -> Result:
    try:
        options, words = _options(call)
    except RcctlError:
        words, options = [], Options()
    if not words or words[0] not in ACTIONS:
        daemon = machine.services.daemon(name)
        missing = {
            "configtest": daemon.configtest is None,
            "reload": daemon.reload is None,
        }
        actions = "|".join(action for action in ACTIONS if not missing.get(action))
        return Result(1, "", f"usage: /etc/rc.d/{name} [-d | -q] [-f] {actions}\n")
    return machine.services.act(name, words[0], options)


def _options(call: Call) -> tuple[Options, list[str]]:
    try:
        given, words = getopt.getopt(list(call.argv[1:]), "dfq")
    except getopt.GetoptError as failure:
        raise usage() from failure
    letters = {letter for letter, _ in given}
    return Options("-d" in letters, "-f" in letters, "-q" in letters, call.uid), words


class _Rcctl:
    def __init__(self, machine: Machine, options: Options) -> None:
        self.machine = machine
        self.options = options
        self.values = rc_conf.read(machine.files)

    def run(self, action: str, words: list[str]) -> Result:
        table: dict[str, Callable[[list[str]], Result]] = {
            "ls": self.ls,
            "order": self.order,
            "enable": partial(self.switch, "enable"),
            "disable": partial(self.switch, "disable"),
            "get": partial(self.get, "get"),
            "getdef": partial(self.get, "getdef"),
            "set": self.set,
            **{name: partial(self.act, name) for name in ACTIONS},
        }
        if action not in table:
            raise usage()
        return table[action](words)

    def need_root(self, what: str) -> None:
        if self.options.uid != 0:
            raise error(f'"{what}" needs root privileges')

    def check_name(self, name: str, *, any_name: bool = False) -> None:
        well_formed = re.fullmatch(r"[A-Za-z_]+[A-Za-z0-9_]*", name)
        known = name in SPECIAL or self.machine.files.exists(f"/etc/rc.d/{name}") or name in SCRIPTS
        if not well_formed or not (known or any_name):
            raise error(f"service {name} does not exist", 2)

    def is_base(self, name: str) -> bool:
        return name in SCRIPTS and SCRIPTS[name].base

    # get, getdef

    def flags(self, name: str) -> str:
        if name in SPECIAL:
            return self.values.get(name, "")
        if not self.is_base(name) and name not in self.values.get("pkg_scripts", "").split():
            return "NO"
        return self.values.get(f"{name}_flags", "") or self.default(name, "flags")

    def enabled(self, name: str) -> bool:
        return self.flags(name) != "NO"

    def default(self, name: str, variable: str) -> str:
        if name in SPECIAL:
            return rc_conf.defaults(self.machine.files).get(name, "")
        if variable == "flags":
            return SCRIPTS[name].flags if name in SCRIPTS else ""
        return {"class": "daemon", "rtable": "0", "timeout": TIMEOUT, "user": "root"}.get(
            variable, ""
        )

    def enabled_by_default(self, name: str) -> bool:
        defaults = rc_conf.defaults(self.machine.files)
        if name in SPECIAL:
            return defaults.get(name) != "NO"
        return self.is_base(name) and defaults.get(f"{name}_flags") != "NO"

    def value(self, name: str, variable: str) -> str:
        if variable == "flags":
            return self.flags(name)
        if variable == "class":
            return name if self._has_class(name) else "daemon"
        return self.values.get(f"{name}_{variable}", "") or self.default(name, variable)

    def _has_class(self, name: str) -> bool:
        files = self.machine.files
        paths = (f"/etc/login.conf.d/{name}", "/etc/login.conf")
        texts = [files.read_text(path) for path in paths if files.exists(path)]
        return any(re.search(rf"^{name}:", text, re.MULTILINE) for text in texts)

    def show(self, action: str, name: str) -> tuple[str, bool]:
        """All variables of a service, and whether it is on."""
        value = self.value if action == "get" else self.default
        enabled = self.enabled if action == "get" else self.enabled_by_default
        if name in SPECIAL:
            flags = self.flags(name) if action == "get" else self.default(name, "flags")
            return f"{name}={flags}\n", enabled(name)
        return "".join(f"{name}_{v}={value(name, v)}\n" for v in VARIABLES), enabled(name)

    def get(self, action: str, words: list[str]) -> Result:
        name, variable = (*words[:2], "", "")[:2]
        if not name:
            raise usage()
        if name == "all":
            if variable:
                raise usage()
            return Result(stdout="".join(self.show(action, one)[0] for one in self.all_names()))
        self.check_name(name)
        if not variable:
            text, enabled = self.show(action, name)
            return Result(int(not enabled), text)
        self.check_variable(action, name, variable, ("flags", "status"))
        enabled = self.enabled(name) if action == "get" else self.enabled_by_default(name)
        if variable == "status":
            return Result(int(not enabled))
        value = self.value(name, variable) if action == "get" else self.default(name, variable)
        return Result(stdout=f"{value}\n" if value else "")

    @staticmethod
    def check_variable(action: str, name: str, variable: str, special: tuple[str, ...]) -> None:
        if variable not in (*VARIABLES, "status"):
            raise usage()
        if name in SPECIAL and variable not in special:
            raise error(f'"{name}" is a special variable, cannot "{action} {variable}"')

    # ls, order

    def all_names(self) -> list[str]:
        return sorted((*SCRIPTS, *SPECIAL))

    def ls(self, words: list[str]) -> Result:
        wanted = words[0] if words else ""
        if wanted not in LISTS:
            raise usage()
        if wanted in ROOT_LISTS:
            self.need_root(f"ls {wanted}")
        alive = self.machine.services.alive
        chosen: dict[str, Callable[[str], bool]] = {
            "all": lambda name: True,
            "on": self.enabled,
            "off": lambda name: not self.enabled(name),
            "failed": lambda name: name in SCRIPTS and self.enabled(name) and not alive(name),
            "rogue": lambda name: name in SCRIPTS and not self.enabled(name) and alive(name),
            "started": lambda name: name in SCRIPTS and alive(name),
            "stopped": lambda name: name in SCRIPTS and not alive(name),
        }
        names = [name for name in self.all_names() if chosen[wanted](name)]
        rc = int(wanted in ("failed", "rogue") and bool(names))
        return Result(rc, "".join(f"{name}\n" for name in names))

    def order(self, words: list[str]) -> Result:
        packages = self.values.get("pkg_scripts", "").split()
        if not words:
            return Result(stdout=f"{' '.join(packages)}\n" if packages else "")
        for name in words:
            self.check_name(name)
        self.need_root("order")
        for name in words:
            if self.is_base(name) or name in SPECIAL:
                raise error(f"{name} is not a pkg script")
            if not self.enabled(name):
                raise error(f"{name} is not enabled")
        self.packages(list(dict.fromkeys([*words, *packages])))
        return Result()

    def packages(self, names: list[str]) -> None:
        line = [f"pkg_scripts={' '.join(names)}"] if names else []
        self.edit(r"pkg_scripts *=", line)

    # enable, disable, set

    def edit(self, drop: str, add: list[str]) -> None:
        rc_conf.edit(self.machine.files, drop, add)
        self.values = rc_conf.read(self.machine.files)

    def switch(self, action: str, words: list[str]) -> Result:
        if not words:
            raise usage()
        for name in words:
            self.check_name(name, any_name=action == "disable")
        self.need_root(action)
        for name in words:
            (self.enable if action == "enable" else self.disable)(name)
        return Result()

    def enable(self, name: str) -> None:
        flags = self.values.get(f"{name}_flags", "")
        packages = self.values.get("pkg_scripts", "").split()
        if name not in SPECIAL and not self.is_base(name) and name not in packages:
            self.packages([*packages, name])
        self.store(name, "flags", "" if flags == "NO" else flags)

    def disable(self, name: str) -> None:
        packages = self.values.get("pkg_scripts", "").split()
        if name in packages:
            self.packages([one for one in packages if one != name])
        on = self.enabled_by_default(name)
        if name in SPECIAL:
            self.edit(rf"{name} *=", [f"{name}=NO"] if on else [])
        else:
            drop = rf"{name}_({'|'.join(rc_conf.VARIABLES)}).*="
            self.edit(drop, [f"{name}_flags=NO"] if on else [])

    def store(self, name: str, variable: str, value: str) -> None:
        on = self.enabled_by_default(name)
        if name in SPECIAL:
            self.edit(rf"{name} *=", [] if on else [f"{name}=YES"])
            return
        if value == self.default(name, variable):
            value = ""
        must_stand = variable == "flags" and self.is_base(name) and not on
        line = f'{name}_{variable}="{value}"' if value.startswith(" ") else ""
        line = line or f"{name}_{variable}={value}"
        self.edit(rf"{name}_{variable} *=", [line] if value or must_stand else [])

    def set(self, words: list[str]) -> Result:
        name, variable = (*words[:2], "", "")[:2]
        value = " ".join(words[2:])
        if not name:
            raise usage()
        self.check_name(name, any_name=(variable, value) == ("status", "off"))
        if variable not in (*VARIABLES, "status"):
            raise usage()
        if (variable, value) == ("flags", "NO"):
            raise error('"flags NO" contradicts "set"')
        self.check_variable("set", name, variable, ("status",))
        if variable == "class":
            raise error(f'"{name}_class" is a read-only variable set in login.conf(5)')
        self.need_root("set")
        if variable == "status":
            if value not in ("on", "off"):
                raise error(f'invalid status "{value}"')
            (self.enable if value == "on" else self.disable)(name)
            return Result()
        if not self.enabled(name):
            raise error(f"{name} is not enabled")
        if value:
            self.check_value(variable, value)
        self.store(name, variable, value)
        return Result()

    def check_value(self, variable: str, value: str) -> None:
        number = value.isascii() and value.isdigit()
        if variable == "execdir" and not value.startswith("/"):
            raise error(f'"{value}" must be an absolute path')
        if variable == "rtable" and not number:
            raise error(f'"{value}" is not an integer')
        if variable == "timeout" and not (number and int(value) > 0):
            raise error(f'"{value}" is not a positive integer')
        if variable == "user" and self.machine.accounts.user(value) is None:
            raise error(f'user "{value}" does not exist')

    # check, configtest, reload, restart, start, stop

    def act(self, action: str, words: list[str]) -> Result:
        if not words:
            raise usage()
        for name in words:
            self.check_name(name)
        rc, stdout, stderr = 0, "", ""
        for name in words:
            if name in SPECIAL:
                text = f'rcctl: "{name}" is a special variable, no rc.d(8) script\n'
                return Result(1, stdout, stderr + text)
            result = self.machine.services.act(name, action, self.options)
            rc = result.rc or rc
            stdout += result.stdout
            stderr += result.stderr
        return Result(rc, stdout, stderr)


COMMANDS: dict[str, Handler] = {
    "/usr/sbin/rcctl": rcctl,
    **{str(PurePosixPath("/etc/rc.d", name)): partial(rc_script, name) for name in SCRIPTS},
}
