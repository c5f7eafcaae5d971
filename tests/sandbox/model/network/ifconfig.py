# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""ifconfig(8): words are carried out from left to right, addresses last."""

from __future__ import annotations

import errno
import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sandbox.model.errors import failure
from sandbox.target.call import NotModelled, Result

from . import interfaces
from .interfaces import LINKS, Interface

if TYPE_CHECKING:
    from sandbox.model.machine import Machine
    from sandbox.target.call import Call, Handler

    from .network import Network

_IFNAME_MAX, _DESCRIPTION_MAX = 16, 64
_TRUNK_PROTOCOLS = ("roundrobin", "failover", "lacp", "loadbalance", "none", "broadcast")
# Words that have no effect here.
_IGNORED = ("autoconf", "-autoconf")


class _Stop(Exception):
    """The end of the command, with a message and exit status 1."""


def run(machine: Machine, call: Call) -> Result:
    words = list(call.argv[1:])
    network = machine.network
    if words == ["-A"]:
        return Result(
            0,
            "".join(
                interfaces.show(one, network.interfaces) for one in network.interfaces.values()
            ),
        )
    if not words or words[0].startswith("-"):
        raise NotModelled(" ".join(words))
    name = words.pop(0)
    if len(name) >= _IFNAME_MAX:
        return Result(1, stderr=f"ifconfig: interface name '{name}' too long\n")
    command = _Command(network, name, call.uid == 0)
    try:
        printed = command.run(words)
    except _Stop as stop:
        return Result(1, stderr=f"{''.join(command.warnings)}{stop}\n")
    if printed:
        return _show(network, name)
    return Result(0, stderr="".join(command.warnings))


def _show(network: Network, name: str) -> Result:
    known = network.interfaces
    if name[-1:].isdigit():
        found = [known[name]] if name in known else []
    else:
        found = network.group(name) or [
            one for one in known.values() if re.match(re.escape(name) + r"\d", one.name)
        ]
    if not found:
        return Result(1, stderr=f"{name}: no such interface\n")
    return Result(0, "".join(interfaces.show(one, known) for one in found))


