# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Network interfaces: what they are and what ifconfig(8) shows of them."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

UP, BROADCAST, LOOPBACK, RUNNING = 0x1, 0x2, 0x8, 0x40
PROMISC, SIMPLEX, MULTICAST = 0x100, 0x800, 0x8000
AUTOCONF6, AUTOCONF4, LRO = 0x400000, 0x800000, 0x2000000
_FLAGS = {
    UP: "UP",
    BROADCAST: "BROADCAST",
    LOOPBACK: "LOOPBACK",
    RUNNING: "RUNNING",
    PROMISC: "PROMISC",
    SIMPLEX: "SIMPLEX",
    0x1000: "LINK0",
    0x2000: "LINK1",
    0x4000: "LINK2",
    MULTICAST: "MULTICAST",
    AUTOCONF6: "AUTOCONF6",
    AUTOCONF4: "AUTOCONF4",
    LRO: "LRO",
}
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_ETHERNET = BROADCAST | SIMPLEX | MULTICAST
SWITCHES = ("bridge", "veb")
TRUNKS = ("aggr", "trunk")
LINKS = {"link0": 0x1000, "link1": 0x2000, "link2": 0x4000}
# Those that a command or netstart(8) makes, in its order.
CLONERS = (
    "aggr", "bridge", "enc", "lo", "pair", "pflog", "tap", "trunk", "veb", "vether", "vlan",
    "vport",
)  # fmt: skip
_NO_MTU = ("veb", "enc")
_PHYSICAL = ("vio", "vlan")
_ETHERNET_TYPES = ("vio", "vlan", "vport", "vether", "tap", "pair", "aggr", "trunk")


@dataclass
class Interface:
    """One interface; addresses are written as address/length."""

    name: str
    index: int
    lladdr: str = ""
    up: bool = False
    mtu: int = 1500
    flags: int = 0  # beyond what the type and the state bring
    description: str = ""
    groups: list[str] = field(default_factory=list)
    inet: list[str] = field(default_factory=list)
    inet6: list[str] = field(default_factory=list)
    members: list[str] = field(default_factory=list)
    ports: list[str] = field(default_factory=list)
    protocol: str = "roundrobin"  # of a trunk(4)
    parent: str = ""
    vnetid: int | None = None
    patch: str = ""  # the other end of a pair(4)
    opened: bool = False  # a tap(4) whose device is open
    kept: bool = True  # stays when its device is closed

    @property
    def type(self) -> str:
        return type_of(self.name)

    @property
    def is_switch(self) -> bool:
        return self.type in SWITCHES

    @property
    def is_ethernet(self) -> bool:
        return self.type in _ETHERNET_TYPES

    def all_flags(self, in_switch: bool) -> int:
        kind = self.type
        base = {"bridge": 0, "enc": 0, "pflog": 0, "lo": LOOPBACK | MULTICAST | LRO}
        flags = base.get(kind, _ETHERNET) | self.flags
        if self.up:
            flags |= UP
            idle = (kind == "tap" and not self.opened) or (kind == "vlan" and not self.parent)
            flags |= 0 if idle else RUNNING
        return flags | (PROMISC if in_switch else 0)


def address_of(text: str) -> Address | None:
    """An address written out; None for anything else."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def type_of(name: str) -> str:
    match = re.fullmatch(r"([a-z]+)[0-9]+", name)
    return match[1] if match else ""


def show_flags(flags: int) -> str:
    names = [name for bit, name in _FLAGS.items() if flags & bit]
    return f"flags={flags:x}<{','.join(names)}>"


def show(interface: Interface, all_: Mapping[str, Interface]) -> str:
    """The lines of one interface."""
    in_switch = any(interface.name in other.members for other in all_.values())
    head = f"{interface.name}: {show_flags(interface.all_flags(in_switch))}"
    head += "" if interface.type in _NO_MTU else f" mtu {interface.mtu}"
    lines = [head]
    if interface.lladdr:
        lines.append(f"\tlladdr {interface.lladdr}")
    if interface.description:
        lines.append(f"\tdescription: {interface.description}")
    priority = "" if interface.is_switch else " priority 0"
    lines.append(f"\tindex {interface.index}{priority} llprio 3")
    if interface.type == "vlan":
        vnetid = "none" if interface.vnetid is None else interface.vnetid
        parent = interface.parent or "none"
        lines.append(f"\tencap: vnetid {vnetid} parent {parent} txprio packet rxprio outer")
    if interface.patch:
        lines.append(f"\tpatch: {interface.patch}")
    lines += _trunk(interface, all_)
    if interface.groups:
        lines.append(f"\tgroups: {' '.join(interface.groups)}")
    if interface.type in _PHYSICAL:
        active = interface.type == "vio" or (interface.up and interface.parent)
        lines += [
            "\tmedia: Ethernet autoselect",
            f"\tstatus: {'active' if active else 'no carrier'}",
        ]
    elif interface.type == "pair":
        lines.append("\tmedia: Ethernet autoselect")
        lines += ["\tstatus: active"] if interface.patch else []
    elif interface.type == "tap":
        lines.append(f"\tstatus: {'active' if interface.opened and interface.up else 'no carrier'}")
    lines += _addresses(interface)
    if interface.type == "bridge":
        lines.append("\tpriority 32768 hellotime 2 fwddelay 15 maxage 20 holdcnt 6 proto rstp")
        lines.append("\tdesignated: id 00:00:00:00:00:00 priority 0")
    for member in interface.members:
        lines.append(f"\t{member} flags=3<LEARNING,DISCOVER>")
        lines.append(f"\t\tport {all_[member].index} ifpriority 0 ifcost 0")
    if interface.is_switch:
        lines.append("\tAddresses (max cache: 100, timeout: 240):")
    return "".join(f"{line}\n" for line in lines)


def _trunk(interface: Interface, all_: Mapping[str, Interface]) -> list[str]:
    """What trunk_status() of ifconfig(8) prints, without the lines of LACP itself."""
    device = next((other.name for other in all_.values() if interface.name in other.ports), "")
    if interface.type not in TRUNKS:
        return [f"\ttrunk: trunkdev {device}"] if device else []
    protocol = "lacp" if interface.type == "aggr" else interface.protocol
    active = [all_[port].up for port in interface.ports]
    return [
        f"\ttrunk: trunkproto {protocol}",
        *(f"\t\t{port} port {'active' if up else ''}"
          for port, up in zip(interface.ports, active, strict=True)),
    ]  # fmt: skip


def _addresses(interface: Interface) -> list[str]:
    lines = []
    for text in interface.inet6:
        address = ipaddress.IPv6Interface(text)
        scope = f"%{interface.name}" if address.is_link_local else ""
        line = f"\tinet6 {address.ip}{scope} prefixlen {address.network.prefixlen}"
        lines.append(line + (f" scopeid 0x{interface.index:x}" if scope else ""))
    for text in interface.inet:
        network = ipaddress.IPv4Interface(text)
        line = f"\tinet {network.ip} netmask 0x{int(network.netmask):08x}"
        if interface.type != "lo":
            line += f" broadcast {network.network.broadcast_address}"
        lines.append(line)
    return lines
