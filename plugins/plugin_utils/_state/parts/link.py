# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Desired network interfaces."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass
from ipaddress import ip_address, ip_interface, ip_network

from ansible_collections.puffy.vmm.plugins.module_utils._grammar.uplink import INTERFACE_PATTERN
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.arguments import DocumentError

_INTERFACE: t.Final = re.compile(INTERFACE_PATTERN)
# priv_validgroup() of usr.sbin/vmd/priv.c, and letters that need no quotes anywhere.
_GROUP: t.Final = re.compile(r"\A[A-Za-z_](?:[A-Za-z0-9_.-]{0,13}[A-Za-z_.-])?\Z")
_FLAGS: t.Final = ("link0", "link1", "link2")


@dataclass(frozen=True)
class Tap:
    """The tap(4) of a VM's interface number `place`, which is in a switch, and maybe in a group."""

    vm: str
    group: str | None = None
    place: int = 0


@dataclass(frozen=True)
class Route:
    """A route to a network: by a gateway, or without one directly on the link's interface.

    `vm` is the VM that it belongs to, if any: the network is behind that.
    """

    to: str
    by: str | None = None
    vm: str | None = None

    def words(self, interface: str) -> str:
        """Return the words of a route(8) command after the family, as in its examples."""
        return f"{self.to} {self.by or f'-cloning -link -iface {interface}'}"


@dataclass(frozen=True)
class Link:
    """A network interface, live and in its hostname.if(5) file; what is not set stays as it is.

    Addresses are written address/length. The IPv4 address `first_address`, without a length, comes
    before all others there. Without `lro`, hardware does not join TCP packets that it receives,
    as a switch could not send them on. With `create` false, the interface must exist already. No
    flag is set while a switch has members that are not in `known`, nor taps of VMs or of
    `other_vms`. `patch` is the other end of a pair(4). A `retired` interface gives its `addresses`
    to another one of the document; `without` are interfaces that a switch loses. All taps in a
    switch are put into `tap_group`. `prove` is the server's own IPv4 address: a change of a switch
    that has it ends with a packet from there that must arrive at a port.
    """

    name: str
    create: bool = True
    up: bool = True
    lro: bool = True
    vnetid: int | None = None
    parent: str | None = None
    protocol: str | None = None
    ports: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    first_address: str | None = None
    routes: tuple[Route, ...] | None = None
    members: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    known: tuple[str, ...] | None = None
    other_vms: tuple[str, ...] = ()
    taps: tuple[Tap, ...] = ()
    tap_group: str | None = None
    patch: str | None = None
    retired: bool = False
    without: tuple[str, ...] = ()
    prove: str | None = None

    @property
    def all_vms(self) -> tuple[str, ...]:
        """The VMs that may be in a switch."""
        return (*(tap.vm for tap in self.taps), *self.other_vms)


def check_link(document: str, link: Link) -> None:
    """Refuse what netstart(8), which passes these words to a shell, must not read."""
    names = [link.name, *link.ports, *link.members, *link.without]
    names += [name for name in (link.parent, link.patch) if name]
    for name in names:
        if not _INTERFACE.fullmatch(name):
            raise DocumentError(
                f"{document}: {name!r} is not an interface; use a driver's name and a number, such "
                "as vport42"
            )
    for name in link.known or ():
        if name.startswith("tap"):
            raise DocumentError(
                f"{document}: {link.name}: {name} belongs to a VM and may belong to another one "
                "after the next boot; name interfaces that lead out"
            )
    for address in (*link.addresses, *([f"{link.prove}/32"] if link.prove else [])):
        try:
            written = ip_interface(address).with_prefixlen
        except ValueError:
            written = ""
        if written != address:
            raise DocumentError(
                f"{document}: {link.name}: {address!r} is not an address; write it with its length,"
                " as in 203.0.113.1/24, and an IPv6 address in its shortest form"
            )
    for route in link.routes or ():
        _check_route(document, link.name, route)
    if link.vnetid is not None and not 1 <= link.vnetid <= 4094:
        raise DocumentError(f"{document}: {link.name}: {link.vnetid} is not a VLAN; use 1 to 4094")
    if (link.vnetid is None) != (link.parent is None):
        raise DocumentError(f"{document}: {link.name}: give vnetid and parent, or neither")
    if link.protocol and not re.fullmatch("[a-z]{2,15}", link.protocol):
        raise DocumentError(f"{document}: {link.name}: {link.protocol!r} is not a trunkproto")
    for flag in link.flags:
        if flag not in _FLAGS:
            raise DocumentError(f"{document}: {link.name}: {flag!r} is not one of {_FLAGS}")
    groups = [(tap.vm, tap.group) for tap in link.taps] + [(link.name, link.tap_group)]
    for name, group in groups:
        if group and not _GROUP.match(group):
            raise DocumentError(
                f"{document}: {name}: {group!r} is not an interface group; use up to 15 "
                "letters, digits and . _ -, and no digit last"
            )


def _check_route(document: str, link: str, route: Route) -> None:
    try:
        network, gateway = ip_network(route.to), ip_address(route.by or route.to.partition("/")[0])
        valid = (network.with_prefixlen, network.version) == (route.to, gateway.version)
        valid = valid and str(gateway) == (route.by or str(gateway))
    except ValueError:
        valid = False
    if not valid or not re.fullmatch("[A-Za-z0-9._-]*", route.vm or ""):
        raise DocumentError(
            f"{document}: {link}: {route.words(link)!r} is not a route; write a network and a "
            "gateway of the same family, each in its shortest form"
        )
