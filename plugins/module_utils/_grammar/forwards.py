# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The grammar of ports: those that a server forwards to a VM, and its own. All raise Refused."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from ansible_collections.puffy.vmm.plugins.module_utils._grammar.plain.values import (
    as_text,
    choice,
    record,
    sequence,
    whole_number,
)
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Refused, shown

PROTOCOLS = ("tcp", "udp")
HIGHEST_PORT = 65535
PORTS_PATTERN = "[1-9][0-9]{0,4}-[1-9][0-9]{0,4}"
# Each makes some rules of pf.conf(5); a range counts as one.
MOST_FORWARDS = 64

_EXAMPLE = "{port: 2201, to: 22}"


@dataclass(frozen=True)
class Ports:
    """Ports of a server, from the first to the last."""

    first: int
    last: int

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"

    def overlaps(self, other: Ports) -> bool:
        """Return whether the two have a port in common."""
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
        """Return whether the two are for the same packets."""
        return self.protocol == other.protocol and self.ports.overlaps(other.ports)


def forwards(value: object) -> tuple[Forward, ...]:
    """Return what is forwarded to a VM; there may be nothing. No two have a port in common."""
    items = sequence(value, _forward, f"ports, as in [{_EXAMPLE}]", empty=True)
    if len(items) > MOST_FORWARDS:
        raise Refused(f"are {len(items)}; forward at most {MOST_FORWARDS}, or use ranges of ports")
    for (first, earlier), (second, later) in combinations(enumerate(items, start=1), 2):
        if later.overlaps(earlier):
            raise Refused(f"item {second}: {later} is already in item {first} ({earlier})")
    return items


def ssh_port(forwards: Sequence[Forward]) -> int | None:
    """Return the port of the server that leads to sshd(8) of the VM, None if none does."""
    for forward in forwards:
        if forward.protocol == "tcp" and forward.ports.overlaps(SSH) and forward.to is None:
            return SSH.first
        if forward.protocol == "tcp" and forward.to == SSH.first:
            return forward.ports.first
    return None


def reserved_ports(value: object) -> tuple[Ports, ...]:
    """Return the ports that a server uses itself; there may be none."""
    return sequence(value, _ports, "ports, such as [22, 8000-8010]", empty=True)


def _forward(value: object) -> Forward:
    parts = record(value, _PARSERS, _EXAMPLE, required=["port"])
    ports, to = parts["port"], parts.get("to")
    if to is not None and ports.first != ports.last:
        raise Refused("to: a range of ports keeps its numbers; take it out, or forward one port")
    return Forward(parts.get("protocol", "tcp"), ports, None if to == ports.first else to)


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


_PARSERS = {
    "port": _ports,
    "protocol": lambda name: choice(name, PROTOCOLS),
    "to": _port,
}
