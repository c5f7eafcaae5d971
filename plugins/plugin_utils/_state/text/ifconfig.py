# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What `ifconfig -A` shows of network interfaces (sbin/ifconfig of OpenBSD 7.8)."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_interface

_HEAD = re.compile(r"(\S+): flags=[0-9a-f]+<([^>]*)>")
_ENCAP = re.compile(r"\tencap: vnetid (\S+) parent (\S+)")
_MEMBER = re.compile(r"\t(\S+) flags=[0-9a-f]+<")
_PORT = re.compile(r"\t\t(\S+) port ")
_PROTOCOL = re.compile(r"\ttrunk: trunkproto (\S+)")
_INET = re.compile(r"\tinet (\S+)(?: --> \S+)? netmask 0x([0-9a-f]{8})")
_INET6 = re.compile(r"\tinet6 ([0-9a-f:.]+)(?:%\S+)?(?: --> \S*)? prefixlen ([0-9]+)")
_PATCH = re.compile(r"\tpatch: (\S+)")
_CARRIER = re.compile(r"\tstatus: (.+)")


@dataclass(frozen=True)
class Interface:
    """A network interface. Addresses are written address/length, flags as ifconfig writes them."""

    name: str
    flags: frozenset[str] = frozenset()
    description: str = ""
    groups: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    protocol: str | None = None
    vnetid: int | None = None
    parent: str | None = None
    patch: str | None = None
    status: str = ""

    @property
    def driver(self) -> str:
        return self.name.rstrip("0123456789")


def parse(text: str) -> dict[str, Interface]:
    """Return the interfaces by name, in the order of the listing."""
    fields: dict[str, dict[str, t.Any]] = {}
    name = ""
    for line in text.splitlines():
        if head := _HEAD.match(line):
            name = head[1]
            flags = frozenset(filter(None, head[2].split(",")))
            fields[name] = {"name": name, "flags": flags}
        elif name:
            _add(fields[name], line)
    return {name: Interface(**values) for name, values in fields.items()}


def _add(fields: dict[str, t.Any], line: str) -> None:
    """Add what a line shows to an interface's fields."""

    def append(field: str, value: str) -> None:
        fields[field] = (*fields.get(field, ()), value)

    if line.startswith("\tdescription: "):
        fields["description"] = line.partition(": ")[2]
    elif line.startswith("\tgroups: "):
        fields["groups"] = tuple(line.split()[1:])
    elif encap := _ENCAP.match(line):
        fields["vnetid"] = int(encap[1]) if encap[1].isdigit() else None
        fields["parent"] = None if encap[2] == "none" else encap[2]
    elif protocol := _PROTOCOL.match(line):
        fields["protocol"] = protocol[1]
    elif port := _PORT.match(line):
        append("ports", port[1])
    elif inet := _INET.match(line):
        append("addresses", canonical(f"{inet[1]}/{IPv4Address(int(inet[2], 16))}"))
    elif inet6 := _INET6.match(line):
        append("addresses", canonical(f"{inet6[1]}/{inet6[2]}"))
    elif member := _MEMBER.match(line):
        append("members", member[1])
    elif patch := _PATCH.match(line):
        fields["patch"] = patch[1]
    elif status := _CARRIER.match(line):
        fields["status"] = status[1]


def canonical(text: str) -> str:
    """Return an address with a length or netmask as address/length. Raises ValueError."""
    return ip_interface(text).with_prefixlen
