# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""A reader of dhcpd.conf(5), in the forms that are written here."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network

from sandbox.model import replay
from sandbox.model.replay import Refused
from sandbox.model.words import Statement, Word, not_modelled, statements

_MAC = re.compile(r"([0-9a-f]{1,2}:){5}[0-9a-f]{1,2}", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*(\.[A-Za-z0-9_][A-Za-z0-9_-]*)*")


@dataclass
class Scope:
    """The parameters between two braces; an inner one begins with those around it."""

    options: dict[str, tuple[str, ...]] = field(default_factory=dict)
    filename: str = ""
    next_server: IPv4Address | None = None
    unknown_clients: bool = True

    def inner(self) -> Scope:
        return Scope(dict(self.options), self.filename, self.next_server, self.unknown_clients)


@dataclass
class Host:
    name: str
    scope: Scope
    mac: str = ""
    address: IPv4Address | None = None


@dataclass
class Subnet:
    network: IPv4Network
    scope: Scope
    ranges: list[tuple[IPv4Address, IPv4Address]] = field(default_factory=list)
    shared: str = ""  # the name of its shared network


@dataclass
class Config:
    subnets: list[Subnet] = field(default_factory=list)
    hosts: list[Host] = field(default_factory=list)

    def subnet_of(self, address: IPv4Address) -> Subnet | None:
        return next((subnet for subnet in self.subnets if address in subnet.network), None)

    def neighbour(self, subnet: Subnet, address: IPv4Address) -> Subnet:
        """The subnet of an address in the same shared network, or the subnet itself."""
        near = [other for other in self.subnets if other.shared and other.shared == subnet.shared]
        return next((other for other in near if address in other.network), subnet)


def read(path: str, text: str) -> Config:
    """Refused for what dhcpd(8) was seen to refuse, NotModelled for what else is not known."""
    with replay.known("dhcpd", path, text):
        return _Reader(path, text).config


class _Reader:
    def __init__(self, path: str, text: str) -> None:
        self.path, self.text = path, text
        self.config = Config()
        self._block(statements(path, text, ";"), Scope())

    def _block(
        self, rows: list[Statement], scope: Scope, subnet: Subnet | None = None,
        host: Host | None = None,
    ) -> None:  # fmt: skip
        for row in rows:
            try:
                known = self._braces(row, scope) if row.block is not None else (
                    self._parameter(row.words, scope)
                    or (subnet is not None and self._of_subnet(row.words, subnet))
                    or (host is not None and self._of_host(row.words, host))
                )  # fmt: skip
            except ValueError:
                known = False
            if not known:
                raise not_modelled(self.path, self.text, row.line)

    def _braces(self, row: Statement, scope: Scope) -> bool:
        match row.words:
            case ["subnet", address, "netmask", mask]:
                subnet = Subnet(IPv4Network(f"{address}/{mask}"), scope.inner())
                self.config.subnets.append(subnet)
                self._block(row.block or [], subnet.scope, subnet)
            case ["shared-network", name]:
                before = len(self.config.subnets)
                self._block(row.block or [], scope.inner())
                for subnet in self.config.subnets[before:]:
                    subnet.shared = name
            case ["host", name] if not name.quoted and _NAME.fullmatch(name):
                host = Host(name, scope.inner())
                self.config.hosts.append(host)
                self._block(row.block or [], host.scope, None, host)
            case _:
                return False
        return True

    def _parameter(self, words: list[Word], scope: Scope) -> bool:
        match words:
            case ["option", "domain-name" | "host-name" as name, value] if value.quoted:
                scope.options[name] = (value,)
            case ["option", "domain-name-servers" | "routers" as name, *values]:
                scope.options[name] = tuple(str(IPv4Address(ip)) for ip in values if ip != ",")
            case ["filename", value] if value.quoted:
                scope.filename = value
            case ["next-server", address]:
                scope.next_server = IPv4Address(address)
            case ["server-name", value] if value.quoted:
                pass
            case ["allow" | "deny" as word, "unknown-clients"]:
                scope.unknown_clients = word == "allow"
            case ["not", "authoritative"] | ["authoritative"]:
                pass
            case _:
                return False
        return True

    def _of_subnet(self, words: list[Word], subnet: Subnet) -> bool:
        match words:
            case ["range", low, high]:
                subnet.ranges.append((IPv4Address(low), IPv4Address(high)))
                if not all(end in subnet.network for end in subnet.ranges[-1]):
                    net = f"{subnet.network.network_address}/{subnet.network.netmask}"
                    said = f"fatal in dhcpd: Address range {low} to {high} not on net {net}!\n"
                    raise Refused(said)
                return True
        return False

    def _of_host(self, words: list[Word], host: Host) -> bool:
        match words:
            case ["hardware", "ethernet", mac] if _MAC.fullmatch(mac):
                host.mac = mac.lower()
            case ["fixed-address", address]:
                host.address = IPv4Address(address)
            case _:
                return False
        return True
