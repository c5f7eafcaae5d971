# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""A reader of vm.conf(5), in the forms that are written here: one statement on a line."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sandbox.model import errors, replay
from sandbox.model.guest import images
from sandbox.model.replay import Refused
from sandbox.model.words import Statement, Word, line_of, not_modelled, statements

if TYPE_CHECKING:
    from sandbox.model.machine import Machine

NAME_MAX, DISKS_MAX = 64, 4
MEGABYTE = 1024**2
MEMORY_DEFAULT, MEMORY_MAX = 512 * MEGABYTE, 128 * 1024**3
_LLADDR = re.compile(r"([0-9a-f]{1,2}:){5}[0-9a-f]{1,2}", re.IGNORECASE)
_SWITCH, _GROUP = re.compile(r"(bridge|veb)\d+"), re.compile(r".{0,14}[^0-9]")
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
    """Taps are the first ones that are free."""

    switch: str = ""
    group: str = ""
    lladdr: str = ""


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


@dataclass
class Config:
    """What a file says, in its order; VMs with whether they are disabled."""

    socket_owner: Identity | None = None
    switches: list[Switch] = field(default_factory=list)
    vms: list[tuple[Vm, bool]] = field(default_factory=list)


def bytes_of(text: str) -> int | None:
    """Of `50G` and the like; None for what the collection does not write."""
    match = re.fullmatch(r"(\d+)([BKMGT]?)", text)
    return int(match[1]) * 1024 ** "BKMGT".index(match[2] or "B") if match else None


class _Problem(Exception):
    """An error of a statement: what vmd says of its line, and a line without place before that."""

    def __init__(self, text: str, before: str = "") -> None:
        super().__init__(text)
        self.before = before


def read(machine: Machine, path: str, text: str) -> Config:
    """Raises Refused with all that vmd says."""
    with replay.known("vmd", path, text):
        return _Reader(machine, path, text).config


def _is_name(word: Word) -> bool:
    return len(word) < NAME_MAX and (word.quoted or not (word in _KEYWORDS or word.isdigit()))


class _Reader:
    def __init__(self, machine: Machine, path: str, text: str) -> None:
        self.machine, self.path, self.text = machine, path, text
        self.config = Config()
        self.said: list[str] = []
        for row in statements(path, text, "\n"):
            try:
                self._global(row)
            except _Problem as problem:
                self._report(row, problem)
        if self.said:
            raise Refused("".join(f"vmd: {line}\n" for line in self.said))

    def _report(self, row: Statement, problem: _Problem) -> None:
        if problem.before:
            self.said.append(problem.before)
        self.said.append(f"{self.path}:{row.line}: {problem}")

    def _unknown(self, row: Statement) -> Exception:
        said = replay.line("vmd", self.path, row.line, line_of(self.text, row.line))
        return Refused(said) if said else not_modelled(self.path, self.text, row.line)

    def _global(self, row: Statement) -> None:
        match row.words:
            case ["agentx"]:
                pass
            case ["socket", "owner", value]:
                owner = self._identity(value)
                self.config.socket_owner = replace(owner, gid=owner.gid or 0)
            case ["switch", name] if row.block and _is_name(name):
                self._switch(name, row)
            case ["vm", name] if row.block and _is_name(name):
                self._vm(name, row)
            case _:
                raise self._unknown(row)

    def _switch(self, name: str, block: Statement) -> None:
        switch = Switch(name)
        for row in block.block or []:
            match row.words:
                case ["interface", value] if _SWITCH.fullmatch(value):
                    switch = replace(switch, interface=value)
                case ["group", value]:
                    switch = replace(switch, group=value)
                case _:
                    raise self._unknown(row)
        if not switch.interface:
            raise self._unknown(block)
        self.config.switches.append(switch)

    def _vm(self, name: str, block: Statement) -> None:
        vm, disabled, rows = Vm(name), False, block.block or []
        for row in rows:
            try:
                if row.words in (["disable"], ["enable"]):
                    disabled = row.words == ["disable"]
                else:
                    vm = self._option(vm, row)
            except _Problem as problem:
                self._report(row, problem)
                # vmd's parser continues after the statement, where a nic's block is another error.
                nics = [nic for nic in rows[rows.index(row) :] if nic.words[0] == "interface"]
                self.said += [f"{self.path}:{nic.line + 1}: syntax error" for nic in nics[:1]]
                return
        self.config.vms.append((vm, disabled))

    def _option(self, vm: Vm, row: Statement) -> Vm:
        match row.words:
            case ["boot", "device", "net" | "cdrom" as device]:
                return replace(vm, boot_device=device)
            case ["cdrom", path]:
                # Nothing looks at it before the start: config_setvm() of vmd/config.c.
                return replace(vm, cdrom=path)
            case ["boot", path]:
                return replace(vm, boot=self._path(path, "kernel path not found: {}"))
            case ["owner", value]:
                return replace(vm, owner=self._identity(value))
            case ["memory", value] if MEGABYTE <= (size := bytes_of(value) or 0) <= MEMORY_MAX:
                return replace(vm, memory=size // MEGABYTE * MEGABYTE)
            case ["disk", path] if len(vm.disks) < DISKS_MAX:
                return self._disk(vm, path, None)
            case ["disk", path, "format", "raw" | "qcow2" as kind] if len(vm.disks) < DISKS_MAX:
                return self._disk(vm, path, kind)
            case ["interface", "tap"] if row.block:
                return replace(vm, nics=(*vm.nics, self._nic(row)))
        raise self._unknown(row)

    def _disk(self, vm: Vm, path: str, kind: str | None) -> Vm:
        resolved = self._path(path, f"failed to parse disks: {path}", f"disk {path}: {{}}")
        if kind is None:
            host = self.machine.files.resolve(resolved)
            kind = "qcow2" if images.is_qcow2(host) else "raw"
        return replace(vm, disks=(*vm.disks, Disk(resolved, kind)))

    def _nic(self, block: Statement) -> Nic:
        nic = Nic()
        for row in block.block or []:
            match row.words:
                case ["switch", value]:
                    nic = replace(nic, switch=value)
                case ["group", value] if _GROUP.fullmatch(value):
                    nic = replace(nic, group=value)
                case ["lladdr", value] | ["locked", "lladdr", value] if _LLADDR.fullmatch(value):
                    nic = replace(nic, lladdr=value.lower())
                case _:
                    raise self._unknown(row)
        if not nic.lladdr:
            raise self._unknown(block)
        return nic

    def _path(self, path: str, message: str, before: str = "") -> str:
        try:
            self.machine.files.stat(path)
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
