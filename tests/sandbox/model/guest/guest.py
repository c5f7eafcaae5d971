# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What runs inside a virtual machine: the BIOS, the installer, or an installed system.

Seconds are those of a real machine; the clock's speed shortens them.
"""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from . import images
from .installer import Installation
from .web import GuestNetwork

if TYPE_CHECKING:
    from sandbox.model.machine import Machine
    from sandbox.model.vmd.known import Known

BOOT = 20  # until sshd(8) of an installed system answers
SHUTDOWN = 20
RAMDISK_SHUTDOWN = 2
NO_INIT = 120  # vmd's patience with a guest that acknowledged and does nothing
READER_SECONDS = 4  # real ones, whatever the clock's speed
RAMDISK_NAME = "bsd.rd"

# What a guest is doing. Those with vmmci(4) heed a request to shut down.
BIOS, FOREIGN = "bios", "foreign"
INSTALLING, RAMDISK, NO_ROOT, OPENBSD = "installing", "ramdisk", "no root", "openbsd"
_GOODBYE = {INSTALLING: RAMDISK_SHUTDOWN, RAMDISK: RAMDISK_SHUTDOWN, NO_ROOT: NO_INIT}


@dataclass
class Guest:
    """A booted guest; `addresses` are there once it is up."""

    vm: Known
    kind: str
    record: dict[str, Any] = field(default_factory=dict)
    up: bool = False
    addresses: list[str] = field(default_factory=list)
    typed: str = ""  # what its terminal echoed
    cancelled: threading.Event = field(default_factory=threading.Event)

    @property
    def used(self) -> int:
        """Bytes of the server's memory; grows as the guest gets on."""
        mib = 17.0 if self.up else 16.2
        return int((48 if self.kind == OPENBSD else mib) * 1024**2)


class Guests:
    """All guests of a server, by the machine's name; `ended` is called at each end."""

    def __init__(self, machine: Machine, ended: Callable[[Known, bool], None]) -> None:
        self.machine = machine
        self.ended = ended
        self.running: dict[str, Guest] = {}

    # what tests and other models ask

    def at(self, address: str) -> Guest | None:
        """The guest that is up, on a switch that is up, with port 22 open on the address."""
        sought = ipaddress.ip_address(address)
        for guest in self.running.values():
            if sought not in [ipaddress.ip_address(text) for text in guest.addresses]:
                continue
            if guest.up and self._attached(guest.vm):
                return guest
        return None

    # what vmd does to guests

    def boot(self, vm: Known) -> None:
        guest = Guest(vm, BIOS)
        self.running[vm.name] = guest
        kernel = vm.once or vm.boot
        guest.record = self._record(vm) or {}
        # By its name alone: any kernel with this in its name is the installer's.
        if RAMDISK_NAME in kernel.rpartition("/")[2]:
            self._ramdisk(guest)
        elif vm.config.boot_device == "cdrom":
            # fw_cfg_init() of vmd/fw_cfg.c has the BIOS begin with it.
            guest.kind = FOREIGN
            self._say(guest, "Booting from DVD/CD...")
        elif guest.record:
            self._boot_installed(guest)
        elif kernel:
            guest.kind = NO_ROOT
            self._say(guest, "root device: ")
            self.machine.later(1, lambda: setattr(guest, "up", True))
        else:
            self._bios(guest)

    def _bios(self, guest: Guest) -> None:
        disks = guest.vm.config.disks[:1]
        blank = all(self._image(disk.path, disk.format).is_blank() for disk in disks)
        guest.kind = BIOS if blank else FOREIGN
        self._say(guest, "Booting from Hard Disk...")
        if blank:
            self._say(guest, "No active partition")

    def shut_down(self, vm: Known) -> None:
        """The request of vmmci(4), to which no answer comes without a driver, or while paused."""
        guest = self.running[vm.name]
        if guest.kind in (BIOS, FOREIGN) or vm.paused:
            self._end(guest, reboot=False)
            return
        seconds = _GOODBYE.get(guest.kind, SHUTDOWN)
        self._say(guest, "syncing disks... done")
        self.machine.later(seconds, lambda: self._end(guest, reboot=True))

    def kill(self, vm: Known) -> None:
        """Take the machine away from the guest without calling `ended`."""
        guest = self.running.pop(vm.name, None)
        if guest is not None:
            guest.cancelled.set()
            guest.up = False

    def _end(self, guest: Guest, *, reboot: bool) -> None:
        if self.running.get(guest.vm.name) is not guest:
            return
        self.kill(guest.vm)
        self.ended(guest.vm, reboot)

    # inside

    def _say(self, guest: Guest, line: str) -> None:
        """A line of the console, or a prompt, which ends in a blank."""
        if guest.vm.tty:
            end = "" if line.endswith(" ") else "\r\n"
            guest.typed += self.machine.ttys.write(guest.vm.tty, line + end)
        for (text,) in self.machine.faults.arguments("processor_dies"):
            if text in line:
                self.machine.faults.replace(("processor_dies", text), None)
                self.machine.later(0, lambda: self._end(guest, reboot=True))

    def _image(self, path: str, kind: str) -> images.Image:
        return images.Image(self.machine.files, path, kind)

    def _record(self, vm: Known) -> dict[str, Any] | None:
        for disk in vm.config.disks[:1]:
            return self._image(disk.path, disk.format).record()
        return None

    def _ramdisk(self, guest: Guest) -> None:
        config = guest.vm.config
        if config.boot_device != "net" or not config.nics:
            guest.kind = RAMDISK
            self._say(guest, "(I)nstall, (U)pgrade, (A)utoinstall or (S)hell? ")
            return
        guest.kind = INSTALLING
        (disk,) = config.disks
        image = images.Image(self.machine.files, disk.path, disk.format)
        job = Installation(
            self.machine, config.nics[0].lladdr, guest.vm.taps[0], image,
            lambda line: self._say(guest, line), lambda: guest.typed,
        )  # fmt: skip

        def run() -> None:
            self.machine.ttys.wait_for_reader(guest.vm.tty, READER_SECONDS)
            result = job.run(guest.cancelled)
            with self.machine.lock:
                if guest.cancelled.is_set():
                    return
                if result == "reboot":
                    self._end(guest, reboot=True)
                else:
                    guest.kind = RAMDISK

        threading.Thread(target=run, name=f"guest {guest.vm.name}", daemon=True).start()

    def _boot_installed(self, guest: Guest) -> None:
        guest.kind = OPENBSD
        self._say(guest, "booting hd0a:/bsd")
        self.machine.later(BOOT, lambda: self._come_up(guest))

    def _come_up(self, guest: Guest) -> None:
        if guest.cancelled.is_set():
            return
        guest.up = True
        guest.addresses = self._addresses(guest)
        self._say(guest, f"OpenBSD/amd64 ({guest.record.get('hostname', '')}) (tty00)")
        self._say(guest, "login: ")
        self.machine.wakeup.notify_all()

    def _addresses(self, guest: Guest) -> list[str]:
        """What dhcpd(8) gives its first interface, and the IPv6 address it was installed with."""
        nics, leased = guest.vm.config.nics, []
        if nics:
            lease = GuestNetwork(self.machine, guest.vm.taps[0], nics[0].lladdr).ask_for_lease()
            leased = [str(lease.address.ip)] if lease else []
        return [*leased, *([guest.record["ipv6"]] if guest.record["ipv6"] else [])]

    def _attached(self, vm: Known) -> bool:
        network = self.machine.network
        return any(network.neighbours(tap) for tap in vm.taps)
