# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""rcctl(8), and the scripts in /etc/rc.d that it calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.target.call import Call, Handler, NotModelled, Result
from sandbox.target.options import getopt

from . import rc_conf
from .rc_conf import SCRIPTS, SPECIAL, VARIABLES
from .services import ACTIONS, TIMEOUT

if TYPE_CHECKING:
    from sandbox.model.machine import Machine


class RcctlError(Exception):
    """Ends rcctl with a message and a status."""

    def __init__(self, text: str, rc: int = 1) -> None:
        super().__init__(f"rcctl: {text}\n")
        self.rc = rc


def rcctl(machine: Machine, call: Call) -> Result:
    action, *words = getopt(call.argv[1:], "").operands or ("",)
    run = _Rcctl(machine, call.uid)
    if action in ACTIONS and words:
        return run.act(action, words)
    table = {"enable": run.switch, "disable": run.switch, "get": run.get, "set": run.set}
    if action not in table or not words:
        raise NotModelled(" ".join(call.argv[1:]))
    try:
        return table[action](action, words)
    except RcctlError as failure:
        return Result(failure.rc, "", str(failure))


class _Rcctl:
    def __init__(self, machine: Machine, uid: int) -> None:
        self.machine, self.uid = machine, uid
        self.values = rc_conf.read(machine.files)

    def need_root(self, what: str) -> None:
        if self.uid != 0:
            raise RcctlError(f'"{what}" needs root privileges')

    def check_name(self, name: str) -> None:
        if name not in SPECIAL and name not in SCRIPTS:
            raise RcctlError(f"service {name} does not exist", 2)

    def flags(self, name: str) -> str:
        if name in SPECIAL:
            return self.values.get(name, "")
        return self.values.get(f"{name}_flags", "") or SCRIPTS[name].flags

    def value(self, name: str, variable: str) -> str:
        if variable == "flags":
            return self.flags(name)
        # Of these daemons, only vmd(8) has its own class in login.conf(5).
        class_ = "vmd" if name == "vmd" else "daemon"
        defaults = {"class": class_, "rtable": "0", "timeout": TIMEOUT, "user": "root"}
        return self.values.get(f"{name}_{variable}", "") or defaults.get(variable, "")

    def get(self, _action: str, words: list[str]) -> Result:
        name, variable = (*words, "")[:2]
        self.check_name(name)
        off = int(self.flags(name) == "NO")
        if variable == "status":
            return Result(off)
        if variable:
            value = self.value(name, variable)
            return Result(stdout=f"{value}\n" if value else "")
        if name in SPECIAL:
            return Result(off, f"{name}={self.flags(name)}\n")
        return Result(off, "".join(f"{name}_{v}={self.value(name, v)}\n" for v in VARIABLES))

    def switch(self, action: str, words: list[str]) -> Result:
        for name in words:
            if action == "enable" or name in SCRIPTS:
                self.check_name(name)
        self.need_root(action)
        for name in words:
            if name in SPECIAL:
                add = [] if action == "enable" else [f"{name}=NO"]
                rc_conf.edit(self.machine.files, rf"{name} *=", add)
            elif action == "enable" and self.flags(name) == "NO":
                self.store(name, "flags", "")
            elif action == "disable" and name in SCRIPTS:
                drop = rf"{name}_({'|'.join(VARIABLES)}).*="
                add = [f"{name}_flags=NO"] if SCRIPTS[name].on else []
                rc_conf.edit(self.machine.files, drop, add)
            self.values = rc_conf.read(self.machine.files)
        return Result()

    def store(self, name: str, variable: str, value: str) -> None:
        """A line for what is not the default; the flags of what is off by default must stand."""
        default = {"flags": SCRIPTS[name].flags, "timeout": TIMEOUT}.get(variable, "")
        value = "" if value == default else value
        stands = value or (variable == "flags" and not SCRIPTS[name].on)
        line = [f"{name}_{variable}={value}"] if stands else []
        rc_conf.edit(self.machine.files, rf"{name}_{variable} *=", line)

    def set(self, _action: str, words: list[str]) -> Result:
        name, variable, *rest = words
        if variable not in ("flags", "timeout"):
            raise NotModelled(" ".join(("set", *words)))
        self.check_name(name)
        self.need_root("set")
        if self.flags(name) == "NO":
            raise RcctlError(f"{name} is not enabled")
        if variable == "timeout" and rest and not rest[0].isdigit():
            raise RcctlError(f'"{rest[0]}" is not a positive integer')
        self.store(name, variable, " ".join(rest))
        return Result()

    def act(self, action: str, words: list[str]) -> Result:
        rc, stdout, stderr = 0, "", ""
        try:
            for name in words:
                self.check_name(name)
        except RcctlError as failure:
            return Result(failure.rc, "", str(failure))
        for name in words:
            if name in SPECIAL:
                raise NotModelled(f"{action} {name}")
            result = self.machine.services.act(name, action, self.uid)
            rc = result.rc or rc
            stdout += result.stdout
            stderr += result.stderr
        return Result(rc, stdout, stderr)


COMMANDS: dict[str, Handler] = {"/usr/sbin/rcctl": rcctl}
