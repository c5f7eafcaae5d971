# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""A reader of vm.conf(5), in the forms that are written here: one statement on a line."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from sandbox.model import errors, replay
from sandbox.model.accounts import access
from sandbox.model.guest import images
from sandbox.model.words import Refused
from sandbox.target.call import NotModelled

from . import scaled

if TYPE_CHECKING:
    from sandbox.model.machine import Machine

NAME_MAX, NICS_MAX, DISKS_MAX = 64, 4, 4
MEGABYTE = 1024**2
MEMORY_DEFAULT, MEMORY_MAX = 512 * MEGABYTE, 128 * 1024**3
_WORD = r'(?:"([^"\\]*)"|([A-Za-z0-9:_/][^\s{}()"\'\\,=!#]*))'
_LLADDR = re.compile(r"([0-9a-f]{1,2}:){5}[0-9a-f]{1,2}", re.IGNORECASE)
_KEYWORDS = frozenset("add boot disable disk enable interface memory owner switch vm".split())


@dataclass(frozen=True)
class Identity:
    """The owner of something; no group is None."""

    uid: int = 0
    gid: int | None = None


@dataclass(frozen=True)
class Disk:
    path: str
    format: str  # raw, qcow2


@dataclass(frozen=True)
class Nic:
    """Taps are the first ones that are free; no address is a random one."""

    switch: str = ""
    group: str = ""
    lladdr: str = ""
    locked: bool = False


@dataclass(frozen=True)
class Switch:
    name: str
    interface: str = ""
    group: str = ""


@dataclass(frozen=True)
class Vm:
    """A vm block, or what vmctl start asks for."""

    name: str
    disks: tuple[Disk, ...] = ()
    nics: tuple[Nic, ...] = ()
    memory: int = 0  # bytes; 0: the default
    boot: str = ""
    boot_device: str = ""
    cdrom: str = ""
    owner: Identity = Identity()

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Vm:
        changed = {
            "disks": tuple(Disk(**one) for one in data["disks"]),
            "nics": tuple(Nic(**one) for one in data["nics"]),
            "owner": Identity(**data["owner"]),
        }
        return cls(**{**data, **changed})


@dataclass
class Config:
    """What a file says, in its order; VMs with whether they are disabled."""

    socket_owner: Identity | None = None
    switches: list[Switch] = field(default_factory=list)
    vms: list[tuple[Vm, bool]] = field(default_factory=list)


class _Problem(Exception):
    """An error of a statement: what vmd says of its line, and a line without place before that."""

    def __init__(self, text: str, before: str = "") -> None:
        super().__init__(text)
        self.before = before


def read(machine: Machine, path: str, text: str, uid: int = 0) -> Config:
    """Raises Refused with all that vmd says, each line without the program's name."""
    try:
        return _Reader(machine, path, text, uid).config
    except NotModelled:
        recorded = replay.whole("vmd", path, text)
        if recorded is not None and recorded.rc:
            raise Refused(recorded.stderr.replace("vmd: ", "")) from None
        raise


