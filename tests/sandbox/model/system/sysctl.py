# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""sysctl(8): messages and the exit status that says nothing."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.model import errors
from sandbox.target.call import Call, Handler, NotModelled, Result
from sandbox.target.options import getopt

if TYPE_CHECKING:
    from sandbox.model.machine import Machine

LEVELS = ("top", "second", "third", "fourth", "fifth", "sixth")


@dataclass(frozen=True)
class Variable:
    """`low` and `high` are the kernel's bounds of a number."""

    value: str
    writable: bool = True
    number: bool = True
    low: int = -(2**31)
    high: int = 2**31 - 1


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
        values: dict[str, str] = self.machine.subsystem("sysctl").setdefault("values", {})
        return values

    def get(self, name: str) -> str:
        """The value as sysctl -n prints it; KeyError for an unknown name."""
        return self.changed.get(name, TABLE[name].value)

    def set(self, name: str, value: str) -> None:
        """Raises OSError as the kernel refuses: EPERM or EINVAL."""
        variable = TABLE[name]
        if not variable.writable:
            raise errors.failure(errno.EPERM)
        if variable.number and not variable.low <= int(value) <= variable.high:
            raise errors.failure(errno.EINVAL)
        self.changed[name] = value


def _unknown(name: str) -> str:
    """What sysctl(8) says of a name that is in none of its trees."""
    parts = name.split(".")
    for level in range(1, len(parts) + 1):
        prefix = ".".join(parts[:level])
        if not any(f"{known}.".startswith(f"{prefix}.") for known in TABLE):
            return f"{LEVELS[level - 1]} level name {parts[level - 1]} in {name} is invalid"
    raise NotModelled(name)


def _assign(current: Sysctl, name: str, value: str, uid: int) -> str:
    """The new value; raises OSError or ValueError."""
    if TABLE[name].number:
        if not re.fullmatch(r"-?[0-9]+", value):
            raise ValueError(f"value is invalid: {value}")
        if len(value) > 9:
            raise NotModelled(f"{name}={value}")
        value = str(int(value))
    if uid != 0:
        raise errors.failure(errno.EPERM)
    current.set(name, value)
    return value


def _words(text: str) -> Iterator[str]:
    """Of a file: a line ends at its first blank or `#`; with blanks first it names nothing."""
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            yield re.split(r"[ \t#]", line)[0]


def sysctl(machine: Machine, call: Call) -> Result:
    """It exits 0 whatever it says."""
    options = getopt(call.argv[1:], "f:n")
    path = options.last("f")
    words = [*_words(machine.files.read_text(call.absolute(path)))] if path else []
    current, stdout, stderr = machine.sysctl, "", ""
    for word in (*words, *options.operands):
        name, _, value = word.partition("=")
        if name not in TABLE:
            stderr += f"sysctl: {_unknown(name)}\n"
        elif value:
            old = current.get(name)
            try:
                value = _assign(current, name, value, call.uid)
            except (OSError, ValueError) as error:
                stderr += f"sysctl: {name}: {getattr(error, 'strerror', error)}\n"
                continue
            stdout += f"{value}\n" if options.has("n") else f"{name}: {old} -> {value}\n"
        else:
            stdout += f"{'' if options.has('n') else f'{name}='}{current.get(name)}\n"
    return Result(0, stdout, stderr)


COMMANDS: dict[str, Handler] = {"/sbin/sysctl": sysctl}
