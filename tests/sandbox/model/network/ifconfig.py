# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""ifconfig(8): words are carried out from left to right, an address once all of it was read."""

from __future__ import annotations

import errno
import ipaddress
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from sandbox.model.errors import failure
from sandbox.target.call import NotModelled, Result

from .interfaces import CLONERS, LINKS, Interface, show, type_of

if TYPE_CHECKING:
    from sandbox.model.machine import Machine
    from sandbox.target.call import Call, Handler

    from .network import Network

_IFNAME_MAX = 16
_TRUNK_PROTOCOLS = ("roundrobin", "failover", "lacp", "loadbalance", "broadcast")
_GROUP = re.compile(r"[a-z][a-z0-9_.-]{0,13}[a-z_.-]", re.IGNORECASE)


class _Stop(Exception):
    """The end of the command, with a message and exit status 1."""


def run(machine: Machine, call: Call) -> Result:
    name, *words = call.argv[1:] or ("",)
    network = machine.network
    if not words and (name == "-A" or name[:1] not in ("", "-")):
        return _show(network, name)
    if len(name) >= _IFNAME_MAX or not name.isalnum():
        raise NotModelled(" ".join(call.argv[1:]))
    command = _Command(network, name, call.uid == 0)
    try:
        command.run(words)
    except _Stop as stop:
        return Result(1, stderr=f"{command.warned}{stop}\n")
    return Result(0, stderr=command.warned)


def _show(network: Network, name: str) -> Result:
    """An interface, those of a group or of a kind, or all there are."""
    known = network.interfaces
    shown = [nic for nic in known.values() if name in ("-A", nic.name) or name in nic.groups]
    shown = shown or [nic for nic in known.values() if type_of(nic.name) == name]
    if not shown:
        return Result(1, stderr=f"{name}: no such interface\n")
    return Result(0, "".join(show(nic, known) for nic in shown))


