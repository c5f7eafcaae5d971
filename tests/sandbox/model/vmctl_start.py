# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""vmctl start: what its options make of a machine, before vmd(8) is asked."""

from __future__ import annotations

import re
import stat
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sandbox.model import access
from sandbox.model import vm_register as codes
from sandbox.model.errors import text
from sandbox.model.vm_conf import DISKS_MAX, NICS_MAX, Disk, Nic, Vm
from sandbox.model.vm_world import FileWorld
from sandbox.model.vmctl_words import Failed, Name, size, usage
from sandbox.options import OptionError, getopt

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.call import Call
    from sandbox.machine import Machine

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_ONCE = {"b": "boot image", "B": "boot device", "r": "iso image", "i": "interfaces", "m": "memory"}
_WORDS = {
    codes.BIOS_MISSING: "vmm bios firmware file not found.",
    codes.DISK_MISSING: "could not open disk image(s)",
    codes.CDROM_MISSING: "could not find specified iso image",
    codes.CDROM_INVALID: "specified iso image is not a regular file",
    codes.PARENT_INVALID: "invalid template",
}


@dataclass(frozen=True)
class Request:
    name: Name
    vm: Vm
    console: bool = False


def explain(code: int) -> str:
    words = _WORDS.get(code) or f"start vm command failed: {text(code)}"
    return f"vmctl: {words}\n"


def parse(machine: Machine, call: Call, words: list[str], warn: Callable[[str], None]) -> Request:
    """The command line; paths are resolved at once."""
    try:
        options = getopt(words, "b:B:cd:i:Lm:n:r:t:")
    except OptionError as error:
        raise Failed(f"vmctl: {error}\n{usage('start')}") from None
    world = FileWorld(machine, call.uid, call.cwd)
    vm, count, seen = Vm(""), 0, set()
    for letter, value in options.given:
        if letter in _ONCE and letter in seen:
            raise Failed(f"vmctl: {_ONCE[letter]} specified multiple times\n")
        seen.add(letter)
        if letter == "b":
            vm = replace(vm, boot=_resolve(world, value, "invalid boot image path"))
        elif letter == "B":
            if value not in ("disk", "cdrom", "net"):
                raise Failed(f"vmctl: unknown boot device {value}\n")
            vm = replace(vm, boot_device=value)
        elif letter == "r":
            vm = replace(vm, cdrom=_resolve(world, value, f"invalid iso image path: {value}"))
        elif letter == "d":
            vm = replace(vm, disks=(*vm.disks, _disk(world, value)))
        elif letter == "m":
            vm = replace(vm, memory=size(value, "memory", warn))
        elif letter == "i":
            count = _count(value)
        elif letter in "nL":
            nic = Nic(switch=value) if letter == "n" else Nic(local=True)
            vm = replace(vm, nics=(*vm.nics, nic))
        elif letter == "t":
            vm = replace(vm, parent=value)
    if len(options.operands) != 1:
        raise Failed(usage("start"))
    name = Name.parse(options.operands[0])
    vm = replace(vm, name=name.text, nics=vm.nics + (Nic(),) * (count - len(vm.nics)))
    return Request(name, vm, options.has("c"))


def _resolve(world: FileWorld, path: str, message: str) -> str:
    try:
        return world.realpath(path)
    except OSError as error:
        raise Failed(f"vmctl: {message}: {error.strerror}\n") from None


def _disk(world: FileWorld, word: str) -> Disk:
    kind, _, path = word.rpartition(":")
    if kind not in ("raw", "qcow2"):
        kind, path = "", word
    path = _resolve(world, path, f"invalid disk path: {path}")
    return Disk(path, kind or ("qcow2" if world.is_qcow2(path) else "raw"))


def _count(word: str) -> int:
    if not word.isdigit() or int(word) < 1:
        reason = "too small" if word.lstrip("-").isdigit() else "invalid"
        raise Failed(f"vmctl: count is {reason}: {word}\nvmctl: invalid interface count: {word}\n")
    return int(word)


def check(machine: Machine, call: Call, request: Request, warn: Callable[[str], None]) -> Vm:
    """The machine to ask for; what vmctl itself refuses ends here."""
    vm = request.vm
    present = {
        "memory": vm.memory,
        "interface": vm.nics,
        "disk": vm.disks,
        "kernel": vm.boot,
        "cdrom": vm.cdrom,
        "instance": vm.parent,
    }
    given = frozenset(kind for kind, value in present.items() if value)
    if given and not vm.parent:
        if len(vm.disks) > DISKS_MAX:
            raise Failed("vmctl: too many disks\n")
        if not vm.boot and not vm.disks:
            warn("vmctl: starting without disks\n")
            if not vm.cdrom:
                raise Failed("vmctl: no kernel or disk/cdrom specified\n")
        if len(vm.nics) > NICS_MAX:
            raise Failed("vmctl: too many network interfaces\n")
        if not vm.boot and not vm.nics:
            warn("vmctl: starting without network interfaces\n")
    if request.name.text and not _NAME.fullmatch(vm.name):
        raise Failed("vmctl: invalid VM name\n")
    if vm.boot:
        _check_kernel(machine, call, vm.boot)
    return replace(vm, given=given)


def _check_kernel(machine: Machine, call: Call, path: str) -> None:
    try:
        access.check(machine, call.uid, path, access.READ)
    except OSError as error:
        reason = text(error.errno or 0)
        raise Failed(f"vmctl: cannot open kernel '{path}': {reason}\n") from None
    if not stat.S_ISREG(machine.files.stat(path).st_mode):
        raise Failed("vmctl: kernel must be a regular file\n")
