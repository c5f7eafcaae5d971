# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What vmd(8) opens before a virtual machine's process starts, and what can be missing."""

from __future__ import annotations

import errno
import stat
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sandbox.model import images
from sandbox.model.errors import text
from sandbox.model.vm_register import BIOS_MISSING, CDROM_MISSING, DISK_MISSING

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.machine import Machine
    from sandbox.model.vm_state import Known

BIOS = "/etc/firmware/vmm-bios"
RATE_SECONDS, RATE_LIMIT = 6, 3
# login.conf(5), class vmd: what one process may have. And virtual processors of a server.
DATA_SIZE = 16 * 1024**3
VCPUS_MAX = 512
FIRST_TOUCHED = 16 * 1024**2
_TTY_GROUP = 4
_PTYS = 62


class NoStart(Exception):
    """With an errno or one of vmd's own codes."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@dataclass
class Starter:
    """Starts one machine; what was opened is given back if something is missing."""

    machine: Machine
    log: Callable[[str], None]
    vm: Known
    running: list[Known]
    opened: list[str] = field(default_factory=list)

    def slow_enough(self) -> bool:
        """False for the third start in a row within six seconds each."""
        vm, now = self.vm, time.monotonic()
        if vm.started_at is not None:
            fast = now - vm.started_at < self.machine.clock.real(RATE_SECONDS)
            vm.restarts = vm.restarts + 1 if fast else 0
            if vm.restarts >= RATE_LIMIT:
                self.log(f"config_setvm: vm {vm.vmid} restarted too quickly")
                return False
        vm.started_at = now
        return True

    def open(self) -> None:
        """Kernel, cdrom, disks, taps; raises NoStart."""
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
        if self.vm.once:
            return
        if self.vm.boot:
            if not self.machine.files.exists(self.vm.boot):
                reason = text(errno.ENOENT)
                self.log(
                    f"config_setvm: can't open kernel or BIOS boot image {self.vm.boot}: {reason}"
                )
                raise NoStart(errno.ENOENT)
        elif not self.machine.files.exists(BIOS):
            self.log(f"can't open {BIOS}: {text(errno.ENOENT)}")
            raise NoStart(BIOS_MISSING)

    def _cdrom(self) -> None:
        path = self.vm.config.cdrom
        if path and not self.machine.files.exists(path):
            self.log(f"can't open cdrom {path}: {text(errno.ENOENT)}")
            raise NoStart(CDROM_MISSING)

    def _disks(self) -> None:
        locked = {disk.path for vm in self.running for disk in vm.config.disks}
        for disk in self.vm.config.disks:
            if not self.machine.files.exists(disk.path):
                self._disk(disk.path, errno.ENOENT)
            if disk.path in locked:
                self._disk(disk.path, errno.EAGAIN)
            locked.add(disk.path)
            if not stat.S_ISREG(self.machine.files.stat(disk.path).st_mode):
                self.log(f'vm "{self.vm.name}" unable to access disk {disk.path}')
                raise NoStart(-1)
            try:
                image = images.Image(self.machine.files, disk.path, disk.format)
                image.bases()
            except ValueError as error:
                self.log(str(error))
                self.log(f'vm "{self.vm.name}" unable to read base for disk {disk.path}')
                raise NoStart(-1) from None

    def _disk(self, path: str, code: int) -> None:
        self.log(f"can't open disk {path}: {text(code)}")
        raise NoStart(DISK_MISSING)

    def _taps(self) -> None:
        for nic in self.vm.config.nics:
            fixed = "" if nic.tap in ("", "tap") else nic.tap
            try:
                self.opened.append(self.machine.network.open_tap(name=fixed))
            except OSError as error:
                self.log(f"config_setvm: can't open /dev/{error.filename}")
                raise NoStart(error.errno or errno.EINVAL) from None

    def memory(self, used: int) -> None:
        """What the new process itself finds missing; `used` bytes are what the others have touched.

        Memory is not reserved: a server takes machines with more than it has, until they use it.
        """
        full = used + FIRST_TOUCHED > int(self.machine.sysctl.get("hw.physmem"))
        too_big = self.vm.config.memory > DATA_SIZE
        if full or too_big or len(self.running) >= VCPUS_MAX:
            raise NoStart(errno.ENOMEM)


def open_tty(machine: Machine, uid: int, gid: int | None, used: set[str]) -> str:
    """Give the first free pty to a user; with an owner group the group may use it, too."""
    number = next(n for n in range(_PTYS) if pty(n) not in used)
    path = pty(number)
    machine.ttys.open(path, number)
    machine.files.chown(path, uid, _TTY_GROUP if gid is None else gid)
    machine.files.chmod(path, 0o620 if gid is None else 0o660)
    return path


def close_tty(machine: Machine, path: str) -> None:
    machine.ttys.close(path)
    if machine.files.exists(path):
        machine.files.chown(path, 0, 0)
        machine.files.chmod(path, 0o666)


def pty(number: int) -> str:
    digits = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    return f"/dev/ttyp{digits[number]}"
