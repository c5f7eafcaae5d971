# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The modelled server: the one list of its commands, its faults, and its parts."""

from __future__ import annotations

from typing import Any, ClassVar

from sandbox.target import machine
from sandbox.target.call import Handler

from .accounts import accounts, commands
from .dhcpd import dhcpd
from .guest import commands as guest
from .guest import ttys
from .httpd import httpd
from .network import ifconfig, netstart, network, ping
from .pf import pfctl
from .rc import rcctl, services
from .sensorsd import sensorsd
from .sshd import sshd
from .system import commands as system
from .system import fw_update, sysctl, vmm
from .vmd import vmctl, vmd

_MODULES = (
    commands, dhcpd, guest, httpd, ifconfig, netstart, pfctl, ping, rcctl, sshd, system, fw_update,
    sysctl, vmctl, vmd,
)  # fmt: skip


class Machine(machine.Machine):
    """Parts are made in this order, and start in it."""

    COMMANDS: ClassVar[dict[str, Handler]] = {
        path: handler for module in _MODULES for path, handler in module.COMMANDS.items()
    }
    FAULTS: ClassVar[dict[str, str]] = {
        "daemon_dies": "NAME [later|always]: it is not there after its next start, restart or"
        " reload; later: rcctl says ok, it ends a moment later; always: not only the next time",
        "vmctl_hangs": "vmctl reload and load do their work and never return",
        "errata": "NAME: an erratum that syspatch(8) finds on the mirror",
        "no_firmware": "no vmm-bios: it is not there, and no package of it is noted",
        "no_vmm": "the processor's virtualisation is switched off: /dev/vmm cannot be opened",
        "no_lease": "N: the next N requests of guests for an address get no answer",
        "deaf_tty": "nothing that guests print comes out of their terminals",
        "processor_dies": "TEXT: the processor of the next guest that prints TEXT dies, which vmd"
        " takes for a reboot; no log has a word of it",
        "no_zone": "ZONE: the sets lack the time zone that their own /etc/localtime leads to, which"
        " is the default of the installer's question",
    }

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.accounts = accounts.Accounts(self)
        self.network = network.Network(self)
        self.services = services.Services(self)
        self.sysctl = sysctl.Sysctl(self)
        self.pf = pfctl.Pf(self)
        self.wire = ping.Wire(self)
        self.vmm = vmm.Vmm(self)
        self.ttys = ttys.Ttys(self)
        self.vmd = vmd.Vmd(self)
        self.dhcpd = dhcpd.Dhcpd(self)
        self.httpd = httpd.Httpd(self)
        self.sensorsd = sensorsd.Sensorsd(self)
        self.sshd = sshd.Sshd(self)
        self.guests = self.vmd.guests
        self.parts = [
            self.accounts, self.network, self.services, self.sysctl, self.pf,
            self.vmm, self.ttys, self.vmd, self.dhcpd, self.httpd, self.sensorsd, self.sshd,
        ]  # fmt: skip

    @property
    def short_name(self) -> str:
        return self.hostname.split(".", 1)[0]

    def sshd_blocks(self) -> str:
        return self.sshd.match_blocks()

    def closed_to(self, account: str) -> list[str]:
        return self.vmm.closed_to(account)

    def log(self, tag: str, text: str, pid: int | None = None, file: str = "daemon") -> None:
        """Appends to /var/log/FILE what syslogd(8) would."""
        now = self.clock.now()
        process = "" if pid is None else f"[{pid}]"
        stamp = f"{now:%b} {now.day:2d} {now:%H:%M:%S}"
        line = f"{stamp} {self.short_name} {tag}{process}: {text}\n"
        self.files.append_text(f"/var/log/{file}", line)
