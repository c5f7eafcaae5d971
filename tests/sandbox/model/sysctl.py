# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""sysctl(8): messages and the exit status that says nothing."""

from __future__ import annotations

import errno
import getopt
from typing import TYPE_CHECKING

from sandbox.call import Call, Handler, Result
from sandbox.model import errors
from sandbox.model.sysctl_table import EMPTY_NODES, TABLE, Variable

if TYPE_CHECKING:
    from sandbox.machine import Machine

USAGE = "usage: sysctl [-Aanq] [-f file] [name[=value] ...]\n"
LEVELS = ("top", "second", "third", "fourth", "fifth", "sixth")
INT_MIN, INT_MAX = -(2**31), 2**31 - 1


class Sysctl:
    """The kernel's variables; what was set is kept in the machine's state."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.booted = machine.clock.now()

    @property
    def changed(self) -> dict[str, str]:
        found: dict[str, str] = self.machine.subsystem("sysctl").setdefault("values", {})
        return found

    @property
    def sensors(self) -> dict[str, str]:
        """Sensor values by name below hw.sensors, as `softraid0.drive0`: `online (sd2), OK`."""
        found: dict[str, str] = self.machine.subsystem("sysctl").setdefault("sensors", {})
        return found

    def names(self) -> list[str]:
        return [*TABLE, *(f"hw.sensors.{name}" for name in self.sensors)]

    def get(self, name: str) -> str:
        """The value as sysctl -n prints it; KeyError for an unknown name."""
        if name == "kern.hostname":
            return self.machine.hostname
        if name == "kern.boottime":
            return self.booted.strftime("%a %b %e %H:%M:%S %Y")
        if name.startswith("hw.sensors."):
            return self.sensors[name.removeprefix("hw.sensors.")]
        return self.changed.get(name, TABLE[name].value)

    def set(self, name: str, value: str) -> None:
        """Raises OSError as the kernel refuses: EPERM or EINVAL."""
        variable = TABLE.get(name, Variable("", writable=False))
        if not variable.writable:
            raise errors.failure(errno.EPERM)
        if variable.number and value.lstrip("-").isdigit():
            if not variable.low <= int(value) <= variable.high:
                raise errors.failure(errno.EINVAL)
            if name == "kern.securelevel" and int(value) < int(self.get(name)):
                raise errors.failure(errno.EPERM)
        if name == "kern.hostname":
            self.machine.hostname = value
        else:
            self.changed[name] = value


class _Run:
    """One sysctl command."""

    def __init__(self, machine: Machine, *, root: bool, bare: bool, quiet: bool) -> None:
        self.sysctl = machine.sysctl
        self.root = root
        self.bare = bare
        self.quiet = quiet
        self.stdout = ""
        self.stderr = ""

    def warn(self, text: str) -> None:
        self.stderr += f"sysctl: {text}\n"

    def parse(self, text: str) -> None:
        """One name or assignment."""
        name, _, value = text.partition("=")
        value = value.lstrip()
        if not self._known(name):
            return
        if name not in self.sysctl.names():
            self._list(name)
        elif value:
            self._assign(name, value)
        else:
            self.show(name)

    def _known(self, name: str) -> bool:
        names = self.sysctl.names()
        parts = name.split(".")
        for level in range(1, len(parts) + 1):
            prefix = ".".join(parts[:level])
            known = prefix in EMPTY_NODES or any(
                one == prefix or one.startswith(f"{prefix}.") for one in names
            )
            if not known and ".".join(parts[: level - 1]) in names:
                self.warn(f"name {'.'.join(parts[level - 1 :])} in {name} is unknown")
                return False
            if not known:
                self.warn(f"{LEVELS[level - 1]} level name {parts[level - 1]} in {name} is invalid")
                return False
        return True

    def _list(self, prefix: str) -> None:
        for name in self.sysctl.names():
            if name.startswith(f"{prefix}."):
                self.show(name)

    def show(self, name: str) -> None:
        value = self.sysctl.get(name)
        ending = "" if value.endswith("\n") else "\n"
        self.stdout += (value if self.bare else f"{name}={value}") + ending

    def _assign(self, name: str, value: str) -> None:
        old = self.sysctl.get(name)
        if TABLE.get(name, Variable("", number=False)).number and old.lstrip("-").isdigit():
            problem = _number_problem(value)
            if problem:
                self.warn(f"{name}: value is {problem}: {value}")
                return
            value = str(int(value))
        try:
            if not self.root:
                raise errors.failure(errno.EPERM)
            self.sysctl.set(name, value)
        except OSError as error:
            self.warn(f"{name}: {error.strerror}")
            return
        if not self.quiet:
            self.stdout += f"{value}\n" if self.bare else f"{name}: {old} -> {value}\n"

    def file(self, text: str) -> None:
        """A line ends at its first blank or `#`; one that begins with blanks names nothing."""
        for line in text.splitlines(keepends=True):
            cut = min((line.index(char) for char in " \t\n#" if char in line), default=len(line))
            first = len(line) - len(line.lstrip(" \t"))
            if first not in (cut, len(line)):
                self.parse(line[:cut])


def _number_problem(value: str) -> str:
    """strtonum(3)'s word for a value that is no int, or an empty string."""
    digits = value.removeprefix("-").removeprefix("+")
    if not (digits.isascii() and digits.isdigit()):
        return "invalid"
    if int(value) < INT_MIN:
        return "too small"
    return "too large" if int(value) > INT_MAX else ""


def sysctl(machine: Machine, call: Call) -> Result:
    try:
        options, words = getopt.getopt(list(call.argv[1:]), "Aaf:nqw")
    except getopt.GetoptError as error:
        return Result(1, "", f"sysctl: unknown option -- {error.opt}\n{USAGE}")
    given = dict(options)
    run = _Run(machine, root=call.uid == 0, bare="-n" in given, quiet="-q" in given)
    if "-A" in given or "-a" in given or not (words or "-f" in given):
        for name in machine.sysctl.names():
            run.show(name)
        return Result(0, run.stdout, run.stderr)
    if "-f" in given:
        try:
            run.file(machine.files.read_text(call.absolute(given["-f"])))
        except OSError as error:
            reason = errors.text(error.errno or errno.EIO)
            return Result(1, "", f"sysctl: fopen: {reason}\n")
    for word in words:
        run.parse(word)
    return Result(0, run.stdout, run.stderr)


COMMANDS: dict[str, Handler] = {"/sbin/sysctl": sysctl}
