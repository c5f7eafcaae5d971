# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""vmd(8): the daemon, its life, and the machines it knows."""

from __future__ import annotations

import errno
import os
import stat
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from sandbox.model import errors
from sandbox.model.guest.guest import Guests
from sandbox.model.rc.daemon import Daemon, Outcome
from sandbox.model.replay import Refused
from sandbox.target.call import Call, Handler, NotModelled, Result
from sandbox.target.options import getopt

from . import known as vms
from .conf import Config, Identity, Switch, read
from .known import Known, NoStart, Starter, may

if TYPE_CHECKING:
    from sandbox.model.machine import Machine

PROGRAM, SOCKET, VMM_NODE = "/usr/sbin/vmd", "/var/run/vmd.sock", "/dev/vmm"
CONFIGURATION = "/etc/vm.conf"
ASYNCHRONOUS = 0.2  # seconds until the privileged process has looked at a switch
# Seconds before the end of the time limit at which rc.subr(8) sends SIGTERM.
_LAST_CHANCE = 2
_DESCRIPTION_MAX = 63


@dataclass
class Life:
    """One life of the daemon, and what it has counted. One process stands for its five."""

    pid: int
    socket_owner: list[int] = field(default_factory=lambda: [0, 0])
    known_ids: dict[str, int] = field(default_factory=dict)
    switches: int = 0
    starts: int = 0


