# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Reads dhcpd.conf(5), as far as this collection and OpenBSD Amsterdam write it.

Groups and shared networks are looked through: their hosts and subnets count where they stand.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from ansible_collections.puffy.vmm.plugins.module_utils._formats.blocks import (
    Statement,
    Unreadable,
    statements,
)
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.addresses import ether

# Parameters of which there can be several, so that their first value is part of their name.
_WITH_ARGUMENT = frozenset({"allow", "deny", "not", "option"})

_LOOKED_THROUGH = frozenset({"group", "shared-network"})

_IPV4 = re.compile(r"[0-9]+(?:\.[0-9]+){3}")

_NOWHERE = Statement((), None, 0, 0, 0)

Parameters = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Host:
    """A host with its own parameters; addresses are those of fixed-address.

    mac is with two digits an octet, or what is written there, such as a name of ethers(5).
    """

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
    addresses = tuple(map(_decimal, parameters.pop("fixed-address", ())))
    written = "".join(address)
    return Host(name, ether(written) or written or None, addresses, parameters, statement)


def _subnet(statement: Statement) -> Subnet:
    network, word, netmask = [*statement.words[1:], "", "", ""][:3]
    if word.lower() != "netmask" or not netmask:
        raise Unreadable(f"line {statement.line}: a subnet has no netmask")
    block = statement.block or ()
    rows = (row for row in block if row.block is None and row.kind == "range")
    ranges = tuple(tuple(map(_decimal, row.words[1:])) for row in rows)
    parameters = {name: value for name, value in _parameters(block).items() if name != "range"}
    places = _decimal(network), _decimal(netmask)
    return Subnet(*places, ranges, parameters, _hosts(block), statement)


def _decimal(address: str) -> str:
    """Return an IPv4 address without leading zeros, which dhcpd(8) allows; all else as it is."""
    return re.sub(r"(?<![0-9])0+(?=[0-9])", "", address) if _IPV4.fullmatch(address) else address


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
