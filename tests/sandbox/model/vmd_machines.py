# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The virtual machines that vmd(8) knows: made known, started, ended."""

from __future__ import annotations

import errno
import random
from typing import TYPE_CHECKING

from sandbox.model import vm_network, vm_start
from sandbox.model.errors import text
from sandbox.model.guest import Guests
from sandbox.model.vm_conf import Session, Switch, Vm
from sandbox.model.vm_register import Refused, Registry, may
from sandbox.model.vm_start import NoStart, Starter
from sandbox.model.vm_state import Known, Life

if TYPE_CHECKING:
    from sandbox.machine import Machine


class VirtualMachines:
    """The part of the daemon that deals with single machines. `life` is None while it is down."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.life: Life | None = None
        self.session = Session()
        self.switches: list[Switch] = []
        self.vms: list[Known] = []
        self.guests = machine.guests = Guests(machine, self.ended)
        self.ends: dict[int, int] = {}  # how often each machine ended or rebooted, for waiters
        self._random = random.Random()

    @property
    def running(self) -> list[Known]:
        """In the order in which the kernel lists them: the last one started first."""
        return sorted((vm for vm in self.vms if vm.running), key=lambda vm: -vm.order)

    def log(self, message: str, process: str = "parent") -> None:
        pid = getattr(self.life, process) if self.life else None
        self.machine.log("vmd", message.rstrip("\n"), pid)

    @property
    def registry(self) -> Registry:
        return Registry(self.machine, self.log, lambda: self._random.randrange(256), self.vms)

    def register(self, vm: Vm, uid: int, vmid: int = 0) -> Known:
        """Make a machine known; Refused as the registry does. Ids stay per name and user."""
        assert self.life is not None
        checked = self.registry.check(vm, uid, vmid)
        ids = self.life.known_ids
        known = Known(ids.setdefault(f"{vm.name} {uid}", len(ids) + 1), checked, from_config=False)
        self.vms.append(known)
        return known

    def launch_vm(self, vm: Known, uid: int) -> int:
        """Start a machine; 0 or an errno (or one of vmd's own codes)."""
        if vm.running:
            self.log("config_setvm: vm is already running")
            return errno.EALREADY
        starter = Starter(self.machine, self.log, vm, self.running)
        if not starter.slow_enough():
            return errno.EPERM
        vm.uid = uid
        try:
            starter.open()
        except NoStart as problem:
            return self._failed(vm, problem)
        vm.taps = starter.opened
        if not vm.tty:
            used = {other.tty for other in self.vms}
            vm.tty = vm_start.open_tty(self.machine, uid, vm.owner.gid, used)
        try:
            starter.memory(sum(guest.used for guest in self.guests.running.values()))
        except NoStart as problem:
            self.log(f"{vm.name}: failed to start vm")
            return self._failed(vm, problem)
        self._run(vm)
        return 0

    def _failed(self, vm: Known, problem: NoStart) -> int:
        self._release(vm, keep_tty=False)
        self._terminated(vm)
        return problem.code

    def _run(self, vm: Known) -> None:
        assert self.life is not None
        self.life.starts += 1
        vm.running, vm.started, vm.order = True, True, self.life.starts
        add = self.machine.processes.add
        vm.pid = add("_vmd", f"vmd: {vm.name} (vmd)", parent=self.life.vmm)
        devices = [f"vionet{n}" for n in range(len(vm.taps))]
        devices += [f"vioblk{n}" for n in range(len(vm.config.disks))]
        vm.device_pids = [
            add("_vmd", f"vmd: {vm.name}/{device} (vmd)", parent=vm.pid) for device in devices
        ]
        for message, process in vm_network.attach(self.machine, vm, self.switches, self.session):
            self.log(message, process)
        self.log(f"started {vm.name} (vm {vm.vmid}) successfully, tty {vm.tty}")
        self.guests.boot(vm)

    def ended(self, vm: Known, reboot: bool) -> None:
        """The guest's process is gone: by itself, at its reboot, or at the end of a shutdown."""
        again = reboot and not vm.shutdown and not vm.config.boot_device
        uid = vm.uid
        self._release(vm, keep_tty=again)
        if again:
            self.launch_vm(vm, uid)
        else:
            self._terminated(vm)
        self.ends[vm.vmid] = self.ends.get(vm.vmid, 0) + 1
        self.machine.wakeup.notify_all()

    def _release(self, vm: Known, *, keep_tty: bool) -> None:
        for pid in (vm.pid, *vm.device_pids):
            self.machine.processes.remove(pid)
        for tap in vm.taps:
            self.machine.network.close_tap(tap)
        vm.running = vm.shutdown = vm.paused = False
        vm.pid, vm.device_pids, vm.taps, vm.once = 0, [], [], ""
        if not keep_tty:
            if vm.tty:
                vm_start.close_tty(self.machine, vm.tty)
            vm.tty, vm.uid = "", 0

    def _terminated(self, vm: Known) -> None:
        """A machine of vm.conf stays known, another one is forgotten."""
        if not vm.from_config and vm in self.vms:
            self.vms.remove(vm)

    # what vmctl(8) asks for

    def request_start(self, vm: Vm, uid: int, vmid: int = 0) -> tuple[int, Known | None]:
        """An errno or 0, and the machine that was started."""
        try:
            known = self.register(vm, uid, vmid)
        except Refused as refused:
            if refused.known is None:
                return refused.code, None
            known = refused.known
            if known.running or vm.given - {"kernel"}:
                return errno.EALREADY, known
        known.once = vm.boot
        return self.launch_vm(known, known.owner.uid), known

    def request_stop(self, vm: Known | None, uid: int, *, force: bool) -> int:
        """Ask for the end of a machine; 0 says that it was asked."""
        code = self.check_running(vm, uid, force=force)
        if code or vm is None:
            return code
        if force:
            self._lose(vm)
            self.ended(vm, reboot=False)
        elif not vm.shutdown:
            vm.shutdown = True
            self.guests.shut_down(vm)
        return 0

    def check_running(self, vm: Known | None, uid: int, *, force: bool = False) -> int:
        if vm is None:
            return errno.ENOENT
        if vm.shutdown and not force:
            return errno.EALREADY
        if not vm.running:
            return errno.EINVAL
        return 0 if may(self.machine, uid, vm.owner, vm) else errno.EPERM

    def _lose(self, vm: Known) -> None:
        """The guest is ended from outside."""
        reason = text(errno.ENOENT)
        self.machine.log(
            "vmd", f"vcpu_run_loop: vm {vm.vmid} / vcpu 0 run ioctl failed: {reason}", vm.pid
        )
        self.guests.kill(vm)

    def _lose_all(self) -> None:
        for vm in self.running:
            self._lose(vm)
            self._release(vm, keep_tty=False)
