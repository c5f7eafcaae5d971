# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""netstart(8): hostname.if(5) files turned into ifconfig(8) commands."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from sandbox.target.call import Call, Handler, NotModelled, Result

from . import ifconfig
from .interfaces import CLONERS

if TYPE_CHECKING:
    from sandbox.model.machine import Machine

_LATER = ("aggr", "trunk", "vlan")
_NAME = re.compile(r"[A-Za-z]+[0-9]+")


def run(machine: Machine, call: Call) -> Result:
    if call.uid != 0:
        return Result(1, stderr="netstart: need root privileges\n")
    names = list(call.argv[1:])
    dry = names[:1] == ["-n"]
    if dry:
        del names[0]
    if not names or names[0].startswith("-"):
        raise NotModelled(" ".join(call.argv[1:]))
    job = _Netstart(machine, dry)
    job.some(names)
    return Result(0, "".join(job.out), "".join(job.err))


def at_boot(machine: Machine) -> None:
    """Bring up what hostname.if(5) files are there when the server boots for the first time."""
    files = [one.removeprefix("hostname.") for one in machine.files.listdir("/etc")]
    names = [one for one in files if _NAME.fullmatch(one)]
    late = [one for one in names if one.rstrip("0123456789") in _LATER]
    _Netstart(machine, dry=False).some([one for one in names if one not in late] + late)


class _Netstart:
    def __init__(self, machine: Machine, dry: bool) -> None:
        self.machine, self.dry = machine, dry
        self.out: list[str] = []
        self.err: list[str] = []

    def some(self, names: list[str]) -> None:
        """Pseudo interfaces that have a file come first, so that the files' order is no matter."""
        for kind in CLONERS:
            for name in names:
                there = self.machine.files.exists(f"/etc/hostname.{name}")
                if there and re.fullmatch(rf"{kind}[0-9]+", name):
                    self.create(name)
        for name in names:
            self.start(name)

    def do(self, command: str) -> None:
        """Carry out one line; what is no ifconfig command is left out."""
        if self.dry:
            self.out.append(f"{command}\n")
            return
        argv = tuple(shlex.split(command, comments=True))
        if argv[:1] == ("ifconfig",):
            result = ifconfig.run(self.machine, Call(argv, argv[0]))
            self.out.append(result.stdout)
            self.err.append(result.stderr)

    def create(self, name: str) -> None:
        if self.dry:
            self.out.append(f"{{ ifconfig {name} || ifconfig {name} create; }}\n")
        elif not self.machine.network.exists(name):
            self.machine.network.create(name)

    def start(self, name: str) -> None:
        path, files = f"/etc/hostname.{name}", self.machine.files
        if not files.exists(path):
            self.err.append(f"netstart: {path}: No such file or directory.\n")
            return
        if files.mode(path) & 0o007 or (files.owned and files.owner(path) != (0, 0)):
            self.err.append(f"WARNING: {path} is insecure, fixing permissions.\n")
            files.chmod(path, files.mode(path) & ~0o007)
            files.chown(path, 0, 0)
        if _NAME.fullmatch(name) and name.rstrip("0123456789") in CLONERS:
            self.create(name)
        for command in self.commands(name, files.read_text(path)):
            self.do(command)

    def commands(self, name: str, text: str) -> list[str]:
        found: list[str] = []
        for line in text.split("\n")[:-1]:  # the last line counts only with its line end
            words = line.split()
            if not words or words[0].startswith("#"):
                continue
            if words[0] == "dhcp":
                words = ["inet", "autoconf"]
            if words[0].startswith("!"):
                found.append(" ".join(words)[1:].replace("$if", name))
            else:
                found.append(f"ifconfig {name} {_address(words)}")
        return found


def _address(words: list[str]) -> str:
    """A line, with the mask and the broadcast address of an IPv4 address named."""
    place = 3 if words[1:2] == ["alias"] else 2
    if words[0] in ("inet", "inet6") and len(words) > place:
        words[place] = ("prefixlen " if words[0] == "inet6" else "netmask ") + words[place]
    if words[0] == "inet" and len(words) > place + 1:
        words[place + 1] = f"broadcast {words[place + 1]}"
    return " ".join(words)


COMMANDS: dict[str, Handler] = {"/etc/netstart": run}
