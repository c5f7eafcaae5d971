# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""netstart(8): hostname.if(5) files turned into ifconfig(8) commands."""

from __future__ import annotations

import re
import shlex
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from sandbox.call import Call, Result
from sandbox.model import ifconfig, route
from sandbox.model.interfaces import CLONERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.machine import Machine

_LATER = ("aggr", "trunk", "svlan", "vlan", "carp", "pppoe")
_LAST = ("tun", "tap", "gif", "etherip", "gre", "egre", "nvgre", "eoip", "vxlan", "pflow", "wg")
_NAME = re.compile(r"[A-Za-z]+[0-9]+")


def run(machine: Machine, call: Call) -> Result:
    if call.uid != 0:
        return Result(1, stderr="netstart: need root privileges\n")
    names = list(call.argv[1:])
    dry = names[:1] == ["-n"]
    if dry:
        del names[0]
    if names[:1] and names[0].startswith("-"):
        return Result(1, stderr="usage: sh /etc/netstart [-n] [interface ...]\n")
    job = _Netstart(machine, dry)
    if names:
        job.some(names)
    else:
        job.all()
    return Result(0, "".join(job.out), "".join(job.err))


def at_boot(machine: Machine) -> None:
    """Bring up what hostname.if(5) files are there when the server boots for the first time."""
    _Netstart(machine, dry=False).all()


class _Netstart:
    def __init__(self, machine: Machine, dry: bool) -> None:
        self.machine = machine
        self.dry = dry
        self.autoconf = False
        self.out: list[str] = []
        self.err: list[str] = []

    def some(self, names: list[str]) -> None:
        self.create_all(names)
        for name in names:
            self.start(name)
        self.default_routes()

    def all(self) -> None:
        self.do("ifconfig lo0 inet 127.0.0.1/8")
        self.create_all(None)
        names = [name for name in self.files() if _NAME.fullmatch(name)]
        kinds = {name: name.rstrip("0123456789") for name in names}
        for name in names:
            if kinds[name] not in _LATER + _LAST:
                self.start(name)
        for kind in _LATER:
            for name in [name for name in names if kinds[name] == kind]:
                self.start(name)
        self.default_routes()
        for kind in _LAST:
            for name in [name for name in names if kinds[name] == kind]:
                self.start(name)

    def files(self) -> Iterator[str]:
        for entry in self.machine.files.listdir("/etc"):
            if entry.startswith("hostname."):
                yield entry.removeprefix("hostname.")

    def do(self, command: str) -> None:
        """Carry out one line; what is no ifconfig or route command is left out."""
        if self.dry:
            self.out.append(f"{command}\n")
            return
        for part in command.split(";"):
            try:
                argv = tuple(shlex.split(part, comments=True))
            except ValueError:
                self.err.append("netstart: no closing quote\n")
                continue
            handlers = {"ifconfig": ifconfig.run, "route": route.run}
            handler = handlers.get(PurePosixPath(argv[0]).name) if argv else None
            if handler is None:
                continue
            result = handler(self.machine, Call(argv, argv[0]))
            self.out.append(result.stdout)
            self.err.append(result.stderr)

    def create(self, name: str) -> bool:
        if self.dry:
            self.out.append(f"{{ ifconfig {name} || ifconfig {name} create; }}\n")
            return True
        if not self.machine.network.exists(name):
            try:
                self.machine.network.create(name)
            except OSError:
                return False
        return True

    def create_all(self, names: list[str] | None) -> None:
        """Make every pseudo interface that has a file, so that the files' order does not matter."""
        known = list(self.files())
        for kind in CLONERS:
            for name in known:
                wanted = names is None or name in names
                if wanted and re.fullmatch(rf"{kind}[0-9]+", name) and not self.create(name):
                    self.err.append(f"netstart: create for '{name}' failed.\n")

    def start(self, name: str) -> None:
        if not _NAME.fullmatch(name):
            return
        path = f"/etc/hostname.{name}"
        files = self.machine.files
        if not files.exists(path):
            self.err.append(f"netstart: {path}: No such file or directory.\n")
            return
        if files.mode(path) & 0o007 or (files.owned and files.owner(path) != (0, 0)):
            self.err.append(f"WARNING: {path} is insecure, fixing permissions.\n")
            files.chmod(path, files.mode(path) & ~0o007)
            files.chown(path, 0, 0)
        if not self.create(name):
            return
        for command in self.commands(name, files.read_text(path)):
            self.do(command)

    def commands(self, name: str, text: str) -> list[str]:
        found: list[str] = []
        for line in text.split("\n")[:-1]:  # the last line counts only with its line end
            words = line.split()
            if not words or words[0].startswith("#"):
                continue
            if words[0] in ("inet", "inet6"):
                if len(words) > 1:
                    found.append(f"ifconfig {name} {self.address(words)}")
            elif words[0] == "dest":
                if len(words) == 2 and found:
                    before = found[-1].split()
                    place = 4 if before[3:4] == ["alias"] else 3
                    before[place] += f" {words[1]}"
                    found[-1] = " ".join(before)
            elif words[0] == "dhcp":
                self.autoconf = True
                found.append(f"ifconfig {name} inet autoconf")
            elif words[0].startswith("!"):
                found.append(" ".join(words)[1:].replace("$if", name))
            else:
                found.append(f"ifconfig {name} {' '.join(words)}")
        return found

    def address(self, words: list[str]) -> str:
        """An address line, with its mask and broadcast address named."""
        if words[1] == "autoconf":
            self.autoconf |= words[0] == "inet"
            return " ".join(words)
        place = 3 if words[1] == "alias" else 2
        if words[0] == "inet6":
            if len(words) > place:
                words[place] = f"prefixlen {words[place]}"
            return " ".join(words)
        if len(words) > place:
            words[place] = f"netmask {words[place]}"
        if len(words) > place + 1:
            words[place + 1] = "" if words[place + 1] == "NONE" else f"broadcast {words[place + 1]}"
        return " ".join(filter(None, words))

    def default_routes(self) -> None:
        if not self.machine.files.exists("/etc/mygate"):
            return
        done = {"inet"} if self.autoconf else set()
        for line in self.machine.files.read_text("/etc/mygate").split("\n")[:-1]:
            gateway = line.partition("#")[0].strip()
            if not gateway:
                continue
            family = "inet6" if ":" in gateway else "inet"
            if family not in done:
                done.add(family)
                option = "-inet6 " if family == "inet6" else ""
                self.do(f"route -qn add -host {option}default {gateway}")
