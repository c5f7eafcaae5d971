# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The grammar of dhcpd.conf(5) as dhcpd(8) of OpenBSD 7.8 reads it, mistakes included."""

from __future__ import annotations

from sandbox.model import dhcpd_lexer as lexer
from sandbox.model.dhcpd_options import FORMATS
from sandbox.model.dhcpd_tree import Config, Host, Scope, SharedNetwork, Subnet, dotted
from sandbox.model.dhcpd_values import Resolve, Values, numeric

FLAGS = {
    "get-lease-hostnames",
    "always-reply-rfc1048",
    "echo-client-id",
    "use-host-decl-names",
    "use-lease-addr-for-default-route",
}
NOT_IN_A_HOST = {"get-lease-hostnames", "use-host-decl-names"}
NOT_ALLOWED_IN = {
    "host": ("host",),
    "group": ("host",),
    "shared-network": ("shared-network", "host", "subnet"),
    "subnet": ("host", "subnet"),
    "range": ("file", "group", "shared-network", "host", "class"),
}
DECLARATIONS = {*NOT_ALLOWED_IN, "vendor-class", "user-class", "server-identifier"}
PARAMETERS = FLAGS | {
    "allow",
    "authoritative",
    "default-lease-time",
    "deny",
    "dynamic-bootp-lease-cutoff",
    "dynamic-bootp-lease-length",
    "filename",
    "fixed-address",
    "hardware",
    "max-lease-time",
    "next-server",
    "not",
    "option",
    "server-name",
    "timestamp",
}
ALLOW_DENY = {"bootp", "booting", "dynamic-bootp", "unknown-clients"}


class FatalError(Exception):
    """dhcpd gives up at once; the text is its last message."""


def check(text: str, filename: str, resolve: Resolve = numeric) -> tuple[Config | None, str]:
    """Parse a configuration; `resolve` asks the name service, which dhcpd does while it reads.

    Returns None if dhcpd would refuse it, and what dhcpd writes to standard error.
    """
    words = lexer.Lexer(text, filename)
    parser = _Parser(words, resolve)
    try:
        parser.file()
        if words.failed:
            raise FatalError("Configuration file errors encountered")
    except FatalError as fatal:
        words.warn(f"fatal in dhcpd: {fatal}")
        return None, _lines(words.complaints)
    return parser.config, _lines(words.complaints)


def _lines(messages: list[str]) -> str:
    return "".join(f"{message}\n" for message in messages)


