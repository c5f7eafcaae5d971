# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What `ifconfig -A` tells of a server's network interfaces (sbin/ifconfig of OpenBSD 7.8)."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field
from ipaddress import IPv4Address, ip_interface

_HEAD = re.compile(r"(\S+): flags=[0-9a-f]+<([^>]*)>")
_ENCAP = re.compile(r"\tencap: vnetid (\S+) parent (\S+)")
_MEMBER = re.compile(r"\t(\S+) flags=[0-9a-f]+<")
_PORT = re.compile(r"\t\t(\S+) port ")
_PROTOCOL = re.compile(r"\ttrunk: trunkproto (\S+)")
_INET = re.compile(r"\tinet (\S+)(?: --> \S+)? netmask 0x([0-9a-f]{8})")
_INET6 = re.compile(r"\tinet6 ([0-9a-f:.]+)(?:%\S+)?(?: -> \S+)? prefixlen ([0-9]+)")
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


@dataclass
class _Draft:
    fields: dict[str, t.Any]
    lists: dict[str, list[str]] = field(default_factory=dict)

    def add(self, name: str, value: str) -> None:
        self.lists.setdefault(name, []).append(value)

    def interface(self) -> Interface:
        lists: dict[str, t.Any] = {name: tuple(items) for name, items in self.lists.items()}
        return Interface(**self.fields, **lists)


def parse(text: str) -> dict[str, Interface]:
    """Return the interfaces by name, in the order of the listing."""
    drafts: list[_Draft] = []
    for line in text.splitlines():
        head = _HEAD.match(line)
        if head:
            flags = frozenset(filter(None, head[2].split(",")))
            drafts.append(_Draft({"name": head[1], "flags": flags}))
        elif drafts:
            _line(drafts[-1], line)
    return {draft.fields["name"]: draft.interface() for draft in drafts}


def _line(draft: _Draft, line: str) -> None:
    if line.startswith("\tdescription: "):
        draft.fields["description"] = line.partition(": ")[2]
    elif line.startswith("\tgroups: "):
        draft.lists["groups"] = line.split()[1:]
    elif encap := _ENCAP.match(line):
        draft.fields["vnetid"] = int(encap[1]) if encap[1].isdigit() else None
        draft.fields["parent"] = None if encap[2] == "none" else encap[2]
    elif protocol := _PROTOCOL.match(line):
        draft.fields["protocol"] = protocol[1]
    elif port := _PORT.match(line):
        draft.add("ports", port[1])
    elif inet := _INET.match(line):
        draft.add("addresses", canonical(f"{inet[1]}/{IPv4Address(int(inet[2], 16))}"))
    elif inet6 := _INET6.match(line):
        draft.add("addresses", canonical(f"{inet6[1]}/{inet6[2]}"))
    elif member := _MEMBER.match(line):
        draft.add("members", member[1])
    elif patch := _PATCH.match(line):
        draft.fields["patch"] = patch[1]
    elif status := _CARRIER.match(line):
        draft.fields["status"] = status[1]


def canonical(text: str) -> str:
    """Return an address with a length or netmask as address/length. Raises ValueError."""
    return ip_interface(text).with_prefixlen
