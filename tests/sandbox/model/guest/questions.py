# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The installer's questions but for those about sets, in their order, for a guest of vmd(8).

Such a guest has one interface vio0, a serial console com0, disks sd0 and up, and no wsdisplay(4).
"""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from ipaddress import IPv4Interface, IPv6Interface
from typing import Any, Protocol

import bcrypt

from sandbox.target.call import NotModelled

from .dialog import Dialog
from .web import GuestNetwork

RELEASE, ARCHITECTURE = "7.8", "amd64"
VERSION = RELEASE.replace(".", "")
OBSD = f"OpenBSD/{ARCHITECTURE} {RELEASE}"
NIC = "vio0"
GIGABYTE = 1024**3
_LEASE_SECONDS, _NO_LEASE_SECONDS, _LABEL_SECONDS, _AGAIN_SECONDS = 1, 30, 4, 0.1
_SPEEDS = ("9600", "19200", "38400", "57600", "115200")
_NOT_LOGINS = ("root", "daemon", "operator", "bin", "build", "sshd", "www", "nobody", "ftp")
_LOGIN = re.compile(r"[a-z][-a-z0-9_]{0,30}")
_NO_PASSWORD, _COST = "*" * 13, 4


class Disk(Protocol):
    """A disk of the guest; `size` is bytes, and `write` raises OSError."""

    @property
    def name(self) -> str: ...
    @property
    def size(self) -> int: ...
    def write(self, record: Mapping[str, Any]) -> None: ...


@dataclass
class Installed:
    """The system that comes out. Passwords are hashes, or 13 asterisks for none.

    `interfaces` has for each name `ipv4` and `ipv6`: autoconf, none, or an address with its length.
    """

    hostname: str = ""
    interfaces: dict[str, dict[str, str]] = field(default_factory=dict)
    gateways: list[str] = field(default_factory=list)
    nameservers: list[str] = field(default_factory=list)
    root_password: str = ""
    root_key: str = ""
    sshd: bool = True
    root_login: str = ""
    console_speed: str = ""
    user: dict[str, str] | None = None
    root_disk: str = ""
    sets: list[str] = field(default_factory=list)
    unverified: list[str] = field(default_factory=list)
    installurl: str = ""
    timezone: str = ""
    release: str = RELEASE

    def record(self) -> dict[str, Any]:
        return asdict(self)


def stored_password(password: str) -> str:
    """The password field of master.passwd(5) for an answer of a response file."""
    if (
        re.match(r"\$2.\$[0-9][0-9]\$", password) and len(password) > 40
    ) or password == _NO_PASSWORD:
        return password
    secret = password.encode("utf-8", "surrogateescape")[:72]
    return bcrypt.hashpw(secret, bcrypt.gensalt(_COST)).decode("ascii")


@dataclass
class Questions:
    """`wait` lets seconds pass."""

    dialog: Dialog
    network: GuestNetwork
    disks: Sequence[Disk]
    installed: Installed
    wait: Callable[[float], None]

    def host_name(self, leased: str) -> None:
        self.dialog.ask("Terminal type?", "vt220")
        short = leased.partition(".")[0]
        answer = self.dialog.ask("System hostname? (short form, e.g. 'foo')", short)
        if re.search(r"[\x00-\x20\x7f]", answer):
            self.dialog.exit("Invalid hostname.")
        # A domain in the answer is lost if the name is the lease's.
        self.installed.hostname = answer if answer.partition(".")[0] != short else leased
        self.dialog.say("")

    # the network

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
        default = NIC
        while True:
            self.dialog.say(f"Available network interfaces are: {NIC} vlan0.")
            question = "Network interface to configure? (name, lladdr, '?', or 'done')"
            answer = self.dialog.ask(question, default)
            if answer == "done":
                break
            if answer != NIC or default == "done":
                raise NotModelled(f"installer: network interface {answer}")
            ipv4, ipv6 = self._ipv4(), self._ipv6()
            if (ipv4, ipv6) != ("none", "none"):
                self.installed.interfaces[NIC] = {"ipv4": ipv4, "ipv6": ipv6}
            default = "done"
        self._routes()
        self._names()
        self.dialog.say("")

    def _ipv4(self) -> str:
        answer = self.dialog.ask(f"IPv4 address for {NIC}? (or 'autoconf' or 'none')", "autoconf")
        if answer == "none":
            return answer
        if answer in ("a", "autoconf", "dhcp"):
            self.lease()
            return "autoconf"
        if "/" not in answer:
            answer += f"/{self.dialog.ask(f'Netmask for {NIC}?', '255.255.255.0')}"
        try:
            address = IPv4Interface(answer)
        except ValueError:
            self.dialog.exit(f"ifconfig: {answer}: bad value")
        self.network.addresses.append(address)
        return address.with_prefixlen

    def _ipv6(self) -> str:
        answer = self.dialog.ask(f"IPv6 address for {NIC}? (or 'autoconf' or 'none')", "none")
        if answer in ("none", "a", "autoconf"):
            return "none" if answer == "none" else "autoconf"
        if "/" not in answer:
            answer += f"/{self.dialog.ask(f'IPv6 prefix length for {NIC}?', '64')}"
        try:
            address = IPv6Interface(answer)
        except ValueError:
            self.dialog.exit(f"ifconfig: {answer}: bad value")
        self.network.addresses.append(address)
        return address.with_prefixlen

    def _routes(self) -> None:
        one = self.installed.interfaces.get(NIC, {"ipv4": "none", "ipv6": "none"})
        leased = self.network.lease is not None and self.network.lease.routers
        while one["ipv4"] != "none" and not leased:
            answer = self.dialog.ask("Default IPv4 route? (IPv4 address or 'none')")
            if answer == "none" or self._add_route(answer):
                break
        if one["ipv6"] not in ("none", "autoconf"):
            question = "IPv6 default router? (IPv6 address or 'none')"
            answer = self.dialog.answers.respond(question, "none")
            self.dialog.say(f"IPv6 default router? {answer}")
            if answer != "none":
                self._add_route(answer)

    def _add_route(self, gateway: str) -> bool:
        there = self.network.add_gateway(gateway)
        problem = "" if there else ": Network is unreachable"
        self.dialog.say(f"add host default: gateway {gateway}{problem}")
        self.installed.gateways += [gateway] if there else []
        return there

    def _names(self) -> None:
        short, _, domain = self.installed.hostname.partition(".")
        lease, one = self.network.lease, self.installed.interfaces.get(NIC, {})
        domain = domain or "my.domain"
        if one.get("ipv4") == "autoconf":
            domain = (lease.domain if lease else "") or domain
            self.dialog.say(f"Using DNS domainname {domain}")
        else:
            domain = self.dialog.ask("DNS domain name? (e.g. 'example.com')", domain)
        self.installed.hostname = f"{short}.{domain}"
        if servers := self.network.nameservers:
            self.dialog.say(f"Using DNS nameservers at {' '.join(servers)}")
            return
        answer = self.dialog.ask("DNS nameservers? (IP address list or 'none')", "none")
        if answer != "none":
            self.network.nameservers = self.installed.nameservers = answer.split()

    # accounts and services

    def accounts(self) -> None:
        password = self.dialog.ask_password("Password for root account?")
        self.installed.root_password = stored_password(password)
        key = self.dialog.ask("Public ssh key for root account?", "none")
        self.installed.root_key = "" if key == "none" else key
        self.installed.sshd = self.dialog.ask_yes("Start sshd(8) by default?", default=True)
        if self.dialog.ask_yes("Change the default console to com0?", default=True):
            self.dialog.say(f"Available speeds are: {' '.join(_SPEEDS)}.")
            speed = self.dialog.ask("Which speed should com0 use? (or 'done')", "115200")
            if speed not in _SPEEDS:
                self.dialog.exit(f"'{speed}' is not a valid choice.")
            self.installed.console_speed = speed
        self._user()
        if self.installed.sshd:
            self._root_login()
        self.dialog.say("")

    def _user(self) -> None:
        question = "Setup a user? (enter a lower-case loginname, or 'no')"
        name = self.dialog.ask(question, "no")
        while name not in ("n", "no") and (name in _NOT_LOGINS or not _LOGIN.fullmatch(name)):
            self.dialog.say(f"{name} is not a usable loginname.")
            name = self.dialog.ask(question, "no")
        if name in ("n", "no"):
            return
        full_name = self.dialog.ask(f"Full name for user {name}?", name)
        password = stored_password(self.dialog.ask_password(f"Password for user {name}?"))
        key = self.dialog.ask(f"Public ssh key for user {name}", "none")
        self.installed.user = {
            "name": name, "full_name": full_name, "password": password,
            "key": "" if key == "none" else key,
        }  # fmt: skip

    def _root_login(self) -> None:
        if self.installed.user is None:
            self.dialog.say("Since no user was setup, root logins via sshd(8) might be useful.")
        text = "WARNING: root is targeted by password guessing attacks, pubkeys are safer."
        self.dialog.say(text)
        answer = self.dialog.ask("Allow root ssh login? (yes, no, prohibit-password)", "no")
        if answer not in ("yes", "no", "prohibit-password"):
            self.dialog.exit(f"'{answer}' is not a valid choice.")
        self.installed.root_login = answer

    # disks and time zone

    def root_disk(self) -> Disk:
        """The disk that the system goes to; small ones are offered last."""
        names = [disk.name for disk in self.disks]
        self.dialog.say(f"Available disks are: {' '.join(names) or 'none'}.")
        by_size = sorted(self.disks, key=lambda disk: disk.size < GIGABYTE)
        default = by_size[0].name if by_size else ""
        answer = self.dialog.ask("Which disk is the root disk? ('?' for details)", default)
        if answer not in names:
            self.dialog.exit("no such disk")
        self.installed.root_disk = answer
        question = "Encrypt the root disk with a (p)assphrase or (k)eydisk?"
        if self.dialog.ask(question, "no")[:1].lower() != "n":
            raise NotModelled("installer: an encrypted disk")
        self._layout(answer)
        self.wait(_LABEL_SECONDS)
        self.dialog.say(f"/dev/{answer}a on /mnt type ffs (rw, asynchronous, local)")
        return self.disks[names.index(answer)]

    def _layout(self, disk: str) -> None:
        self.dialog.say("No valid MBR or GPT.")
        if self.dialog.ask("Use (W)hole disk MBR, whole disk (G)PT or (E)dit?", "whole") != "whole":
            raise NotModelled("installer: a partition table of one's own")
        self.dialog.say(f"Setting OpenBSD MBR partition to whole {disk}...done.")
        if self.dialog.ask("URL to autopartitioning template for disklabel?", "none") != "none":
            raise NotModelled("installer: an autopartitioning template")
        self.dialog.say(f"The auto-allocated layout for {disk} is:")
        question = "Use (A)uto layout, (E)dit auto layout, or create (C)ustom layout?"
        if self.dialog.ask(question, "a")[:1].lower() != "a":
            raise NotModelled("installer: a layout of one's own")
        others = [one.name for one in self.disks if one.name != disk]
        if others:
            self.dialog.say(f"Available disks are: {' '.join(others)}.")
            question = "Which disk do you wish to initialize? (or 'done')"
            if self.dialog.ask(question, "done") != "done":
                raise NotModelled("installer: another disk")

    def timezone(self, default: str = "") -> None:
        """Asked once the sets with the zones are there, for want of a hint from openbsd.org.

        The default is where the new /etc/localtime leads, and taken again and again even if there
        is no such zone (install.sub, set_timezone).
        """
        self.dialog.say("")
        while True:
            path = self.dialog.ask("What timezone are you in? ('?' for list)", default).rstrip("/")
            while path and any(zone.startswith(f"{path}/") for zone in zones()):
                question = f"What sub-timezone of '{path}' are you in? ('?' for list)"
                path += f"/{self.dialog.ask(question)}".rstrip("/")
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