class _Parser(Values):
    def __init__(self, words: lexer.Lexer, resolve: Resolve) -> None:
        super().__init__(words, resolve)
        self.config = Config()

    def file(self) -> None:
        declared = False
        while self.words.peek().kind != lexer.EOF:
            declared = self.statement(self.config.root, "file", None, declared)

    def block(self, scope: Scope, kind: str, host: Host | None = None) -> None:
        """Statements up to the closing brace, which is taken."""
        declared = False
        while True:
            word = self.words.peek()
            if word.kind in ("}", lexer.EOF):
                self.words.take()
                if word.kind == lexer.EOF:
                    self.words.complain()
                return
            declared = self.statement(scope, kind, host, declared)

    def brace(self) -> bool:
        if self.words.take().kind == "{":
            return True
        self.fail()
        return False

    def statement(self, scope: Scope, kind: str, host: Host | None, declared: bool) -> bool:
        """One statement of a scope; True once parameters are no longer allowed behind it."""
        word = self.words.take()
        if word.kind in DECLARATIONS:
            after = self.declaration(word.kind, scope, kind, declared)
            if after is not None:
                return after
        elif word.kind in PARAMETERS:
            self.parameter(word.kind, scope, kind, host)
        else:
            self.fail()
            return declared
        if declared:
            self.words.complain()
        return declared

    def declaration(self, word: str, scope: Scope, kind: str, declared: bool) -> bool | None:
        """What `statement` returns, or None where dhcpd goes on as behind a parameter."""
        allowed = kind not in NOT_ALLOWED_IN.get(word, ())
        match word:
            case "server-identifier":
                if self.address() is None:
                    return declared
                self.words.take()
                return None
            case "range":
                if allowed and scope.subnet is not None:
                    self.range(scope.subnet)
                else:
                    self.fail()
                return declared
            case _ if not allowed:
                self.fail()
                return None if word == "shared-network" else True
            case "subnet" if scope.network is not None:
                self.subnet(scope.network)
                return None
        {
            "host": self.host,
            "group": self.group,
            "vendor-class": self.client_class,
            "user-class": self.client_class,
            "shared-network": self.shared_network,
            "subnet": self.lone_subnet,
        }[word](scope)
        return True

    def parameter(self, word: str, scope: Scope, kind: str, host: Host | None) -> None:
        if kind == "host" and word in NOT_IN_A_HOST:
            self.words.complain()
        match word:
            case "default-lease-time":
                scope.default_lease_time = self.seconds(scope.default_lease_time)
            case "max-lease-time":
                scope.max_lease_time = self.seconds(scope.max_lease_time)
            case "filename":
                scope.filename = self.string()
            case "server-name":
                scope.server_name = self.string()
            case "hardware" | "fixed-address":
                self.host_parameter(word, host)
            case "not" | "authoritative":
                self.authority(word, scope, kind)
            case "allow" | "deny":
                self.permission(scope, word == "allow")
            case "next-server":
                self.next_server(scope)
            case "option":
                self.option(scope)
            case _ if word in FLAGS:
                scope.flags[word] = self.boolean()
            case _:
                self.unused_parameter(word)

    def unused_parameter(self, word: str) -> None:
        if word == "dynamic-bootp-lease-length":
            self.seconds(0)
        elif word == "dynamic-bootp-lease-cutoff":
            self.date()

    def host_parameter(self, word: str, host: Host | None) -> None:
        mac = self.hardware() if word == "hardware" else None
        addresses = self.fixed_addresses() if word == "fixed-address" else None
        if host is None:
            self.words.complain()
        elif addresses is not None:
            host.addresses = addresses
        else:
            host.mac = mac or host.mac

    def authority(self, word: str, scope: Scope, kind: str) -> None:
        if word == "not" and self.words.take().kind != "authoritative":
            self.fail()
            return
        if kind == "host":
            self.words.complain()
        scope.flags["authoritative"] = word == "authoritative"
        self.semicolon()

    def group(self, around: Scope) -> None:
        scope = around.inner()
        if self.brace():
            self.block(scope, "group")

    def permission(self, scope: Scope, allowed: bool) -> None:
        word = self.words.take()
        if word.kind not in ALLOW_DENY:
            self.fail()
            return
        scope.flags[word.kind] = allowed
        self.semicolon()

    def next_server(self, scope: Scope) -> None:
        address = self.address()
        if address is not None:
            scope.next_server = address
            self.semicolon()

    def range(self, subnet: Subnet) -> None:
        if self.words.peek().kind == "dynamic-bootp":
            self.words.take()
        low = self.dotted_quad()
        if low is None:
            return
        high: int | None = low
        if self.words.peek().kind != ";":
            high = self.dotted_quad()
        if high is None:
            return
        if self.words.take().kind != ";":
            self.fail()
            return
        mask = subnet.netmask
        if low & mask != high & mask:
            raise FatalError(
                f"Address range {dotted(low)} to {dotted(high)}, netmask {dotted(mask)}"
                " spans multiple subnets!"
            )
        if not subnet.holds(low):
            raise FatalError(
                f"Address range {dotted(low)} to {dotted(high)}"
                f" not on net {dotted(subnet.address)}/{dotted(mask)}!"
            )
        subnet.ranges.append((min(low, high), max(low, high)))

    def host(self, around: Scope) -> None:
        name = self.dotted_name()
        if name is None or not self.brace():
            return
        host = Host(name, around.inner())
        self.block(host.scope, "host", host)
        if host.scope.flags.get("use-host-decl-names") and "host-name" not in host.scope.options:
            host.scope.options["host-name"] = (name,)
        self.config.hosts.append(host)

    def client_class(self, around: Scope) -> None:
        if self.words.take().kind != lexer.STRING:
            self.fail()
        elif self.brace():
            self.block(around.inner(), "class")

    def lone_subnet(self, around: Scope) -> None:
        network = SharedNetwork("", around.inner())
        network.scope.network = network
        self.subnet(network)
        if network.subnets:
            network.name = dotted(network.subnets[0].address)
            network.scope.flags["authoritative"] = network.subnets[0].scope.flags["authoritative"]
            self.config.networks.insert(0, network)

    def shared_network(self, around: Scope) -> None:
        name: str | None
        if self.words.peek().kind == lexer.STRING:
            name = self.words.take().text
            if not name:
                self.words.complain()
        else:
            name = self.dotted_name()
        if name is None or not self.brace():
            return
        network = SharedNetwork(name or "<no-name-given>", around.inner())
        network.scope.network = network
        self.block(network.scope, "shared-network")
        if network.subnets:
            self.config.networks.insert(0, network)
        else:
            self.words.complain()

    def subnet(self, network: SharedNetwork) -> None:
        subnet = Subnet(network, network.scope.inner())
        subnet.scope.subnet = subnet
        address = self.dotted_quad()
        if address is None:
            return
        if self.words.take().kind != "netmask":
            self.fail()
            return
        netmask = self.dotted_quad()
        if netmask is None:
            return
        subnet.address, subnet.netmask = address & netmask, netmask
        self.enter(subnet)
        if not self.brace():
            return
        self.block(subnet.scope, "subnet")
        inner = next(
            (i for i, other in enumerate(network.subnets) if self.narrower(subnet, other)),
            len(network.subnets),
        )
        network.subnets.insert(inner, subnet)

    @staticmethod
    def narrower(subnet: Subnet, other: Subnet) -> bool:
        return subnet.clashes_with(other) and subnet.bits > other.bits

    def enter(self, subnet: Subnet) -> None:
        """Into the list of all subnets; its order decides which of two overlapping is found."""
        for position, other in enumerate(self.config.subnets):
            if subnet.clashes_with(other):
                self.words.warn(
                    f"Warning: subnet {dotted(subnet.address)}/{subnet.bits} conflicts with"
                    f" subnet {dotted(other.address)}/{other.bits}"
                )
                if self.narrower(subnet, other):
                    self.config.subnets.insert(position, subnet)
                    return
        self.config.subnets.insert(0, subnet)

    def option(self, scope: Scope) -> None:
        word = self.words.take()
        if not word.is_identifier:
            self.fail_at(word)
            return
        known = True
        if self.words.peek().kind == ".":
            self.words.take()
            vendor, word = word, self.words.take()
            if not word.is_identifier:
                self.fail_at(word)
                return
            known = vendor.text.lower() == "dhcp"
        name = word.text.lower()
        letters = FORMATS.get(name)
        if not known or letters is None:
            self.fail()
            return
        values = self.option_values(letters)
        if values is None:
            return
        if self.words.take().kind != ";":
            self.fail()
            return
        scope.options[name] = tuple(values)
