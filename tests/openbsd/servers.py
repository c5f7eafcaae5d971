# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Servers to test on: the disk of each starts as the image, and is thrown away."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from openbsd import firmware, qemu, ssh
from openbsd.console import tail
from openbsd.errors import OpenBSDError, write_error
from openbsd.guest import Guest, new_cable
from openbsd.image import Image, Teller, image, limits
from openbsd.settings import Settings

_LOG_LINES = 60
_DISK = "disk.qcow2"
_BOOTED = "sysctl -n kern.boottime\n"
_BETWEEN_LOOKS = 5.0
# The addresses of two servers on the network that they have between them.
_BETWEEN = """\
echo inet 10.0.77.{number}/24 >/etc/hostname.vio1
chmod 640 /etc/hostname.vio1
sh /etc/netstart vio1
"""


@dataclass(frozen=True)
class Servers:
    """``directory``: absolute; has a directory for each server, and ssh_config."""

    directory: Path

    @property
    def config(self) -> Path:
        return self.directory / "ssh_config"

    def all(self) -> list[Guest]:
        """Return the servers there are, running or not."""
        return [Guest(log.parent) for log in sorted(self.directory.glob("*/console.log"))]

    def up(self, names: Sequence[str], settings: Settings, teller: Teller) -> None:
        """Start servers that do not run, and wait until ssh answers. Raises OpenBSDError."""
        machine = qemu.machine(settings)
        base = image(settings, teller)
        served = firmware.fetch(settings, teller.progress)
        guests = [Guest(self.directory / name) for name in names]
        cables = _cables(guests)
        fresh = [guest for guest in guests if guest.pid is None]
        numbers = {guest.name: number for number, guest in enumerate(guests, 1)}
        try:
            for guest in fresh:
                teller.say(f"starting {guest.name}; console: {guest.log}")
                self._start(
                    guest, base, machine, numbers[guest.name], served, cables.get(guest.name)
                )
            ports = {guest.name: guest.port for guest in guests}
            self.config.write_text(base.access.config(ports))
            for guest in fresh:
                guest.wait_for_ssh(self.config, limits(settings, machine).boot)
                name = f"{guest.name}.example.org"
                script = f"echo {name} >/etc/myname; hostname {name}\n"
                if guest.name in cables:
                    script += _BETWEEN.format(number=numbers[guest.name])
                ssh.run(self.config, guest.name, script, 300)
        except OpenBSDError as error:
            shown = "".join(_shown(guest) for guest in fresh)
            self.down()
            raise OpenBSDError(f"{error}{shown}") from error
        except BaseException:
            self.down()
            raise

    def reboot(self, names: Sequence[str], settings: Settings) -> None:
        """Reboot servers one after the other, and wait until ssh answers. Raises OpenBSDError."""
        allowed = limits(settings, qemu.machine(settings))
        for name in names:
            guest = Guest(self.directory / name)
            before = ssh.run(self.config, name, _BOOTED, allowed.shutdown)
            with contextlib.suppress(OpenBSDError):
                # The connection may go before the answer comes.
                ssh.run(self.config, name, "shutdown -r now\n", allowed.shutdown)
            until = time.monotonic() + allowed.shutdown + allowed.boot
            try:
                while True:
                    ssh.wait(self.config, name, until, guest.check)
                    if ssh.run(self.config, name, _BOOTED, allowed.boot) != before:
                        break
                    if time.monotonic() > until:
                        raise OpenBSDError(f"{name} does not reboot")
                    time.sleep(_BETWEEN_LOOKS)
            except OpenBSDError as error:
                raise OpenBSDError(f"{error}{_shown(guest)}") from error

    def down(self) -> None:
        """End all servers and throw their disks away; what their consoles showed is kept."""
        for guest in self.all():
            guest.stop()
            for name in (_DISK, "port", "cable", "console.sock"):
                (guest.directory / name).unlink(missing_ok=True)
        self.config.unlink(missing_ok=True)

    def _start(
        self,
        guest: Guest,
        base: Image,
        machine: qemu.Machine,
        number: int,
        served: Path,
        cable: qemu.Cable | None,
    ) -> None:
        disk = guest.directory / _DISK
        try:
            guest.directory.mkdir(parents=True, exist_ok=True)
            guest.log.write_text("")
            disk.unlink(missing_ok=True)
        except OSError as error:
            raise write_error(disk, error) from error
        done = subprocess.run(
            qemu.overlay(disk, base.disk),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise OpenBSDError(f"{disk}: {done.stderr.strip()}")
        guest.start(machine, disk, number, served, cable)


def _cables(guests: Sequence[Guest]) -> dict[str, qemu.Cable]:
    """Return what is between two servers; one that runs has its end already."""
    if len(guests) != 2:
        return {}
    first, second = guests
    turned = second.cable.turned if second.cable else None
    cable = first.cable or turned or new_cable()
    return {first.name: cable, second.name: cable.turned}


def _shown(guest: Guest) -> str:
    lines = "".join(f"| {line}\n" for line in tail(guest.log, _LOG_LINES))
    return f"\nThe console of {guest.name} shows last (all: {guest.log}):\n{lines}"
