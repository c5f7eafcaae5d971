# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The modelled server: the one list of its commands, its faults, and its parts."""

from __future__ import annotations

from typing import Any, ClassVar

from sandbox.target import machine
from sandbox.target.call import Handler

from .accounts.accounts import Accounts
from .accounts.commands import COMMANDS as ACCOUNTS
from .dhcpd.dhcpd import COMMANDS as DHCPD
from .dhcpd.dhcpd import Dhcpd
from .guest.commands import COMMANDS as GUEST
from .guest.ttys import Ttys
from .httpd.httpd import COMMANDS as HTTPD
from .httpd.httpd import Httpd
from .network.ifconfig import COMMANDS as IFCONFIG
from .network.netstart import COMMANDS as NETSTART
from .network.network import Network
from .network.ping import COMMANDS as PING
from .network.ping import Wire
from .pf.pfctl import COMMANDS as PFCTL
from .pf.pfctl import Pf
from .rc.rcctl import COMMANDS as RCCTL
from .rc.services import Services
from .sensorsd.sensorsd import Sensorsd
from .sshd.sshd import COMMANDS as SSHD
from .sshd.sshd import Sshd
from .system.commands import COMMANDS as SYSTEM
from .system.fw_update import COMMANDS as FW_UPDATE
from .system.sysctl import COMMANDS as SYSCTL
from .system.sysctl import Sysctl
from .system.vmm import Vmm
from .vmd.vmctl import COMMANDS as VMCTL
from .vmd.vmd import COMMANDS as VMD
from .vmd.vmd import Vmd


class Machine(machine.Machine):
    """Parts are made in this order, and start in it."""

    COMMANDS: ClassVar[dict[str, Handler]] = {
        **ACCOUNTS, **DHCPD, **GUEST, **HTTPD, **IFCONFIG, **NETSTART, **PFCTL, **PING, **RCCTL,
        **SSHD, **SYSTEM, **FW_UPDATE, **SYSCTL, **VMCTL, **VMD,
    }  # fmt: skip
    FAULTS: ClassVar[dict[str, str]] = {
        "daemon_dies": "NAME [later|always]: it is not there after its next start, restart or"
        " reload; later: rcctl says ok, it ends a moment later; always: not only the next time",
        "vmctl_hangs": "vmctl reload and load do their work and never return",
        "no_firmware": "no vmm-bios: it is not there, and no package of it is noted",
        "no_vmm": "the processor's virtualisation is switched off: /dev/vmm cannot be opened",
        "no_lease": "N: the next N requests of guests for an address get no answer",
        "deaf_tty": "nothing that guests print comes out of their terminals",
        "processor_dies": "TEXT: the processor of the next guest that prints TEXT dies, which vmd"
        " takes for a reboot; no log has a word of it",
        "no_zone": "ZONE: the sets lack the time zone that their own /etc/localtime leads to, which"
        " is the default of the installer's question",
        "mirror": "URL DIRECTORY: what fw_update fetches below URL is in DIRECTORY of the server",
    }

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.accounts = Accounts(self)
        self.network = Network(self)
        self.services = Services(self)
        self.sysctl = Sysctl(self)
        self.pf = Pf(self)
        self.wire = Wire(self)
        self.vmm = Vmm(self)
        self.ttys = Ttys(self)
        self.vmd = Vmd(self)
        self.dhcpd = Dhcpd(self)
        self.httpd = Httpd(self)
        self.sensorsd = Sensorsd(self)
        self.sshd = Sshd(self)
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