class Vmd(Daemon):
    """The daemon; `life` is None while it is down."""

    def __init__(self, machine: Machine) -> None:
        super().__init__(machine, "vmd")
        self.life: Life | None = None
        self.switches: list[Switch] = []
        self.vms: list[Known] = []
        self.guests = Guests(machine, self.ended)
        self.ends: dict[int, int] = {}  # how often each machine ended or rebooted, for waiters

    # the model's own life

    def start(self) -> None:
        """As after a loss of power: it runs again, and the VMs of vm.conf that ran are started."""
        if (names := self.state.pop("ran", None)) is not None:
            self.launch(())
            for vm in self.vms:
                if vm.name in names and not vm.running:
                    self.launch_vm(vm, vm.owner.uid)

    def stop(self) -> None:
        if self.life is not None:
            self.state["ran"] = [vm.name for vm in self.running]
            for vm in self.running:
                self.guests.kill(vm)
                self._release(vm, keep_tty=False)

    # the daemon's life

    @property
    def alive(self) -> bool:
        return self.life is not None

    @property
    def running(self) -> list[Known]:
        """In the order in which the kernel lists them: the last one started first."""
        return sorted((vm for vm in self.vms if vm.running), key=lambda vm: -vm.order)

    def log(self, text: str) -> None:
        self.machine.log("vmd", text, self.life.pid if self.life else None)

    def test(self, path: str = CONFIGURATION, *, named: bool = False) -> Outcome:
        """vmd -n: a file that is not there passes, with a warning if it was asked for."""
        try:
            text = self.machine.files.read_text(path)
        except OSError as error:
            said = f"vmd: failed to open {path}: {errors.text(error.errno or 0)}\n"
            return Outcome(ok=True, stderr=f"{said if named else ''}configuration OK\n")
        try:
            read(self.machine, path, text)
        except Refused as refused:
            return Outcome(ok=False, stderr=str(refused))
        return Outcome(ok=True, stderr="configuration OK\n")

    def launch(self, flags: tuple[str, ...]) -> Outcome:
        """It goes into the background before it reads anything, so it always seems to succeed."""
        if self.machine.faults.active("no_vmm"):
            reason = errors.text(errno.ENODEV)
            self.log(f"fatal: {VMM_NODE}: {reason}")
            return Outcome(ok=False, stderr=f"vmd: {VMM_NODE}: {reason}\n")
        self.life = Life(self.machine.pid())
        self.log("startup")
        self.vms, self.switches = [], []
        self._make_socket()
        if self._read(CONFIGURATION):
            self._start_enabled()
        else:
            self._exit()
        return Outcome(ok=True)

    def _make_socket(self) -> None:
        files = self.machine.files
        if files.exists(SOCKET):
            files.remove(SOCKET)
        os.mknod(files.resolve(SOCKET), stat.S_IFSOCK | 0o660)
        files.chmod(SOCKET, 0o660)
        self._chown_socket()

    def _chown_socket(self) -> None:
        assert self.life is not None
        self.machine.files.chown(SOCKET, *self.life.socket_owner)

    def end(self, timeout: float = 0) -> Outcome:
        """As its rc.d script: stop every guest, one after the other, then the daemon.

        Guests that are not done two seconds before the limit (in seconds) lose their power.
        """
        deadline = time.monotonic() + self.machine.clock.real(max(0.0, timeout - _LAST_CHANCE))
        life, complete = self.life, True
        for vm in self.running:
            if vm.running and not vm.shutdown and time.monotonic() < deadline:
                self.request_stop(vm, 0, force=False)
            while vm.running and self.life is life and time.monotonic() < deadline:
                self.machine.wakeup.wait(deadline - time.monotonic())
            complete = complete and not vm.running
        if self.life is life and life is not None:
            self.log("terminating")
            self._exit()
        return Outcome(complete)

    def _exit(self) -> None:
        for vm in self.running:
            self._lose(vm)
            self._release(vm, keep_tty=False)
        self.life, self.vms, self.switches = None, [], []
        self.machine.wakeup.notify_all()

    def reload(self) -> Outcome:
        """SIGHUP; whether the file could be read is nowhere to be seen but in the log."""
        self.log("vmd_sighdlr: reload requested with SIGHUP")
        self.load()
        return Outcome()

    # configuration

    def load(self, more: str = "") -> bool:
        """Read vm.conf again, or another file in addition; False if it cannot be read.

        A reload forgets every machine that does not run, before anything else.
        """
        if not more:
            self.vms = [vm for vm in self.vms if vm.running]
        if not self._read(more or CONFIGURATION):
            return False
        self._start_enabled()
        return True

    def _read(self, path: str) -> bool:
        """What is read is registered at once, and the switches are looked at a moment later."""
        try:
            text = self.machine.files.read_text(path)
        except OSError as error:
            if path != CONFIGURATION:
                self.log(f"failed to open {path}: {errors.text(error.errno or 0)}")
            return error.errno == errno.ENOENT
        try:
            config = read(self.machine, path, text)
        except Refused as refused:
            for line in str(refused).splitlines():
                self.log(line.removeprefix("vmd: "))
            return False
        self._take(config)
        return True

    def _take(self, config: Config) -> None:
        assert self.life is not None
        if config.socket_owner is not None:
            self.life.socket_owner = [config.socket_owner.uid, config.socket_owner.gid or 0]
        self._chown_socket()
        for switch in config.switches:
            self.life.switches += 1
            self.switches.append(switch)
            interface = self.machine.network.interfaces.get(switch.interface)
            if interface is None:
                die = partial(self._die, self.life, switch.interface)
                self.machine.later(ASYNCHRONOUS, die)
                break
            text = f"switch{self.life.switches}-{switch.name}"
            interface.description, interface.up = text[:_DESCRIPTION_MAX], True
        for vm, disabled in config.vms:
            # A name that is known stays what it was, but for the kernel.
            if (known := self.by_name(vm.name)) is None:
                ids = self.life.known_ids
                known = Known(ids.setdefault(vm.name, len(ids) + 1), vm, waiting=not disabled)
                self.vms.append(known)
            known.boot, known.once = vm.boot, ""

    def _die(self, life: Life, interface: str) -> None:
        """A switch without its interface is the end of all."""
        if self.life is life:
            self.log(f'priv: priv_dispatch_parent: bridge "{interface}" does not exist')
            self._exit()

    def _start_enabled(self) -> None:
        """vmd(8) starts them in batches; one with all of them stands for those here."""
        for vm in [vm for vm in self.vms if vm.waiting]:
            vm.waiting = False
            self.launch_vm(vm, vm.owner.uid)

    # single machines

    def by_name(self, name: str) -> Known | None:
        return next((vm for vm in self.vms if vm.name == name), None)

    def launch_vm(self, vm: Known, uid: int) -> int:
        """Start a machine; 0 or an errno (or one of vmd's own codes)."""
        starter = Starter(self.machine, self.log, vm, self.running)
        vm.uid = uid
        try:
            starter.open()
            vm.taps = starter.opened
            if not vm.tty:
                used = {other.tty for other in self.vms}
                vm.tty = vms.open_tty(self.machine, uid, vm.owner.gid, used)
            starter.memory(sum(guest.used for guest in self.guests.running.values()))
        except NoStart as problem:
            if vm.tty:
                self.log(f"{vm.name}: failed to start vm")
            self._release(vm, keep_tty=False)
            return problem.code
        self._run(vm)
        return 0

    def _run(self, vm: Known) -> None:
        assert self.life is not None
        self.life.starts += 1
        vm.running, vm.order = True, self.life.starts
        vm.pid = self.machine.pid()
        self._attach(vm)
        self.log(f"started {vm.name} (vm {vm.vmid}) successfully, tty {vm.tty}")
        self.guests.boot(vm)

    def _attach(self, vm: Known) -> None:
        """Put the taps of a machine that has started into its switches and groups."""
        for number, (tap, nic) in enumerate(zip(vm.taps, vm.config.nics, strict=True)):
            interface = self.machine.network.get(tap)
            interface.description = f"vm{vm.vmid}-if{number}-{vm.name}"[:_DESCRIPTION_MAX]
            switch = next((known for known in self.switches if known.name == nic.switch), None)
            if switch is None and nic.switch:
                self.log(f'switch "{nic.switch}" not found')
            if switch is not None:
                try:
                    self.machine.network.add_member(switch.interface, tap)
                except OSError as error:
                    self.log(f"SIOCBRDGADD: {error.strerror}")
            for group in (nic.group, switch.group if switch else ""):
                if group and group not in interface.groups:
                    interface.groups.append(group)
            interface.up = True

    def ended(self, vm: Known, reboot: bool) -> None:
        """The guest's process is gone: after a crash, its reboot, or a shutdown."""
        again = reboot and not vm.shutdown and not vm.config.boot_device
        uid = vm.uid
        self._release(vm, keep_tty=again)
        if again:
            self.launch_vm(vm, uid)
        self.ends[vm.vmid] = self.ends.get(vm.vmid, 0) + 1
        self.machine.wakeup.notify_all()

    def _release(self, vm: Known, *, keep_tty: bool) -> None:
        for tap in vm.taps:
            self.machine.network.close_tap(tap)
        vm.running = vm.shutdown = False
        vm.pid, vm.taps, vm.once = 0, [], ""
        if not keep_tty:
            if vm.tty:
                vms.close_tty(self.machine, vm.tty)
            vm.tty, vm.uid = "", 0

    def _lose(self, vm: Known) -> None:
        """The guest is ended from outside."""
        reason = errors.text(errno.ENOENT)
        text = f"vcpu_run_loop: vm {vm.vmid} / vcpu 0 run ioctl failed: {reason}"
        self.machine.log("vmd", text, vm.pid)
        self.guests.kill(vm)

    # what vmctl(8) asks for

    def request_start(self, name: str, uid: int, kernel: str) -> tuple[int, Known | None]:
        """An errno or 0, and the machine that was started. One that is not known has no disk."""
        vm = self.by_name(name)
        if vm is None:
            if not may(self.machine, uid, Identity()):
                self.log("permission denied")
                return errno.EPERM, None
            self.log("invalid configuration, no devices")
            return vms.DISK_MISSING, None
        if not may(self.machine, uid, vm.owner, vm):
            return errno.EPERM, None
        if vm.running:
            return errno.EALREADY, vm
        vm.once = kernel
        return self.launch_vm(vm, vm.owner.uid), vm

    def request_stop(self, vm: Known | None, uid: int, *, force: bool) -> int:
        """Ask for the end of a machine; 0 says that it was asked."""
        if vm is None:
            return errno.ENOENT
        if vm.shutdown and not force:
            return errno.EALREADY
        if not vm.running:
            return errno.EINVAL
        if not may(self.machine, uid, vm.owner, vm):
            return errno.EPERM
        if force:
            self._lose(vm)
            self.ended(vm, reboot=False)
        elif not vm.shutdown:
            vm.shutdown = True
            self.guests.shut_down(vm)
        return 0


def vmd(machine: Machine, call: Call) -> Result:
    """vmd -n; the daemon itself is rcctl(8)'s to start."""
    options = getopt(call.argv[1:], "nf:")
    if options.operands or not options.has("n"):
        raise NotModelled(" ".join(call.argv[1:]))
    path = options.last("f")
    outcome = machine.vmd.test(call.absolute(path or CONFIGURATION), named=path is not None)
    return Result(int(not outcome.ok), "", outcome.stderr)


COMMANDS: dict[str, Handler] = {PROGRAM: vmd}
