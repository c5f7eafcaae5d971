# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Reads dhcpd.conf(5), as far as this collection and OpenBSD Amsterdam write it.

Groups and shared networks are looked through: their hosts and subnets count where they stand.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from ansible_collections.puffy.vmm.plugins.module_utils._formats.blocks import (
    Statement,
    Unreadable,
    statements,
)

# Parameters of which there can be several, so that their first value is part of their name.
_WITH_ARGUMENT = frozenset({"allow", "deny", "not", "option"})

_LOOKED_THROUGH = frozenset({"group", "shared-network"})

_NOWHERE = Statement((), None, 0, 0, 0)

Parameters = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Host:
    """A host with its own parameters; addresses are those of fixed-address."""

    name: str
    mac: str | None
    addresses: tuple[str, ...]
    parameters: Parameters
    statement: Statement = field(default=_NOWHERE, compare=False, repr=False)


@dataclass(frozen=True)
class Subnet:
    network: str
    netmask: str
    ranges: tuple[tuple[str, ...], ...]
    parameters: Parameters
    hosts: tuple[Host, ...]
    statement: Statement = field(default=_NOWHERE, compare=False, repr=False)


@dataclass(frozen=True)
class DhcpdConf:
    """Global parameters, subnets, and the hosts that are in no subnet."""

    parameters: Parameters
    subnets: tuple[Subnet, ...]
    hosts: tuple[Host, ...]
    statements: tuple[Statement, ...] = field(default=(), compare=False, repr=False)

    @property
    def all_hosts(self) -> tuple[Host, ...]:
        """Those of subnets, too."""
        return (*self.hosts, *(host for subnet in self.subnets for host in subnet.hosts))


def parse_dhcpd_conf(text: str) -> DhcpdConf:
    """Return what a dhcpd.conf(5) says. Raises Unreadable."""
    rows = statements(text, lines=False)
    return DhcpdConf(
        _parameters(rows), tuple(map(_subnet, _blocks(rows, "subnet"))), _hosts(rows), rows
    )


def _hosts(rows: Iterable[Statement]) -> tuple[Host, ...]:
    return tuple(map(_host, _blocks(rows, "host")))


def _host(statement: Statement) -> Host:
    name = "".join(statement.words[1:])
    if not name:
        raise Unreadable(f"line {statement.line}: a host has no name")
    parameters = dict(_parameters(statement.block or ()))
    kind, *address = parameters.pop("hardware", ()) or ("ethernet",)
    if kind.lower() != "ethernet":
        raise Unreadable(f"line {statement.line}: host {name} has other hardware than ethernet")
    addresses = parameters.pop("fixed-address", ())
    return Host(name, address[0] if address else None, addresses, parameters, statement)


def _subnet(statement: Statement) -> Subnet:
    network, word, netmask = [*statement.words[1:], "", "", ""][:3]
    if word.lower() != "netmask" or not netmask:
        raise Unreadable(f"line {statement.line}: a subnet has no netmask")
    block = statement.block or ()
    ranges = tuple(row.words[1:] for row in block if row.block is None and row.kind == "range")
    parameters = {name: value for name, value in _parameters(block).items() if name != "range"}
    return Subnet(network, netmask, ranges, parameters, _hosts(block), statement)


def _blocks(rows: Iterable[Statement], kind: str) -> Iterator[Statement]:
    for row in rows:
        if row.block is not None and row.kind == kind:
            yield row
        elif row.kind in _LOOKED_THROUGH:
            yield from _blocks(row.block or (), kind)


def _parameters(rows: Iterable[Statement]) -> Parameters:
    parameters: dict[str, tuple[str, ...]] = {}
    for row in rows:
        if row.block is None:
            own = 2 if row.kind in _WITH_ARGUMENT else 1
            parameters[" ".join(row.words[:own]).lower()] = row.words[own:]
    return parameters
