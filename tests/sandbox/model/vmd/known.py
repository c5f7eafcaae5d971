# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What vmd(8) keeps of a virtual machine it knows, and what it opens to start one."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sandbox.model import errors
from sandbox.model.accounts import accounts

from .conf import MEGABYTE, MEMORY_DEFAULT, Identity, Vm

if TYPE_CHECKING:
    from sandbox.model.machine import Machine

BIOS = "/etc/firmware/vmm-bios"
# vmd's own codes, which vmctl(8) has words for.
BIOS_MISSING, DISK_MISSING, CDROM_MISSING = 1001, 1002, 1005
# A running machine has its BIOS twice, and the second copy counts.
_BIOS_SIZE = 4 * MEGABYTE
# login.conf(5), class vmd: what one process may have.
_DATA_SIZE, _FIRST_TOUCHED = 16 * 1024**3, 16 * MEGABYTE
_TTY_GROUP = 4
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


@dataclass
class Known:
    """A virtual machine, running or not."""

    vmid: int
    config: Vm
    boot: str = ""  # kernel of vm.conf, read again with each start
    once: str = ""  # kernel of `vmctl start -b`, for the next start only
    waiting: bool = False
    running: bool = False
    shutdown: bool = False
    paused: bool = False
    uid: int = 0  # who a running machine belongs to
    pid: int = 0
    tty: str = ""
    taps: list[str] = field(default_factory=list)
    order: int = 0  # of the start, among all starts

    @property
    def name(self) -> str:
        return self.config.name

    @property
    def owner(self) -> Identity:
        return self.config.owner

    @property
    def memory(self) -> int:
        return (self.config.memory or MEMORY_DEFAULT) + (_BIOS_SIZE if self.running else 0)

    @property
    def state(self) -> str:
        """What vmctl status shows."""
        word = "stopping" if self.shutdown else "running" if self.running else "stopped"
        return "paused" if self.paused else word


class NoStart(Exception):
    """With an errno or one of vmd's own codes."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def may(machine: Machine, uid: int, owner: Identity, running: Known | None = None) -> bool:
    """Whether a user may act on a machine: root, its owner, or one of the owner's group.

    A running machine belongs to who started it.
    """
    if uid in (0, running.uid if running is not None and running.running else owner.uid):
        return True
    return owner.gid is not None and owner.gid in accounts.groups(machine, uid)


@dataclass
class Starter:
    """Starts one machine; what was opened is given back if something is missing."""

    machine: Machine
    log: Callable[[str], None]
    vm: Known
    running: list[Known]
    opened: list[str] = field(default_factory=list)

    def open(self) -> None:
        """Kernel, disks, taps; raises NoStart."""
        try:
            self._kernel()
            self._cdrom()
            self._disks()
            self._taps()
        except NoStart:
            self.log(f"failed to start vm {self.vm.name}")
            for tap in self.opened:
                self.machine.network.close_tap(tap)
            raise

    def _kernel(self) -> None:
        reason, path = errors.text(errno.ENOENT), self.vm.boot or BIOS
        if self.vm.once or self.machine.files.exists(path):
            return
        if self.vm.boot:
            self.log(f"config_setvm: can't open kernel or BIOS boot image {path}: {reason}")
            raise NoStart(errno.ENOENT)
        self.log(f"can't open {BIOS}: {reason}")
        raise NoStart(BIOS_MISSING)

    def _cdrom(self) -> None:
        path = self.vm.config.cdrom
        if path and not self.machine.files.exists(path):
            self.log(f"can't open cdrom {path}: {errors.text(errno.ENOENT)}")
            raise NoStart(CDROM_MISSING)

    def _disks(self) -> None:
        locked = {disk.path for vm in self.running for disk in vm.config.disks}
        for disk in self.vm.config.disks:
            code = 0 if self.machine.files.exists(disk.path) else errno.ENOENT
            if code := code or (errno.EAGAIN if disk.path in locked else 0):
                self.log(f"can't open disk {disk.path}: {errors.text(code)}")
                raise NoStart(DISK_MISSING)

    def _taps(self) -> None:
        for _nic in self.vm.config.nics:
            try:
                self.opened.append(self.machine.network.open_tap())
            except OSError as error:
                self.log(f"config_setvm: can't open /dev/{error.filename}")
                raise NoStart(error.errno or errno.EINVAL) from None

    def memory(self, used: int) -> None:
        """What the new process itself finds missing; `used` bytes are what the others have touched.

        Memory is not reserved: a server takes machines with more than it has, until they use it.
        """
        full = used + _FIRST_TOUCHED > int(self.machine.sysctl.get("hw.physmem"))
        if full or self.vm.config.memory > _DATA_SIZE:
            raise NoStart(errno.ENOMEM)


def open_tty(machine: Machine, uid: int, gid: int | None, used: set[str]) -> str:
    """Give the first free pty to a user; with an owner group the group may use it, too."""
    number = next(n for n in range(len(_DIGITS)) if f"/dev/ttyp{_DIGITS[n]}" not in used)
    path = f"/dev/ttyp{_DIGITS[number]}"
    machine.ttys.open(path, number)
    machine.files.chown(path, uid, _TTY_GROUP if gid is None else gid)
    machine.files.chmod(path, 0o620 if gid is None else 0o660)
    return path


def close_tty(machine: Machine, path: str) -> None:
    machine.ttys.close(path)
    if machine.files.exists(path):
        machine.files.chown(path, 0, 0)
        machine.files.chmod(path, 0o666)
