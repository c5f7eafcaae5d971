# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The server's network: its interfaces, switches and taps, and the commands that change them."""

from __future__ import annotations

import errno
import ipaddress
import random
from dataclasses import asdict
from typing import TYPE_CHECKING

from sandbox.model.errors import failure
from sandbox.target.call import NotModelled

from .interfaces import AUTOCONF4, CLONERS, PROMISC, TRUNKS, Interface, type_of

if TYPE_CHECKING:
    from sandbox.model.machine import Machine

_FIXED = ("vio", "enc0", "lo0")
# The octet that vmd's and the kernel's made-up addresses have by type.
_FAKE_LLADDR = "fe:e1:ba:d{:x}:{:02x}:{:02x}"
_WITH_LLADDR = ("pair", "vport", "vether", "tap")

Address = ipaddress.IPv4Interface | ipaddress.IPv6Interface


class Network:
    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.interfaces: dict[str, Interface] = {}
        self._random = random.Random()
        self._index = 0
        self._fakes = 0

    def start(self) -> None:
        state = self.machine.subsystem("network")
        if "interfaces" not in state:
            self._boot()
            return
        self.interfaces = {saved["name"]: Interface(**saved) for saved in state["interfaces"]}
        self._index, self._fakes = state["index"], state["fakes"]

    def stop(self) -> None:
        state = self.machine.subsystem("network")
        state["interfaces"] = [asdict(interface) for interface in self.interfaces.values()]
        state["index"], state["fakes"] = self._index, self._fakes

    def _boot(self) -> None:
        vio = self._add("vio0")
        vio.lladdr, vio.up, vio.flags = "52:54:00:12:34:56", True, AUTOCONF4
        vio.groups, vio.inet = ["egress"], ["10.0.2.15/24"]
        self._add("enc0")
        loop = self._add("lo0")
        loop.up, loop.mtu, loop.inet6 = True, 32768, ["::1/128", "fe80::1/64"]
        loop.inet = ["127.0.0.1/8"]
        log = self._add("pflog0")
        log.up, log.mtu, log.flags = True, 33136, PROMISC
        if not self.machine.files.exists("/etc/hostname.vio0"):
            self.machine.files.write_text("/etc/hostname.vio0", "inet autoconf\n", 0o640)

    def _add(self, name: str) -> Interface:
        self._index += 1
        kind = type_of(name)
        groups = [] if kind == "vio" else [kind]
        interface = Interface(name, self._index, groups=groups)
        if kind in _WITH_LLADDR:
            self._fakes += 1
            low, high = self._random.randrange(256), self._random.randrange(256)
            interface.lladdr = _FAKE_LLADDR.format(self._fakes % 16, low, high)
        elif kind == "vlan":
            interface.lladdr = "00:00:00:00:00:00"
        self.interfaces[name] = interface
        return interface

    # what other models ask

    def exists(self, name: str) -> bool:
        return name in self.interfaces

    def get(self, name: str) -> Interface:
        """The interface; OSError ENXIO if there is none."""
        try:
            return self.interfaces[name]
        except KeyError:
            raise failure(errno.ENXIO) from None

    def addresses(self, name: str) -> list[Address]:
        """Addresses of an interface that is up, with their networks."""
        interface = self.interfaces.get(name)
        if interface is None or not interface.up:
            return []
        return [ipaddress.ip_interface(text) for text in (*interface.inet, *interface.inet6)]

    def own(self, address: str) -> bool:
        """Whether an interface that is up has the address."""
        sought = ipaddress.ip_address(address)
        return any(sought == own.ip for name in self.interfaces for own in self.addresses(name))

    def switch_of(self, member: str) -> str:
        """The bridge or veb that an interface is in, or an empty string."""
        return next((nic.name for nic in self.interfaces.values() if member in nic.members), "")

    def neighbours(self, member: str) -> list[str]:
        """The interfaces that an Ethernet frame from `member` reaches through its switch."""
        switch = self.interfaces.get(self.switch_of(member))
        if switch is None or not switch.up:
            return []
        return [name for name in switch.members if name != member and self.interfaces[name].up]

    # changes, as the kernel takes or refuses them

    def create(self, name: str) -> Interface:
        """Make a pseudo interface; OSError EEXIST, or EINVAL for what cannot be made."""
        if name in self.interfaces:
            raise failure(errno.EEXIST)
        if type_of(name) not in CLONERS:
            raise failure(errno.EINVAL)
        return self._add(name)

    def destroy(self, name: str) -> None:
        if name not in self.interfaces:
            raise failure(errno.ENXIO)
        if name.startswith(_FIXED):
            raise NotModelled(f"{name} destroy")
        for other in self.interfaces.values():
            if name in other.members:
                other.members.remove(name)
            if name in other.ports:
                other.ports.remove(name)
            if other.parent == name:
                other.parent = ""
            if other.patch == name:
                other.patch = ""
        del self.interfaces[name]

    def add_member(self, switch: str, name: str) -> None:
        """Put an interface into a bridge or veb; bridge(4) and veb(4) refuse in different words."""
        bridge, member = self.get(switch), self.interfaces.get(name)
        if member is None:
            raise failure(errno.EINVAL if bridge.type == "veb" else errno.ENOENT)
        if not bridge.is_switch or not member.is_ethernet:
            raise NotModelled(f"{switch} add {name}")
        current = self.switch_of(name)
        if current:
            again = current == switch and bridge.type == "bridge"
            raise failure(errno.EEXIST if again else errno.EBUSY)
        bridge.members.append(name)

    def remove_member(self, switch: str, name: str) -> None:
        bridge = self.get(switch)
        if name not in bridge.members:
            raise failure(errno.ESRCH if bridge.type == "veb" else errno.ENOENT)
        bridge.members.remove(name)

    def add_port(self, trunk: str, name: str) -> None:
        """Put an Ethernet interface into an aggr or trunk (if_aggr.c, if_trunk.c)."""
        lag, port = self.get(trunk), self.interfaces.get(name)
        if port is None:
            raise failure(errno.EINVAL)
        if lag.type not in TRUNKS or not port.is_ethernet:
            raise NotModelled(f"{trunk} trunkport {name}")
        if self.switch_of(name) or any(name in other.ports for other in self.interfaces.values()):
            raise failure(errno.EBUSY)
        lag.ports.append(name)

    def remove_port(self, trunk: str, name: str) -> None:
        lag = self.get(trunk)
        if name not in lag.ports:
            raise failure(errno.EINVAL)
        lag.ports.remove(name)

    def set_protocol(self, trunk: str, protocol: str) -> None:
        lag = self.get(trunk)
        if lag.type != "trunk":
            raise NotModelled(f"{trunk} trunkproto {protocol}")
        lag.protocol = protocol

    def set_vnetid(self, name: str, vnetid: int) -> None:
        vlan = self.get(name)
        if vlan.type != "vlan":
            raise failure(errno.ENOTTY)
        self._free_vlan(vlan, vlan.parent, vnetid)
        vlan.vnetid = vnetid

    def set_parent(self, name: str, parent: str) -> None:
        """if_vlan.c: a parent is changed only while the interface does not run."""
        vlan, other = self.get(name), self.interfaces.get(parent)
        if vlan.type != "vlan":
            raise failure(errno.ENOTTY)
        if other is None or not other.is_ethernet:
            raise failure(errno.EPROTONOSUPPORT if other else errno.EINVAL)
        if vlan.parent != parent:
            if vlan.up and vlan.parent:
                raise failure(errno.EBUSY)
            self._free_vlan(vlan, parent, vlan.vnetid)
            vlan.parent, vlan.lladdr = parent, other.lladdr

    def _free_vlan(self, vlan: Interface, parent: str, vnetid: int | None) -> None:
        """OSError EADDRINUSE where another vlan has this number on this parent."""
        for other in self.interfaces.values():
            taken = (other.parent, other.vnetid) == (parent, vnetid) and parent and vnetid
            if other is not vlan and taken:
                raise failure(errno.EADDRINUSE)

    def set_address(self, name: str, address: Address, alias: str) -> None:
        """With alias one more, with -alias one less, else in place of the first one of IPv4."""
        interface = self.get(name)
        texts = interface.inet6 if address.version == 6 else interface.inet
        same = [text for text in texts if text.partition("/")[0] == str(address.ip)]
        if alias == "-alias":
            if not same:
                raise failure(errno.EADDRNOTAVAIL)
            texts.remove(same[0])
            return
        if not alias and address.version == 4:
            del texts[:1]
        texts[:] = [*(text for text in texts if text not in same), address.with_prefixlen]
        interface.up = True
        if address.version == 6 and interface.lladdr and len(texts) == 1:
            texts.insert(0, f"{_link_local(interface.lladdr)}/64")

    def patch(self, name: str, end: str) -> None:
        """Connect two ends of pair(4), or with an empty `end` take the connection away."""
        interface = self.get(name)
        if interface.patch == end:
            return
        if type_of(name) != "pair" or end and (type_of(end) != "pair" or end == name):
            raise NotModelled(f"{name} patch {end}")
        if end:
            other = self.get(end)
            if other.patch:
                raise failure(errno.EBUSY)
            other.patch = name
        if interface.patch:
            self.get(interface.patch).patch = ""
        interface.patch = end

    def open_tap(self) -> str:
        """Open the device of the first tap that is free, and give its name.

        The node must be in /dev: the search for a free one ends where a node is missing, with
        OSError ENOENT and the tap's name as file name.
        """
        number = 0
        while (tap := self.interfaces.get(f"tap{number}")) is not None and tap.opened:
            number += 1
        unit = f"tap{number}"
        if not self.machine.files.exists(f"/dev/{unit}"):
            raise OSError(errno.ENOENT, "No such file or directory", unit)
        if tap is None:
            tap = self._add(unit)
            tap.kept = False
        tap.opened = True
        return unit

    def close_tap(self, name: str) -> None:
        """Close the device; an interface that the opening made goes away with all it had."""
        tap = self.interfaces.get(name)
        if tap is None:
            return
        tap.opened = False
        if not tap.kept:
            self.destroy(name)


def _link_local(lladdr: str) -> ipaddress.IPv6Address:
    octets = [int(octet, 16) for octet in lladdr.split(":")]
    octets[0] ^= 2
    return ipaddress.IPv6Address(
        bytes([0xFE, 0x80, *[0] * 6, *octets[:3], 0xFF, 0xFE, *octets[3:]])
    )
