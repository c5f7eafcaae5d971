# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""A reader of dhcpd.conf(5), in the forms that are written here."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network

from sandbox.model import replay
from sandbox.model.words import Refused, Words
from sandbox.target.call import NotModelled

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


@dataclass
class Config:
    subnets: list[Subnet] = field(default_factory=list)
    hosts: list[Host] = field(default_factory=list)

    def subnet_of(self, address: IPv4Address) -> Subnet | None:
        return next((one for one in self.subnets if address in one.network), None)


def read(path: str, text: str) -> Config:
    """Refused for what dhcpd(8) was seen to refuse, NotModelled for what else is not known."""
    try:
        return _Reader(path, text).config
    except NotModelled:
        recorded = replay.whole("dhcpd", path, text)
        if recorded is None or recorded.rc == 0:
            raise
        raise Refused(recorded.stderr) from None


class _Reader:
    def __init__(self, path: str, text: str) -> None:
        self.words = Words(path, text)
        self.config = Config()
        root = Scope()
        while not self._end():
            self._statement(root, None, None)

    def _end(self) -> bool:
        self.words.newlines()
        return self.words.ended

    def _word(self, *, quoted: bool = False) -> str:
        self.words.newlines()
        return self.words.text(quoted=quoted)

    def _address(self) -> IPv4Address:
        shown = self.words.unknown()
        try:
            return IPv4Address(self._word())
        except ValueError:
            raise shown from None

    def _statement(self, scope: Scope, subnet: Subnet | None, host: Host | None) -> None:
        unknown = self.words.unknown()
        match self._word():
            case "subnet" if subnet is None:
                self._subnet(scope)
                return
            case "host" if host is None:
                self._host(scope)
                return
            case "option":
                name = self._word()
                if name not in ("domain-name", "domain-name-servers", "routers", "host-name"):
                    raise unknown
                values = [self._word(quoted=name in ("domain-name", "host-name"))]
                while self.words.accept(","):
                    values.append(str(self._address()))
                scope.options[name] = tuple(values)
            case "filename":
                scope.filename = self._word(quoted=True)
            case "server-name":
                self._word(quoted=True)
            case "next-server":
                scope.next_server = self._address()
            case "deny":
                self.words.expect("unknown-clients")
                scope.unknown_clients = False
            case "not":
                self.words.expect("authoritative")
            case "range" if subnet is not None:
                low, high = self._address(), self._address()
                if low not in subnet.network or high not in subnet.network:
                    raise Refused(
                        f"fatal in dhcpd: Address range {low} to {high} not on net"
                        f" {subnet.network.network_address}/{subnet.network.netmask}!\n"
                    )
                subnet.ranges.append((low, high))
            case "hardware" if host is not None:
                self.words.expect("ethernet")
                host.mac = self._word().lower()
                if not _MAC.fullmatch(host.mac):
                    raise unknown
            case "fixed-address" if host is not None:
                host.address = self._address()
            case _:
                raise unknown
        self.words.newlines()
        self.words.expect(";")

    def _subnet(self, scope: Scope) -> None:
        address = self._address()
        self.words.expect("netmask")
        unknown = self.words.unknown()
        try:
            network = IPv4Network(f"{address}/{self._address()}")
        except ValueError:
            raise unknown from None
        one = Subnet(network, scope.inner())
        self.config.subnets.append(one)
        self._block(one.scope, one, None)

    def _host(self, scope: Scope) -> None:
        unknown, quoted = self.words.unknown(), self.words.peek() == ""
        name = self._word()
        if quoted or not _NAME.fullmatch(name):
            raise unknown
        one = Host(name, scope.inner())
        self.config.hosts.append(one)
        self._block(one.scope, None, one)

    def _block(self, scope: Scope, subnet: Subnet | None, host: Host | None) -> None:
        self.words.newlines()
        self.words.expect("{")
        while True:
            self.words.newlines()
            if self.words.accept("}"):
                return
            self._statement(scope, subnet, host)
