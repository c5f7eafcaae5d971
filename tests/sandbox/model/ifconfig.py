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

from sandbox.call import Result
from sandbox.model import interfaces
from sandbox.model.errors import failure
from sandbox.model.ifconfig_words import (
    IGNORED,
    TRUNK_PROTOCOLS,
    USAGE,
    class_length,
    link_local,
)
from sandbox.model.interfaces import LINKS, Interface

if TYPE_CHECKING:
    from sandbox.call import Call
    from sandbox.machine import Machine
    from sandbox.model.network import Network

_IFNAME_MAX = 16
_DESCRIPTION_MAX = 64
_LLADDR = re.compile(r"([0-9A-Fa-f]{1,2}:){5}[0-9A-Fa-f]{1,2}")


class _Stop(Exception):
    """The end of the command, with a message and exit status 1."""


def run(machine: Machine, call: Call) -> Result:
    words = list(call.argv[1:])
    network = machine.network
    if not words:
        return _list(network, brief=True)
    if words[0].startswith("-"):
        return _option(network, words)
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


def _option(network: Network, words: list[str]) -> Result:
    flags = words.pop(0)[1:]
    if flags == "C" and not words:
        return Result(0, " ".join(interfaces.CLONERS) + "\n")
    if flags in ("a", "A") and (not words or words[0] in ("inet", "inet6")):
        return _list(network, brief=flags == "a")
    if flags == "M" and words:
        found = [one.name for one in network.interfaces.values() if one.lladdr == words[0].lower()]
        return Result(0, f"{found[0]}\n") if len(found) == 1 else Result(min(len(found), 1))
    return Result(1, stderr=USAGE)


def _list(network: Network, *, brief: bool) -> Result:
    known = network.interfaces
    text = "".join(interfaces.show(one, known, brief=brief) for one in known.values())
    return Result(0, text)


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
        if word in IGNORED:
            count = IGNORED[word]
        elif action is not None:
            count = action.__code__.co_argcount - 1
        elif self.address:
            raise _Stop(f"ifconfig: {word}: bad value")
        else:
            self.parse_address(word)
            return
        if len(words) < count:
            wanted = "argument" if count == 1 else f"{count} arguments"
            raise _Stop(f"ifconfig: '{word}' requires {wanted}")
        arguments = [words.pop(0) for _ in range(count)]
        if action is not None and word not in IGNORED:
            action(*arguments)

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

    def do_addlocal(self, member: str) -> None:
        if not member.startswith("vether"):
            raise _Stop("ifconfig: only vether can be local interface")
        self.do_add(member)

    def do_del(self, member: str) -> None:
        self.kernel(member, lambda: self.network.remove_member(self.name, member))

    def do_trunkport(self, port: str) -> None:
        self.trunk(f"{self.name} {port}: SIOCSTRUNKPORT",
                   lambda: self.network.add_port(self.name, port))  # fmt: skip

    def do_no_trunkport(self, port: str) -> None:
        self.trunk(f"{self.name}: {port}: SIOCSTRUNKDELPORT",
                   lambda: self.network.remove_port(self.name, port))  # fmt: skip

    def do_trunkproto(self, protocol: str) -> None:
        if protocol not in TRUNK_PROTOCOLS:
            raise _Stop(f"ifconfig: Invalid TRUNK protocol: {protocol}")
        self.trunk(f"{self.name}: SIOCSTRUNK",
                   lambda: self.network.set_protocol(self.name, protocol))  # fmt: skip

    def trunk(self, what: str, action: Callable[[], object]) -> None:
        self.kernel(what, action, "")

    def do_description(self, text: str) -> None:
        self.set("SIOCSIFDESCR", description=text[: _DESCRIPTION_MAX - 1])

    do_descr = do_description

    def do_no_description(self) -> None:
        self.set("SIOCSIFDESCR", description="")

    do_no_descr = do_no_description

    def do_group(self, name: str) -> None:
        if not name or len(name) >= _IFNAME_MAX:
            raise _Stop(f"ifconfig: setifgroup: group name {'too long' if name else 'empty'}")
        if name[-1].isdigit():
            raise _Stop("ifconfig: setifgroup: group names may not end in a digit")
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

    def do_no_vnetid(self) -> None:
        self.set("SIOCDVNETID", vnetid=None)

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

    def do_no_parent(self) -> None:
        self.set("SIOCDIFPARENT", parent="")

    def do_patch(self, name: str) -> None:
        """setpair() of sbin/ifconfig and pairioctl() of sys/net/if_pair.c."""
        if not self.network.exists(name):
            raise _Stop(f"ifconfig: patch {name}: No such file or directory")
        self.soft("SIOCSIFPAIR", lambda: self.network.patch(self.name, name))

    def do_no_patch(self) -> None:
        self.soft("SIOCSIFPAIR", lambda: self.network.patch(self.name, ""))

    def do_mtu(self, number: str) -> None:
        if not number.isdigit():
            raise _Stop(f"ifconfig: mtu {number}: invalid")
        self.set("SIOCSIFMTU", mtu=int(number))

    def do_lladdr(self, address: str) -> None:
        if not _LLADDR.fullmatch(address):
            self.warnings.append("ifconfig: malformed link-level address\n")
            return
        self.set("SIOCSIFLLADDR", lladdr=address.lower())

    def do_rdomain(self, number: str) -> None:
        if not number.isdigit() or int(number) > 255:
            raise _Stop(
                f"ifconfig: rdomain {number}: {'too large' if number.isdigit() else 'invalid'}"
            )
        self.set("SIOCSIFRDOMAIN", rdomain=int(number))

    def do_no_rdomain(self) -> None:
        self.set("SIOCSIFRDOMAIN", rdomain=0)

    # addresses

    def do_inet(self) -> None:
        self.family = 4

    def do_inet6(self) -> None:
        self.family = 6

    def do_alias(self) -> None:
        self.alias = 1

    def do_no_alias(self) -> None:
        self.alias = -1

    do_delete = do_no_alias

    def do_netmask(self, text: str) -> None:
        try:
            mask = int(text, 16) if text.startswith("0x") else int(ipaddress.IPv4Address(text))
            self.length = ipaddress.IPv4Network((0, str(ipaddress.IPv4Address(mask)))).prefixlen
        except ValueError:
            raise _Stop(f"ifconfig: {text}: bad value") from None

    def do_prefixlen(self, text: str) -> None:
        if not text.isdigit() or int(text) > (128 if self.family == 6 else 32):
            reason = "too large" if text.isdigit() else "invalid"
            raise _Stop(f"ifconfig: prefix {text}: {reason}")
        self.length = int(text)

    def do_broadcast(self, text: str) -> None:
        try:
            ipaddress.IPv4Address(text)
        except ValueError:
            raise _Stop(f"ifconfig: {text}: bad value") from None

    def parse_address(self, text: str) -> None:
        address, slash, length = text.partition("/")
        try:
            found = ipaddress.ip_address(address)
            if found.version != self.family:
                raise ValueError(address)
        except ValueError:
            reason = "no address associated with name" if self.family == 6 else "bad value"
            raise _Stop(f"ifconfig: {text}: {reason}") from None
        self.address = address
        if slash:
            self.do_prefixlen(length)
        elif self.length is None:
            self.length = 64 if self.family == 6 else class_length(ipaddress.IPv4Address(address))

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
                addresses.insert(0, f"{link_local(one.lladdr)}/64")

        self.kernel("SIOCDIFADDR" if self.alias < 0 else "SIOCAIFADDR", change, "")