class _Reader:
    def __init__(self, machine: Machine, path: str, text: str, uid: int) -> None:
        self.machine, self.path, self.uid = machine, path, uid
        self.config = Config()
        self.lines = list(self._lines(text))
        self.said: list[str] = []
        while self.lines:
            number, line = self.lines.pop(0)
            try:
                self._global(number, line)
            except _Problem as problem:
                self._report(number, problem)
        if self.said:
            raise Refused("".join(f"{line}\n" for line in self.said))

    def _lines(self, text: str) -> Iterator[tuple[int, str]]:
        if "\r" in text or re.search(r"\\\n", text):
            raise NotModelled(f"{self.path}: a carriage return or a line that goes on")
        for number, line in enumerate(text.split("\n"), 1):
            if shown := re.sub(r"^\s*#.*", "", line).strip():
                yield number, shown

    def _block(self) -> list[tuple[int, str]]:
        """The rest of the block that is being read, taken."""
        depth, rest = 1, []
        while self.lines and depth:
            number, line = self.lines.pop(0)
            depth += line.endswith("{") - (line == "}")
            rest.append((number, line))
        return rest

    def _report(self, number: int, problem: _Problem) -> None:
        if problem.before:
            self.said.append(problem.before)
        self.said.append(f"{self.path}:{number}: {problem}")

    def _global(self, number: int, line: str) -> None:
        if line == "agentx":
            return
        if value := self._one(line, "socket owner"):
            self.config.socket_owner = replace(owner := self._identity(value), gid=owner.gid or 0)
        elif line.startswith("switch ") and (name := self._one(line.removesuffix(" {"), "switch")):
            self._switch(name)
        elif line.startswith("vm ") and (name := self._one(line.removesuffix(" {"), "vm")):
            self._vm(number, name)
        else:
            self._unknown(number, line)

    def _unknown(self, number: int, line: str) -> None:
        if said := replay.line("vmd", self.path, number, line):
            raise Refused(said.replace("vmd: ", ""))
        raise NotModelled(f"{self.path}:{number}: {line}")

    def _one(self, line: str, statement: str) -> str:
        match = re.fullmatch(rf"{statement} (?:{_WORD}|(:\S+))", line)
        value = next((one for one in match.groups() if one), "") if match else ""
        return "" if match and match[2] and (value in _KEYWORDS or value.isdigit()) else value

    def _switch(self, name: str) -> None:
        one = Switch(name)
        while True:
            number, line = self._next()
            if line == "}":
                break
            if value := self._one(line, "interface"):
                if not re.fullmatch(r"(bridge|veb)\d+", value):
                    self._report(number, _Problem(f"invalid switch interface: {value}"))
                one = replace(one, interface=value)
            elif value := self._one(line, "group"):
                one = replace(one, group=value)
            else:
                self._unknown(number, line)
        if not one.interface:
            self._unknown(number, line)
        self.config.switches.append(one)

    def _next(self) -> tuple[int, str]:
        if not self.lines:
            raise NotModelled(f"{self.path}: a block without its end")
        return self.lines.pop(0)

    def _vm(self, number: int, name: str) -> None:
        if len(name) >= NAME_MAX:
            self._give_up(number, _Problem("vm name too long"))
            return
        vm, disabled = Vm(name), False
        while (entry := self._next())[1] != "}":
            number, line = entry
            try:
                if line == "disable":
                    disabled = True
                elif line == "enable":
                    disabled = False
                else:
                    vm = self._option(vm, number, line)
            except _Problem as problem:
                self._give_up(number, problem)
                return
        self.config.vms.append((vm, disabled))

    def _give_up(self, number: int, problem: _Problem) -> None:
        """vmd's parser goes on behind the statement, where a nic's block is an error again."""
        self._report(number, problem)
        if nic := next((n for n, line in self._block() if line.startswith("interface ")), 0):
            self.said.append(f"{self.path}:{nic + 1}: syntax error")

    def _option(self, vm: Vm, number: int, line: str) -> Vm:
        if match := re.fullmatch("boot device (net|cdrom)", line):
            return replace(vm, boot_device=match[1])
        if value := self._one(line, "cdrom"):
            # Nothing looks at it before the start: config_setvm() of vmd/config.c.
            return replace(vm, cdrom=value)
        if value := self._one(line, "boot"):
            return replace(vm, boot=self._path(value, "kernel path not found: {}"))
        if value := self._one(line, "owner"):
            return replace(vm, owner=self._identity(value))
        if value := self._one(line, "memory"):
            return replace(vm, memory=_memory(value))
        if match := re.fullmatch(rf"disk {_WORD}(?: format (raw|qcow2))?", line):
            return self._disk(vm, match[1] or match[2], match[3])
        if line == "interface tap {":
            return replace(vm, nics=(*vm.nics, self._nic()))
        self._unknown(number, line)
        return vm

    def _disk(self, vm: Vm, path: str, kind: str | None) -> Vm:
        if len(vm.disks) >= DISKS_MAX:
            raise _Problem(f"failed to parse disks: {path}", "too many disks")
        resolved = self._path(path, f"failed to parse disks: {path}", f"disk {path}: {{}}")
        if kind is None:
            host = self.machine.files.resolve(resolved)
            kind = "qcow2" if images.is_qcow2(host) else "raw"
        return replace(vm, disks=(*vm.disks, Disk(resolved, kind)))

    def _nic(self) -> Nic:
        one = Nic()
        while (entry := self._next())[1] != "}":
            number, line = entry
            locked = line.startswith("locked ")
            if value := self._one(line, "switch"):
                one = replace(one, switch=value)
            elif value := self._one(line, "group"):
                if len(value) >= 16 or value[-1].isdigit():
                    self._report(number, _Problem(f"invalid group name: {value}"))
                one = replace(one, group=value)
            elif value := self._one(line.removeprefix("locked "), "lladdr"):
                if not _LLADDR.fullmatch(value):
                    # The message of vmd has a line end of its own.
                    self._report(number, _Problem(f"invalid address: {value}\n"))
                one = replace(one, lladdr=value.lower(), locked=locked)
            else:
                self._unknown(number, line)
        return one

    def _path(self, path: str, message: str, before: str = "") -> str:
        try:
            access.check(self.machine, self.uid, path, 0)
        except OSError as error:
            reason = errors.text(error.errno or 0)
            raise _Problem(message.format(reason), before.format(reason)) from None
        files = self.machine.files
        return "/" + os.path.relpath(files.resolve(path), files.root)

    def _identity(self, text: str) -> Identity:
        user, _, group = text.partition(":")
        account, members = self.machine.accounts.user(user), self.machine.accounts.group(group)
        if user and account is None:
            raise _Problem(f"failed to get user: {user}")
        if group and members is None:
            raise _Problem(f"failed to get group: {group}")
        return Identity(account.uid if account else 0, members.gid if members else None)


def _memory(text: str) -> int:
    message = f"failed to parse size: {text}"
    try:
        size = scaled.scan(text)
    except ValueError as error:
        raise _Problem(message, f"invalid memory size: {text}: {error}") from None
    if size < MEGABYTE:
        raise _Problem(message, "memory size must be at least 1MB")
    if size > MEMORY_MAX:
        raise _Problem(message, f"memory size too large (limit is {scaled.show(MEMORY_MAX)})")
    return size // MEGABYTE * MEGABYTE