class _Command:
    def __init__(self, network: Network, name: str, root: bool) -> None:
        self.network, self.name, self.root = network, name, root
        self.warned = ""

    def run(self, words: Sequence[str]) -> None:
        # Any other word makes the interface, too.
        made = words[0] not in ("create", "destroy") and not self.network.exists(self.name)
        if made and self.root and type_of(self.name) in CLONERS:
            self.network.create(self.name)
        while words:
            words = self._word(words)

    def _kernel(self, what: str, action: Callable[[], object]) -> None:
        """Do what only root may do; a failure ends the command."""
        try:
            if not self.root:
                raise failure(errno.EPERM)
            action()
        except OSError as error:
            raise _Stop(f"ifconfig: {what}: {error.strerror}") from None

    def _soft(self, what: str, action: Callable[[], object]) -> None:
        """The same for a failure that is only warned of."""
        try:
            self._kernel(what, action)
        except _Stop as stop:
            self.warned += f"{stop}\n"

    def _word(self, words: Sequence[str]) -> Sequence[str]:
        """Carries out the first word with its arguments, and gives the rest."""
        name, network = self.name, self.network
        rest: Sequence[str]
        match words:
            case ["create", *rest]:
                self._kernel(f"{name}: SIOCIFCREATE", lambda: network.create(name))
            case ["destroy", *rest]:
                self._kernel(f"{name}: SIOCIFDESTROY", lambda: network.destroy(name))
            case ["up" | "down" as word, *rest]:
                self._kernel(f"{name}: SIOCSIFFLAGS", lambda: self._set(up=word == "up"))
            case ["-tcplro", *rest]:
                pass
            case [word, *rest] if word.removeprefix("-") in LINKS:
                self._kernel(f"{name}: SIOCSIFFLAGS", lambda: self._flag(word))
            case ["description", text, *rest]:
                self._soft("SIOCSIFDESCR", lambda: self._set(description=text))
            case ["add", member, *rest]:
                self._add(member)
            case ["del", member, *rest]:
                what = f"{name}: {member}"
                self._kernel(what, lambda: network.remove_member(name, member))
            case ["trunkport", port, *rest]:
                what = f"{name} {port}: SIOCSTRUNKPORT"
                self._kernel(what, lambda: network.add_port(name, port))
            case ["-trunkport", port, *rest]:
                what = f"{name}: {port}: SIOCSTRUNKDELPORT"
                self._kernel(what, lambda: network.remove_port(name, port))
            case ["trunkproto", protocol, *rest] if protocol in _TRUNK_PROTOCOLS:
                what = f"{name}: SIOCSTRUNK"
                self._kernel(what, lambda: network.set_protocol(name, protocol))
            case ["group" | "-group" as word, group, *rest] if _GROUP.fullmatch(group):
                what = "SIOCAIFGROUP" if word == "group" else "SIOCDIFGROUP"
                self._kernel(f"{group}: {what}", lambda: self._group(word, group))
            case ["vnetid", number, *rest] if number.isdigit() and 0 < int(number) < 4095:
                self._soft("SIOCSVNETID", lambda: network.set_vnetid(name, int(number)))
            case ["parent", parent, *rest]:
                what = f"{name}: {parent}: SIOCSIFPARENT"
                self._soft(what, lambda: network.set_parent(name, parent))
            case ["patch", end, *rest]:
                # setpair() of sbin/ifconfig, and pairioctl() of sys/net/if_pair.c.
                if not network.exists(end):
                    raise _Stop(f"ifconfig: patch {end}: No such file or directory")
                self._soft("SIOCSIFPAIR", lambda: network.patch(name, end))
            case ["-patch", *rest]:
                self._soft("SIOCSIFPAIR", lambda: network.patch(name, ""))
            case ["inet" | "inet6" as family, *more]:
                rest = self._address(family, more)
            case _:
                raise NotModelled(f"{name} {' '.join(words)}")
        return rest

    def _interface(self) -> Interface:
        return self.network.get(self.name)

    def _set(self, **values: object) -> None:
        for key, value in values.items():
            setattr(self._interface(), key, value)

    def _flag(self, word: str) -> None:
        interface, bit = self._interface(), LINKS[word.removeprefix("-")]
        interface.flags = interface.flags & ~bit if word.startswith("-") else interface.flags | bit

    def _group(self, word: str, group: str) -> None:
        groups = self._interface().groups
        if word == "group" and group not in groups:
            groups.append(group)
        elif word == "-group":
            if group not in groups:
                raise failure(errno.ENOENT)
            groups.remove(group)

    def _add(self, member: str) -> None:
        """A bridge(4) accepts a member that it already has."""
        what = f"{self.name}: {member}"
        try:
            self._kernel(what, lambda: self.network.add_member(self.name, member))
        except _Stop as stop:
            if not str(stop).endswith("File exists"):
                raise

    def _address(self, family: str, words: Sequence[str]) -> Sequence[str]:
        """[alias] ADDRESS[/LENGTH] [prefixlen LENGTH | netmask MASK] [alias | -alias]."""
        alias, text, length, rest = "", "", "", words
        while True:
            match rest:
                case ["alias" | "-alias" as alias, *rest]:
                    continue
                case ["prefixlen" | "netmask", length, *rest] if text:
                    continue
                case [first, *more] if not text:
                    text, rest = first, more
                case _:
                    break
        try:
            written = f"{text}/{length}" if length else text
            address = ipaddress.ip_interface(written if "/" in written else f"{written}/24")
            if (address.version == 6) != (family == "inet6"):
                raise ValueError(text)
        except ValueError:
            raise NotModelled(f"{self.name} {family} {' '.join(words)}") from None
        what = "SIOCDIFADDR" if alias == "-alias" else "SIOCAIFADDR"
        self._kernel(what, lambda: self.network.set_address(self.name, address, alias))
        return rest


COMMANDS: dict[str, Handler] = {"/sbin/ifconfig": run}
