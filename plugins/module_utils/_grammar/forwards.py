# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The grammar of ports: those that a server forwards to a VM, and its own. All raise Refused."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ansible_collections.puffy.vmm.plugins.module_utils._grammar.plain.values import (
    as_text,
    choice,
    known_keys,
    part,
    sequence,
    whole_number,
)
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Refused, shown

PROTOCOLS = ("tcp", "udp")
HIGHEST_PORT = 65535
PORTS_PATTERN = "[1-9][0-9]{0,4}-[1-9][0-9]{0,4}"
# Each is some rules of pf.conf(5); a range is one.
MOST_FORWARDS = 64

_PARTS = "port, protocol and to, as in {port: 2201, to: 22}"


@dataclass(frozen=True)
class Ports:
    """Ports of a server, from the first to the last one."""

    first: int
    last: int

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"

    def overlaps(self, other: Ports) -> bool:
        """Return whether both have a port in common."""
        return self.first <= other.last and other.first <= self.last


SSH = Ports(22, 22)


@dataclass(frozen=True)
class Forward:
    """Ports of a server that lead to a VM: to the port `to`, or to those of the same numbers."""

    protocol: str
    ports: Ports
    to: int | None = None

    def __str__(self) -> str:
        return f"{self.ports}/{self.protocol}"

    @property
    def each(self) -> Iterator[str]:
        """Each port with its protocol, such as 2201/tcp."""
        return (f"{port}/{self.protocol}" for port in range(self.ports.first, self.ports.last + 1))

    def overlaps(self, other: Forward) -> bool:
        """Return whether both are for the same packets."""
        return self.protocol == other.protocol and self.ports.overlaps(other.ports)


def forwards(value: object) -> tuple[Forward, ...]:
    """Return what is forwarded to a VM; there may be nothing. No port is in two of them."""
    if value == []:
        return ()
    found = sequence(value, _forward, "ports, as in [{port: 2201, to: 22}]")
    if len(found) > MOST_FORWARDS:
        raise Refused(f"are {len(found)}; forward {MOST_FORWARDS} at most, or use ranges of ports")
    for position, one in enumerate(found, start=1):
        for earlier, other in enumerate(found[: position - 1], start=1):
            if one.overlaps(other):
                raise Refused(f"item {position}: {one} is in item {earlier} ({other}) already")
    return found


def ssh_port(found: Sequence[Forward]) -> int | None:
    """Return the port of the server that leads to sshd(8) of the VM, None if none does."""
    for one in found:
        if one.protocol == "tcp" and one.ports.overlaps(SSH) and one.to is None:
            return SSH.first
        if one.protocol == "tcp" and one.to == SSH.first:
            return one.ports.first
    return None


def reserved_ports(value: object) -> tuple[Ports, ...]:
    """Return the ports that are a server's own; there may be none."""
    return () if value == [] else sequence(value, _ports, "ports, such as [22, 8000-8010]")


def _forward(value: object) -> Forward:
    given = known_keys(value, ("port", "protocol", "to"), _PARTS)
    if "port" not in given:
        raise Refused("port is missing; give the port of the server, as in {port: 2201, to: 22}")
    ports = part("port", given, _ports)
    protocol = "tcp"
    if "protocol" in given:
        protocol = part("protocol", given, lambda one: choice(one, PROTOCOLS))
    to = part("to", given, _port) if "to" in given else None
    if to is not None and ports.first != ports.last:
        raise Refused("to: a range of ports keeps its numbers; take it out, or forward one port")
    return Forward(protocol, ports, None if to == ports.first else to)


def _port(value: object) -> int:
    return whole_number(value, 1, HIGHEST_PORT)


def _ports(value: object) -> Ports:
    if isinstance(value, str) and re.fullmatch(PORTS_PATTERN, value):
        first, _hyphen, last = as_text(value).partition("-")
        if not int(first) < int(last) <= HIGHEST_PORT:
            raise Refused(
                f"{shown(value)} is not a range of ports; write the lower one first, up to "
                f"{HIGHEST_PORT}"
            )
        return Ports(int(first), int(last))
    port = _port(value)
    return Ports(port, port)
