# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What vmd(8) checks when a virtual machine is made known to it, by vm.conf or by vmctl start."""

from __future__ import annotations

import errno
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sandbox.model import access
from sandbox.model.errors import EPROCLIM
from sandbox.model.vm_conf import MEMORY_DEFAULT, Identity, Nic, Vm
from sandbox.model.vm_state import Known

if TYPE_CHECKING:
    from sandbox.machine import Machine

# vmd's own codes, which vmctl(8) has words for.
BIOS_MISSING, DISK_MISSING, STOP_INVALID = 1001, 1002, 1004
CDROM_MISSING, CDROM_INVALID, PARENT_INVALID = 1005, 1006, 1007

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_FIRST_MADE_UP = "fe:e1:bb:d{:x}:{:02x}:{:02x}"


class Refused(Exception):
    """With an errno; `known` is the machine that is there already, where it may be used."""

    def __init__(self, code: int, known: Known | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.known = known


def may(machine: Machine, uid: int, owner: Identity | None, running: Known | None = None) -> bool:
    """Whether a user may act on a machine: root, its owner, or one of the owner's group.

    A running machine belongs to who started it.
    """
    if uid == 0:
        return True
    if owner is None:
        return False
    if uid == (running.uid if running is not None and running.running else owner.uid):
        return True
    return owner.gid is not None and owner.gid in access.groups(machine, uid)


def _instance_owner(vm: Vm) -> Identity:
    # A block without `allow instance { owner ... }` leaves this to root and group 0.
    return vm.allow_owner or Identity(0, 0)


@dataclass
class Registry:
    """The machines that are known, by the order in which they became so."""

    machine: Machine
    log: Callable[[str], None]
    random_byte: Callable[[], int]
    vms: list[Known]

    def by_name(self, name: str) -> Known | None:
        return next((vm for vm in self.vms if vm.name == name), None)

    def by_id(self, vmid: int) -> Known | None:
        return next((vm for vm in self.vms if vm.vmid == vmid and vmid), None)

    def check(self, vm: Vm, uid: int, vmid: int = 0) -> Vm:
        """The machine as it is to be registered; Refused (EALREADY with the known one)."""
        template: Known | None = None
        if vm.parent:
            template = self.by_name(vm.parent)
            vm = self._instance(vm, template, uid)
        known = self.by_name(vm.name) or self.by_id(vmid)
        if known is not None:
            if not may(self.machine, uid, known.owner, known):
                raise Refused(errno.EPERM)
            raise Refused(errno.EALREADY, known)
        if not may(self.machine, uid, _instance_owner(template.config) if template else None):
            self.log("permission denied")
            raise Refused(errno.EPERM)
        if not vm.given:
            self.log("invalid configuration, no devices")
            raise Refused(DISK_MISSING)
        vm = replace(vm, memory=vm.memory or MEMORY_DEFAULT)
        if not vm.disks and not vm.cdrom and not (vm.boot and "kernel" in vm.given):
            self.log("no kernel or disk/cdrom specified")
            raise Refused(errno.EINVAL)
        if not _NAME.fullmatch(vm.name):
            self.log("invalid VM name")
            raise Refused(errno.EINVAL)
        return replace(vm, nics=tuple(self._nic(n, nic) for n, nic in enumerate(vm.nics)))

    def _nic(self, number: int, nic: Nic) -> Nic:
        if nic.lladdr:
            return nic
        made_up = _FIRST_MADE_UP.format(number + 1, self.random_byte(), self.random_byte())
        return replace(nic, lladdr=made_up)

    def _instance(self, vm: Vm, template: Known | None, uid: int) -> Vm:
        """The machine with what it inherits from its template."""
        if template is None:
            raise Refused(PARENT_INVALID)
        parent = template.config
        if not may(self.machine, uid, _instance_owner(parent)):
            self.log(f'vm "{parent.name}" no permission to create vm instance')
            raise Refused(errno.ENAMETOOLONG)
        if self.by_name(vm.name) is not None:
            raise Refused(EPROCLIM)
        self._instance_options(vm, template, uid)
        for disk in vm.disks:
            if disk.path in [used.path for used in parent.disks]:
                self.log(f'vm "{vm.name}" disk {disk.path} cannot be reused')
                raise Refused(errno.EBUSY)
        inherited = tuple(replace(nic, lladdr="") for nic in parent.nics[len(vm.nics) :])
        return replace(
            vm,
            given=vm.given - {"instance"},
            nics=vm.nics + inherited,
            memory=vm.memory or parent.memory,
            cdrom=vm.cdrom or parent.cdrom,
            owner=parent.owner if vm.owner.uid == 0 else vm.owner,
            allow=parent.allow if "instance" in parent.allow else frozenset(),
            allow_owner=parent.allow_owner if "instance" in parent.allow else Identity(),
        )

    def _instance_options(self, vm: Vm, template: Known, uid: int) -> None:
        parent = template.config
        wanted = {
            "memory": bool(vm.memory) and vm.memory != parent.memory,
            "disk": bool(vm.disks),
            "interface": bool(vm.nics) and len(vm.nics) != len(parent.nics),
            "kernel": bool(vm.boot or template.boot),
            "cdrom": bool(vm.cdrom),
        }
        words = {"disk": "disks", "interface": "interfaces", "kernel": "boot image"}
        for kind, needed in wanted.items():
            if needed and uid != 0 and kind not in parent.allow:
                self.log(f'vm "{vm.name}" no permission to set {words.get(kind, kind)}')
                raise Refused(errno.EPERM)
