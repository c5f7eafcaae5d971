# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""sysctl(8): messages and the exit status that says nothing."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.model import errors
from sandbox.target.call import Call, Handler, Result
from sandbox.target.options import getopt

if TYPE_CHECKING:
    from sandbox.model.machine import Machine

LEVELS = ("top", "second", "third", "fourth", "fifth", "sixth")
INT_MIN, INT_MAX = -(2**31), 2**31 - 1
# Nodes that can be empty.
EMPTY_NODES = ("hw.sensors",)


@dataclass(frozen=True)
class Variable:
    """`low` and `high` are the kernel's bounds of a number."""

    value: str
    writable: bool = True
    number: bool = True
    low: int = INT_MIN
    high: int = INT_MAX


_FIXED = {
    "kern.ostype": "OpenBSD", "kern.osrelease": "7.8", "kern.osversion": "GENERIC#0",
    "hw.machine": "amd64", "hw.ncpu": "1", "hw.ncpufound": "1", "hw.ncpuonline": "1",
    "hw.physmem": "4278034432", "hw.usermem": "4278022144", "vm.loadavg": "0.12 0.10 0.08",
}  # fmt: skip
_NUMBERS = {
    "kern.maxproc": "1310", "kern.maxfiles": "7030", "kern.somaxconn": "128", "hw.smt": "0",
    "net.inet.ip.ttl": "64", "net.inet.ip.ifq.maxlen": "2048", "net.inet.ip.arpq.maxlen": "50",
}  # fmt: skip
TABLE: dict[str, Variable] = {
    **{name: Variable(value, False, value.isdigit()) for name, value in _FIXED.items()},
    **{name: Variable(value) for name, value in _NUMBERS.items()},
    "kern.securelevel": Variable("1", low=-1, high=2),
    "net.inet.ip.forwarding": Variable("0", low=0, high=2),
    "net.inet6.ip6.forwarding": Variable("0", low=0, high=2),
}


class Sysctl:
    """The kernel's variables; what was set is kept in the machine's state."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    @property
    def changed(self) -> dict[str, str]:
        found: dict[str, str] = self.machine.subsystem("sysctl").setdefault("values", {})
        return found

    def get(self, name: str) -> str:
        """The value as sysctl -n prints it; KeyError for an unknown name."""
        return self.changed.get(name, TABLE[name].value)

    def set(self, name: str, value: str) -> None:
        """Raises OSError as the kernel refuses: EPERM or EINVAL."""
        variable = TABLE.get(name, Variable("", writable=False))
        if not variable.writable:
            raise errors.failure(errno.EPERM)
        number = variable.number and value.lstrip("-").isdigit()
        if number and not variable.low <= int(value) <= variable.high:
            raise errors.failure(errno.EINVAL)
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
        if name not in TABLE:
            self._list(name)
        elif value:
            self._assign(name, value)
        else:
            self.show(name)

    def _known(self, name: str) -> bool:
        names = TABLE
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
        for name in TABLE:
            if name.startswith(f"{prefix}."):
                self.show(name)

    def show(self, name: str) -> None:
        value = self.sysctl.get(name)
        self.stdout += f"{value}\n" if self.bare else f"{name}={value}\n"

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
    options = getopt(call.argv[1:], "f:nq")
    run = _Run(machine, root=call.uid == 0, bare=options.has("n"), quiet=options.has("q"))
    if path := options.last("f"):
        run.file(machine.files.read_text(call.absolute(path)))
    for word in options.operands:
        run.parse(word)
    return Result(0, run.stdout, run.stderr)


COMMANDS: dict[str, Handler] = {"/sbin/sysctl": sysctl}
