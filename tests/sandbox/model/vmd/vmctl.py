# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""vmctl(8): its commands, what they print, and whom vmd(8) lets do what."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sandbox.model import errors
from sandbox.model.accounts import accounts
from sandbox.model.guest import images
from sandbox.model.guest.guest import BIOS, NO_ROOT
from sandbox.target.call import NotModelled, Result
from sandbox.target.options import getopt

from . import known as vms
from . import vmd
from .conf import MEGABYTE, bytes_of

if TYPE_CHECKING:
    from sandbox.model.machine import Machine
    from sandbox.target.call import Call, Handler

    from .known import Known
    from .vmd import Life

_OWNER_MAX, _UNITS = 15, "BKMGTPE"
_WORDS = {
    vms.BIOS_MISSING: "vmm bios firmware file not found.",
    vms.CDROM_MISSING: "could not find specified iso image",
    vms.DISK_MISSING: "could not open disk image(s)",
}


class Failed(Exception):
    """The end of the command, with all that it still has to write."""


def run(machine: Machine, call: Call) -> Result:
    job = _Vmctl(machine, call)
    command, *words = call.argv[1:] or ("",)
    action: Callable[[list[str]], int] | None = getattr(job, f"do_{command}", None)
    if action is None:
        raise NotModelled(" ".join(call.argv[1:]))
    try:
        rc = action(words)
    except Failed as failed:
        rc = 1
        job.err.append(str(failed))
    return Result(rc, "".join(job.out), "".join(job.err))


