# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Command lines of QEMU, and whether KVM can be used."""

from __future__ import annotations

import fcntl
import os
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from openbsd.errors import OpenBSDError
from openbsd.settings import Settings

SYSTEM = "qemu-system-x86_64"
IMAGE = "qemu-img"
# Debian's and Ubuntu's packages.
PACKAGES = {SYSTEM: "qemu-system-x86", IMAGE: "qemu-utils"}

# What the guest sees the host as, see QEMU's documentation of user networking.
HOST = "10.0.2.2"
# pxeboot(8) under the name that makes the installer unattended, see autoinstall(8).
BOOT_FILE = "auto_install"

# Where a guest that may reach nothing else finds what is served to it.
SERVED = "10.0.2.100"
_INETD = Path(__file__).with_name("inetd.py")

_KVM_CREATE_VM = 0xAE01
# Seconds until the BIOS has said something: with KVM it takes one.
_SPEAKS_WITHIN = 20
_BIOS = b"SeaBIOS"

_KVM_CPU = "host"
# TCG emulates AMD's SVM for it, which vmd(8) needs to start a VM.
_TCG_CPU = "max"

_NOTHING_ELSE = (
    *("-nodefaults", "-no-user-config", "-display", "none", "-vga", "none"),
    # Without graphics, SeaBIOS shows what boot loaders print on the serial console.
    *("-machine", "pc,graphics=off"),
)


@dataclass(frozen=True)
class Machine:
    """What all guests have in common. ``memory``: MiB. ``slow``: without KVM."""

    program: str
    cpu: str
    memory: int
    cores: int
    slow: bool


def machine(settings: Settings, why_not_kvm: Callable[[str, str], str] | None = None) -> Machine:
    """Return the machine that suits settings and host. Raises OpenBSDError."""
    emulator = program(SYSTEM)
    if settings.accelerator != "tcg":
        reason = (why_not_kvm or kvm_complaint)(emulator, settings.cpu or _KVM_CPU)
        if not reason:
            cpu = settings.cpu or _KVM_CPU
            return Machine(emulator, cpu, settings.memory, settings.cores, slow=False)
        if settings.accelerator == "kvm":
            raise OpenBSDError(f"OPENBSD_ACCELERATOR is kvm, but KVM cannot be used here: {reason}")
    if settings.cores > 1:
        raise OpenBSDError(
            f"OPENBSD_CORES is {settings.cores}, but without KVM, VMs in an emulated machine with "
            "several processors crash or hang, so leave it at 1"
        )
    return Machine(emulator, settings.cpu or _TCG_CPU, settings.memory, settings.cores, slow=True)


def program(name: str) -> str:
    """Return the path of a program. Raises OpenBSDError that names the package."""
    path = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/libexec")
    if path is None:
        raise OpenBSDError(f"{name} is missing: sudo apt-get install {PACKAGES[name]}")
    return path