@dataclass
class _Command:
    network: Network
    name: str
    root: bool
    warnings: list[str] = field(default_factory=list)
    family: int = 4
    alias: int = 0  # 1: add, -1: remove
    address: str = ""
    length: int | None = None

    def run(self, words: list[str]) -> bool:
        """True if nothing was asked for but the listing."""
        if words and words[0] in ("inet", "inet6"):
            self.family = 6 if words.pop(0) == "inet6" else 4
        if words[:1] == ["create"]:
            del words[0]
            self.kernel("SIOCIFCREATE", lambda: self.network.create(self.name))
            if not words:
                return False
        if not words:
            return True
        if words[0] != "destroy" and self.name[-1:].isdigit():
            self.create_silently()
        while words:
            self.word(words)
        self.set_address()
        return False

    def create_silently(self) -> None:
        """Any other word makes the interface, too, and says nothing if that fails."""
        if self.root and not self.network.exists(self.name):
            try:
                self.network.create(self.name)
            except OSError:
                return

    def kernel(self, what: str, action: Callable[[], object], subject: str | None = None) -> None:
        """Do what only root may do; a failure ends the command."""
        try:
            if not self.root:
                raise failure(errno.EPERM)
            action()
        except OSError as error:
            name = self.name if subject is None else subject
            prefix = ": ".join(part for part in (name, what) if part)
            raise _Stop(f"ifconfig: {prefix}: {error.strerror}") from None

    def soft(self, what: str, action: Callable[[], object]) -> None:
        """The same for a failure that is only warned of."""
        try:
            self.kernel(what, action, "")
        except _Stop as stop:
            self.warnings.append(f"{stop}\n")

    def word(self, words: list[str]) -> None:
        word = words.pop(0)
        action = getattr(self, f"do_{word.replace('-', 'no_')}", None)
        if word.removeprefix("-") in LINKS:
            self.link_flag(LINKS[word.removeprefix("-")], on=not word.startswith("-"))
            return
        if word in _IGNORED:
            return
        if action is None:
            self.parse_address(word)
            return
        count = action.__code__.co_argcount - 1
        if len(words) < count:
            raise NotModelled(f"{self.name} {word} without a value")
        action(*[words.pop(0) for _ in range(count)])

    def interface(self) -> Interface:
        return self.network.get(self.name)

    def set(self, what: str, **values: object) -> None:
        def change() -> None:
            one = self.interface()
            for key, value in values.items():
                setattr(one, key, value)

        self.soft(what, change)

    def flag(self, up: bool) -> None:
        if not self.network.exists(self.name):
            raise _Stop(f"ifconfig: {self.name}: SIOCGIFFLAGS: Device not configured")
        self.kernel("SIOCSIFFLAGS", lambda: setattr(self.interface(), "up", up))

    def link_flag(self, bit: int, *, on: bool) -> None:
        def change() -> None:
            one = self.interface()
            one.flags = one.flags | bit if on else one.flags & ~bit

        self.kernel("SIOCSIFFLAGS", change)

    # the words; the number of their parameters is the number of the word's arguments

    def do_up(self) -> None:
        self.flag(True)

    def do_down(self) -> None:
        self.flag(False)

    def do_create(self) -> None:
        self.kernel("SIOCIFCREATE", lambda: self.network.create(self.name))

    def do_destroy(self) -> None:
        self.kernel("SIOCIFDESTROY", lambda: self.network.destroy(self.name))

    def do_add(self, member: str) -> None:
        try:
            self.kernel(member, lambda: self.network.add_member(self.name, member))
        except _Stop as stop:
            if not str(stop).endswith("File exists"):
                raise

    def do_del(self, member: str) -> None:
        self.kernel(member, lambda: self.network.remove_member(self.name, member))

    def do_trunkport(self, port: str) -> None:
        self.trunk(f"{self.name} {port}: SIOCSTRUNKPORT",
                   lambda: self.network.add_port(self.name, port))  # fmt: skip

    def do_no_trunkport(self, port: str) -> None:
        self.trunk(f"{self.name}: {port}: SIOCSTRUNKDELPORT",
                   lambda: self.network.remove_port(self.name, port))  # fmt: skip

    def do_trunkproto(self, protocol: str) -> None:
        if protocol not in _TRUNK_PROTOCOLS:
            raise _Stop(f"ifconfig: Invalid TRUNK protocol: {protocol}")
        self.trunk(f"{self.name}: SIOCSTRUNK",
                   lambda: self.network.set_protocol(self.name, protocol))  # fmt: skip

    def trunk(self, what: str, action: Callable[[], object]) -> None:
        self.kernel(what, action, "")

    def do_description(self, text: str) -> None:
        self.set("SIOCSIFDESCR", description=text[: _DESCRIPTION_MAX - 1])

    def do_no_description(self) -> None:
        self.set("SIOCSIFDESCR", description="")

    def do_group(self, name: str) -> None:
        if not name or len(name) >= _IFNAME_MAX or name[-1].isdigit():
            raise NotModelled(f"group {name}")
        if not self.network.exists(self.name) or name not in self.interface().groups:
            self.kernel("SIOCAIFGROUP", lambda: self.interface().groups.append(name), name)

    def do_no_group(self, name: str) -> None:
        def remove() -> None:
            if name not in self.interface().groups:
                raise failure(errno.ENOENT)
            self.interface().groups.remove(name)

        self.kernel("SIOCDIFGROUP", remove, name)

    def do_vnetid(self, number: str) -> None:
        if not number.isdigit():
            raise _Stop(f"ifconfig: vnetid {number}: invalid")

        def change() -> None:
            if self.interface().type != "vlan" or not 0 < int(number) < 4095:
                raise failure(errno.EINVAL if self.interface().type == "vlan" else errno.ENOTTY)
            self.network.free_vlan(self.interface(), self.interface().parent, int(number))
            self.interface().vnetid = int(number)

        self.soft("SIOCSVNETID", change)

    def do_parent(self, name: str) -> None:
        def change() -> None:
            parent = self.network.interfaces.get(name)
            if self.interface().type != "vlan":
                raise failure(errno.ENOTTY)
            if parent is None or not parent.is_ethernet:
                raise failure(errno.EPROTONOSUPPORT if parent else errno.EINVAL)
            if self.interface().parent == name:
                return
            # if_vlan.c: a parent is changed only while the interface does not run.
            if self.interface().up and self.interface().parent:
                raise failure(errno.EBUSY)
            self.network.free_vlan(self.interface(), name, self.interface().vnetid)
            self.interface().parent, self.interface().lladdr = name, parent.lladdr

        self.soft(f"{self.name}: {name}: SIOCSIFPARENT", change)

    def do_patch(self, end: str) -> None:
        """setpair() of sbin/ifconfig and pairioctl() of sys/net/if_pair.c."""
        if not self.network.exists(end):
            raise _Stop(f"ifconfig: patch {end}: No such file or directory")
        self.soft("SIOCSIFPAIR", lambda: self.network.patch(self.name, end))

    def do_no_patch(self) -> None:
        self.soft("SIOCSIFPAIR", lambda: self.network.patch(self.name, ""))

    # addresses

    def do_inet(self) -> None:
        self.family = 4

    def do_inet6(self) -> None:
        self.family = 6

    def do_alias(self) -> None:
        self.alias = 1

    def do_no_alias(self) -> None:
        self.alias = -1

    def do_netmask(self, text: str) -> None:
        self.length = ipaddress.IPv4Network(f"0.0.0.0/{text}").prefixlen

    def do_prefixlen(self, text: str) -> None:
        if not text.isdigit() or int(text) > (128 if self.family == 6 else 32):
            raise NotModelled(f"prefix {text}")
        self.length = int(text)

    def do_broadcast(self, text: str) -> None:
        """netstart(8) gives it; it is always the network's."""

    def parse_address(self, text: str) -> None:
        address, slash, length = text.partition("/")
        try:
            found = ipaddress.ip_address(address)
            if found.version != self.family:
                raise ValueError(address)
        except ValueError:
            raise NotModelled(f"{self.name} {text}") from None
        self.address = address
        if slash:
            self.do_prefixlen(length)
        elif self.length is None:
            self.length = 64 if self.family == 6 else 24

    def set_address(self) -> None:
        if not self.address and self.alias >= 0:
            return

        def change() -> None:
            one = self.interface()
            addresses = one.inet6 if self.family == 6 else one.inet
            same = [text for text in addresses if text.partition("/")[0] == self.address]
            if self.alias < 0:
                gone = same if self.address else addresses[:1]
                if not gone:
                    raise failure(errno.EADDRNOTAVAIL)
                addresses.remove(gone[0])
                return
            if self.alias == 0 and self.family == 4:
                del addresses[:1]
            for text in [text for text in same if text in addresses]:
                addresses.remove(text)
            addresses.append(f"{self.address}/{self.length}")
            one.up = True
            if self.family == 6 and one.lladdr and len(addresses) == 1:
                addresses.insert(0, f"{_link_local(one.lladdr)}/64")

        self.kernel("SIOCDIFADDR" if self.alias < 0 else "SIOCAIFADDR", change, "")


def _link_local(lladdr: str) -> ipaddress.IPv6Address:
    octets = [int(octet, 16) for octet in lladdr.split(":")]
    octets[0] ^= 2
    return ipaddress.IPv6Address(
        bytes([0xFE, 0x80, *[0] * 6, *octets[:3], 0xFF, 0xFE, *octets[3:]])
    )


COMMANDS: dict[str, Handler] = {"/sbin/ifconfig": run}