@dataclass
class _Vmctl:
    """One call. Methods named after the commands return the exit status or raise Failed."""

    machine: Machine
    call: Call
    out: list[str] = field(default_factory=list)
    err: list[str] = field(default_factory=list)

    def connect(self) -> Life:
        """Raises Failed if there is no daemon, or this user cannot reach it."""
        reason = 0
        try:
            accounts.check(self.machine, self.call.uid, vmd.SOCKET, accounts.WRITE)
        except OSError as error:
            reason = error.errno or errno.EACCES
        life = self.machine.vmd.life
        if life is None or reason:
            reason = reason or errno.ECONNREFUSED
            raise Failed(f"vmctl: connect: {vmd.SOCKET}: {errors.text(reason)}\n")
        return life

    def root_only(self) -> Life:
        life = self.connect()
        if self.call.uid != 0:
            raise Failed(f"vmctl: command failed: {errors.text(errno.EPERM)}\n")
        return life

    def wait(self, life: Life, done: Callable[[], bool]) -> None:
        """Wait for the daemon, which may die, until `done`; the caller may give up."""
        current = self.machine.vmd
        with self.machine.wakeup:
            self.machine.wakeup.wait_for(
                lambda: self.call.cancelled.is_set() or current.life is not life or done()
            )
        if not done():
            raise Failed("vmctl: pipe closed\n" if current.life is not life else "")

    def answer(self, life: Life) -> None:
        """The answer to a request that succeeded; a build's quirk never gives one."""
        if self.machine.faults.active("vmctl_hangs"):
            self.wait(life, lambda: False)

    def single(self, words: list[str]) -> str:
        if len(words) != 1 or words[0].isdigit() or words[0].startswith("-"):
            raise NotModelled(" ".join(self.call.argv[1:]))
        return words[0]

    def do_create(self, words: list[str]) -> int:
        """Only an empty image: vmctl create -s SIZE [FORMAT:]PATH; it needs no daemon."""
        options = getopt(words, "s:")
        kind, _, path = self.single(list(options.operands)).rpartition(":")
        kind = kind or ("qcow2" if path.endswith(".qcow2") else "raw")
        size = bytes_of(options.last("s", "") or "")
        if size is None or size < MEGABYTE:
            raise NotModelled(" ".join(self.call.argv[1:]))
        try:
            self._make(kind, self.call.absolute(path), size // MEGABYTE * MEGABYTE)
        except OSError as error:
            reason = errors.text(error.errno or 0)
            raise Failed(f"vmctl: create imagefile operation failed: {reason}\n") from None
        self.err.append(f"vmctl: {kind} imagefile created\n")
        return 0

    def _make(self, kind: str, path: str, size: int) -> None:
        files, directory = self.machine.files, os.path.dirname(path)
        accounts.check(self.machine, self.call.uid, directory, accounts.WRITE)
        for full, *free in self.machine.faults.arguments("disk_full"):
            if path.startswith(full) and not free:
                raise errors.failure(errno.ENOSPC)
        make = images.create_qcow2 if kind == "qcow2" else images.create_raw
        make(files.resolve(path, follow=False), size)
        files.chown(path, self.call.uid, files.owner(directory)[1])

    def do_start(self, words: list[str]) -> int:
        """vmctl start [-b KERNEL] NAME."""
        options = getopt(words, "b:")
        name, kernel = self.single(list(options.operands)), options.last("b", "") or ""
        if kernel:
            try:
                accounts.check(self.machine, self.call.uid, kernel, accounts.READ)
            except OSError as error:
                reason = errors.text(error.errno or 0)
                raise Failed(f"vmctl: cannot open kernel '{kernel}': {reason}\n") from None
        self.connect()
        code, vm = self.machine.vmd.request_start(name, self.call.uid, kernel)
        if code or vm is None:
            text = _WORDS.get(code) or f"start vm command failed: {errors.text(code)}"
            raise Failed(f"vmctl: {text}\n")
        self.err.append(f"vmctl: started vm {vm.vmid} successfully, tty {vm.tty}\n")
        return 0

    def do_status(self, words: list[str]) -> int:
        options = getopt(words, "r")
        sought = self.single(list(options.operands)) if options.operands else ""
        self.connect()
        running = self.machine.vmd.running
        others = [] if options.has("r") else [vm for vm in self.machine.vmd.vms if not vm.running]
        self.out.append(_row(*"ID PID VCPUS MAXMEM CURMEM TTY OWNER STATE NAME".split()))
        for vm in (*running, *others):
            if sought in ("", vm.name):
                self.out.append(self.line(vm))
        return 0 if running or others else 1

    def line(self, vm: Known) -> str:
        current, tty, pid = "-", "-", "-"
        if vm.running:
            guest = self.machine.guests.running.get(vm.name)
            current = _shown(guest.used if guest else 0)
            tty, pid = vm.tty.removeprefix("/dev/"), str(vm.pid)
        uid = vm.uid if vm.running else vm.owner.uid
        user = self.machine.accounts.user(uid)
        owner = user.name if user else str(uid)
        if vm.owner.gid is not None and (group := self.machine.accounts.group(vm.owner.gid)):
            owner += f":{group.name}"
        memory = _shown(vm.memory)
        return _row(
            str(vm.vmid), pid, "1", memory, current, tty, owner[:_OWNER_MAX], vm.state, vm.name
        )

    def do_stop(self, words: list[str]) -> int:
        options = getopt(words, "fw")
        name = self.single(list(options.operands))
        life, current = self.connect(), self.machine.vmd
        self.err.append(f"stopping vm {name}: ")
        vm = current.by_name(name)
        ends = current.ends.get(vm.vmid, 0) if vm else 0
        code = current.request_stop(vm, self.call.uid, force=options.has("f"))
        if code or vm is None:
            missing = code == errno.ENOENT
            self.err.append("vm not found\n" if missing else f"failed: {errors.text(code)}\n")
            return 1
        if not options.has("w"):
            self.err.append(f"requested to shutdown vm {vm.vmid}\n")
            return 0
        self.wait(life, lambda: current.ends.get(vm.vmid, 0) > ends)
        self.err.append(f"terminated vm {vm.vmid}\n")
        return 0

    def do_pause(self, words: list[str]) -> int:
        """A processor pauses when it idles (vcpu_run_loop of vmd/vm.c): some guests never do."""
        guest = self.machine.guests.running[self.single(words)]
        guest.vm.paused = self.call.argv[1] == "pause" and guest.kind not in (BIOS, NO_ROOT)
        self.answer(self.connect())
        return 0

    do_unpause = do_pause

    def do_reload(self, words: list[str]) -> int:
        return self.configure("" if not words else self.single(["-"]))

    def do_load(self, words: list[str]) -> int:
        # The daemon opens the file, and its directory is /.
        return self.configure(f"/{self.single(words).lstrip('/')}")

    def configure(self, path: str) -> int:
        life = self.root_only()
        if not self.machine.vmd.load(path):
            raise Failed("vmctl: command failed\n")
        self.answer(life)
        return 0


def _row(*cells: str) -> str:
    widths = (5, 5, 5, 7, 7, 7, 12, 8)
    padded = [cell.rjust(width) for cell, width in zip(cells, widths, strict=False)]
    return " ".join((*padded, cells[-1])) + "\n"


def _shown(number: int) -> str:
    """A number of bytes in at most four digits, such as 68.0M."""
    unit = 0
    while unit < len(_UNITS) - 1 and number // 1024 >= 1024**unit:
        unit += 1
    whole, rest = divmod(number, 1024**unit)
    tenths = (10 * (rest // 1024 ** max(0, unit - 1)) + 512) // 1024
    if tenths >= 10:
        whole, tenths = whole + 1, 0
    if whole == 0:
        return "0B"
    if unit == 0 or whole >= 100:
        return f"{whole + (tenths >= 5)}{_UNITS[unit]}"
    return f"{whole}.{tenths}{_UNITS[unit]}"


def ps(machine: Machine, call: Call) -> Result:
    """ps -o state= -p PID of a VM: its process sleeps while its guest's processor idles."""
    pid = getopt(call.argv[1:], "o:p:").last("p")
    guests = [each for each in machine.vmd.guests.running.values() if str(each.vm.pid) == pid]
    return Result(0, "".join("R\n" if each.kind in (BIOS, NO_ROOT) else "S\n" for each in guests))


COMMANDS: dict[str, Handler] = {"/usr/sbin/vmctl": run, "/bin/ps": ps}