def kvm_complaint(emulator: str, cpu: str, device: str = "/dev/kvm") -> str:
    """Return why KVM cannot be used, empty if it can.

    The device is often there and of no use, or makes machines in which QEMU cannot start this CPU:
    only a running guest shows it.
    """
    try:
        kvm = os.open(device, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        return f"{device}: {error.strerror}"
    try:
        os.close(fcntl.ioctl(kvm, _KVM_CREATE_VM, 0))
    except OSError as error:
        return f"{device}: no machine can be made: {error.strerror}"
    finally:
        os.close(kvm)
    return _silence(emulator, cpu)


def _silence(emulator: str, cpu: str) -> str:
    """Return what QEMU says instead of what the BIOS should say, empty if that speaks."""
    words = [emulator, *_NOTHING_ELSE, *("-accel", "kvm", "-cpu", cpu), "-serial", "stdio"]
    process = subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    timer = threading.Timer(_SPEAKS_WITHIN, process.kill)
    timer.start()
    said = b""
    try:
        assert process.stdout is not None
        while _BIOS not in said and (piece := os.read(process.stdout.fileno(), 4096)):
            said += piece
    finally:
        timer.cancel()
        process.kill()
        process.communicate()
    if _BIOS in said:
        return ""
    return said.decode(errors="replace").strip() or f"the BIOS said nothing in {_SPEAKS_WITHIN} s"


def installation(machine: Machine, disk: Path, tftp: Path) -> list[str]:
    """Return the command that boots the installer from ``tftp``, its console on standard output.

    It ends when the installer reboots.
    """
    boot = f"tftp={_escape(tftp)},bootfile={BOOT_FILE}"
    return [
        *_common(machine, disk, boot_index=2),
        *("-netdev", f"user,id=net0,{boot}"),
        *("-device", f"{_NIC},netdev=net0,mac=52:54:00:12:34:56,bootindex=1"),
        *("-serial", "stdio", "-no-reboot"),
    ]


@dataclass(frozen=True)
class Cable:
    """What two servers have between them: the UDP ports of 127.0.0.1 that are its ends."""

    own: int
    other: int

    @property
    def turned(self) -> Cable:
        """The same, as the other server has it."""
        return Cable(self.other, self.own)


def server(
    machine: Machine,
    disk: Path,
    ssh_port: int,
    number: int,
    served: Path | None = None,
    cable: Cable | None = None,
) -> list[str]:
    """Return the command that runs an installed server, number 1 to 255, from its disk.

    Its ssh is at that port of 127.0.0.1, its console at ``console.sock`` and in ``console.log`` of
    the current directory. It reaches nothing but the files of ``served``, at port 80 of SERVED, and
    by its second interface the server at the other end of ``cable``.
    """
    forward = f"restrict=on,hostfwd=tcp:127.0.0.1:{ssh_port}-:22"
    if served is not None:
        answer = shlex.join([sys.executable, str(_INETD), str(served)])
        forward += f",guestfwd=tcp:{SERVED}:80-cmd:{_escape(answer)}"
    console = "socket,id=console,path=console.sock,server=on,wait=off,logfile=console.log"
    return [
        *_common(machine, disk, boot_index=1),
        *("-netdev", f"user,id=net0,ipv6=off,{forward}"),
        *("-device", f"{_NIC},netdev=net0,mac=52:54:00:12:34:{number:02x},romfile="),
        *("-chardev", console, "-serial", "chardev:console"),
        *(_second(cable, number) if cable else ()),
    ]


def _second(cable: Cable, number: int) -> list[str]:
    ends = f"localaddr=127.0.0.1:{cable.own},udp=127.0.0.1:{cable.other}"
    card = f"virtio-net-pci,addr=5,netdev=net1,mac=52:54:00:12:35:{number:02x},romfile="
    return ["-netdev", f"socket,id=net1,{ends}", "-device", card]


_NIC = "virtio-net-pci,addr=4"


def _common(machine: Machine, disk: Path, boot_index: int) -> list[str]:
    # Without a limit, TCG takes up to a GiB for each guest.
    accelerator = "tcg,tb-size=256" if machine.slow else "kvm"
    drive = f"if=none,id=root,file={_escape(disk)},format=qcow2,cache=unsafe,discard=unmap"
    return [
        machine.program,
        *_NOTHING_ELSE,
        *("-accel", accelerator),
        *("-cpu", machine.cpu, "-smp", str(machine.cores), "-m", str(machine.memory)),
        *("-rtc", "base=utc", "-drive", drive),
        *("-device", f"virtio-blk-pci,addr=6,drive=root,bootindex={boot_index}"),
    ]


def new_disk(disk: Path, gibibytes: int) -> list[str]:
    """Return the command that makes an empty disk."""
    return [program(IMAGE), "create", "-q", "-f", "qcow2", str(disk), f"{gibibytes}G"]


def overlay(disk: Path, base: Path) -> list[str]:
    """Return the command that makes a disk which starts as ``base`` and leaves it alone."""
    backing = ("-b", str(base), "-F", "qcow2")
    return [program(IMAGE), "create", "-q", "-f", "qcow2", *backing, str(disk)]


def _escape(value: Path | str) -> str:
    return str(value).replace(",", ",,")
