# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The installer's questions but for those about sets, in their order, for a guest of vmd(8).

Such a guest has one interface vio0, a serial console com0, disks sd0 and up, and no wsdisplay(4).
"""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from ipaddress import IPv6Interface
from typing import Any, Protocol

from sandbox.target.call import NotModelled

from .dialog import Dialog
from .web import GuestNetwork

RELEASE, ARCHITECTURE = "7.8", "amd64"
VERSION = RELEASE.replace(".", "")
OBSD = f"OpenBSD/{ARCHITECTURE} {RELEASE}"
NIC = "vio0"
_LEASE_SECONDS, _NO_LEASE_SECONDS, _LABEL_SECONDS, _AGAIN_SECONDS = 1, 30, 4, 0.1
_NOT_LOGINS = ("root", "daemon", "operator", "bin", "build", "sshd", "www", "nobody", "ftp")
_LOGIN = re.compile(r"[a-z][-a-z0-9_]{0,30}")


class Disk(Protocol):
    """A disk of the guest; `size` is bytes, and `write` raises OSError."""

    @property
    def name(self) -> str: ...
    @property
    def size(self) -> int: ...
    def write(self, record: Mapping[str, Any]) -> None: ...


@dataclass
class Installed:
    """What anybody looks at of the system that comes out."""

    hostname: str = ""
    ipv6: str = ""
    user: dict[str, str] | None = None
    sets: list[str] = field(default_factory=list)
    unverified: list[str] = field(default_factory=list)
    timezone: str = ""

    def record(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class Questions:
    """`wait` lets seconds pass."""

    dialog: Dialog
    network: GuestNetwork
    disk: Disk
    installed: Installed
    wait: Callable[[float], None]

    def host_name(self, leased: str) -> None:
        self.dialog.usual("Terminal type?", "vt220")
        short = leased.partition(".")[0]
        answer = self.dialog.ask("System hostname? (short form, e.g. 'foo')", short)
        # A domain in the answer is lost if the name is the lease's.
        self.installed.hostname = answer if answer.partition(".")[0] != short else leased

    def lease(self) -> bool:
        """Ask for a lease for half a minute."""
        self.wait(_LEASE_SECONDS)
        if self.network.ask_for_lease() is not None:
            return True
        self.wait(_NO_LEASE_SECONDS - _LEASE_SECONDS)
        self.dialog.say(f"No dhcp address on interface {NIC} in 30 seconds.")
        return False

    def ask_network(self) -> None:
        self.network.reset()
        question = "Network interface to configure? (name, lladdr, '?', or 'done')"
        self.dialog.usual(question, NIC)
        self.dialog.usual(f"IPv4 address for {NIC}? (or 'autoconf' or 'none')", "autoconf")
        leased = self.lease()
        self._ipv6()
        self.dialog.usual(question, "done")
        if not leased:
            # No answer is there for this one, which ends the installation.
            answer = self.dialog.ask("Default IPv4 route? (IPv4 address or 'none')")
            raise NotModelled(f"installer: the route {answer}")
        if self.installed.ipv6:
            # Nothing outside of the server is there to be reached by it.
            self.dialog.ask("IPv6 default router? (IPv6 address or 'none')", "none")
        short, _, domain = self.installed.hostname.partition(".")
        lease = self.network.lease
        domain = (lease.domain if lease else "") or domain or "my.domain"
        self.dialog.say(f"Using DNS domainname {domain}")
        self.installed.hostname = f"{short}.{domain}"

    def _ipv6(self) -> None:
        answer = self.dialog.ask(f"IPv6 address for {NIC}? (or 'autoconf' or 'none')", "none")
        if answer == "none":
            return
        if "/" not in answer:
            raise NotModelled(f"installer: the IPv6 address {answer}")
        address = IPv6Interface(answer)
        self.network.addresses.append(address)
        self.installed.ipv6 = str(address.ip)

    def accounts(self) -> None:
        self.dialog.ask_password("Password for root account?")
        self.dialog.usual("Public ssh key for root account?", "none")
        self.dialog.usual("Start sshd(8) by default?", "yes")
        self.dialog.usual("Change the default console to com0?", "yes")
        self.dialog.usual("Which speed should com0 use? (or 'done')", "115200")
        self._user()
        question = "Allow root ssh login? (yes, no, prohibit-password)"
        self.dialog.usual(question, "no", "prohibit-password")

    def _user(self) -> None:
        question = "Setup a user? (enter a lower-case loginname, or 'no')"
        name = self.dialog.ask(question, "no")
        while name != "no" and (name in _NOT_LOGINS or not _LOGIN.fullmatch(name)):
            self.dialog.say(f"{name} is not a usable loginname.")
            name = self.dialog.ask(question, "no")
        if name != "no":
            self.dialog.ask(f"Full name for user {name}?", name)
            self.dialog.ask_password(f"Password for user {name}?")
            key = self.dialog.ask(f"Public ssh key for user {name}", "none")
            self.installed.user = {"name": name, "key": key}

    def root_disk(self) -> None:
        self.dialog.usual("Which disk is the root disk? ('?' for details)", self.disk.name)
        self.dialog.usual("Encrypt the root disk with a (p)assphrase or (k)eydisk?", "no")
        self.dialog.usual("Use (W)hole disk MBR, whole disk (G)PT or (E)dit?", "whole")
        self.dialog.usual("URL to autopartitioning template for disklabel?", "none")
        self.dialog.usual("Use (A)uto layout, (E)dit auto layout, or create (C)ustom layout?", "a")
        self.wait(_LABEL_SECONDS)

    def timezone(self, default: str = "") -> None:
        """Asked once the sets with the zones are there, for want of a hint from openbsd.org.

        The default is where the new /etc/localtime leads, and taken again and again even if there
        is no such zone (install.sub, set_timezone).
        """
        self.dialog.say("")
        while True:
            path = self.dialog.ask("What timezone are you in? ('?' for list)", default).rstrip("/")
            if path in zones() and path != default:
                self.installed.timezone = path
                return
            if path not in ("", "?"):
                self.dialog.say(f"'{path}' is not a valid timezone on this system.")
                self.wait(_AGAIN_SECONDS)


@cache
def zones() -> frozenset[str]:
    """The names of the time zone database of the machine that runs the sandbox."""
    return frozenset(zoneinfo.available_timezones())
