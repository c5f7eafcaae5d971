# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""A server's dhcpd.conf(5): the subnets, and which statements are of the fleet's VMs."""

from __future__ import annotations

import typing as t
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from ansible_collections.puffy.vmm.plugins.module_utils._formats import dhcpd_conf
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.read.blocks import (
    Statement,
    statements,
    unindented,
    without,
)

PATH: t.Final = "/etc/dhcpd.conf"
LEASES: t.Final = "/var/db/dhcpd.leases"


class Line(t.NamedTuple):
    """A statement that the role does not write, in how it is written."""

    line: int
    text: str
    why: str


@dataclass(frozen=True)
class Host:
    """A host, and where it stands."""

    name: str
    mac: str
    address: str | None
    statement: Statement
    parameters: dhcpd_conf.Parameters


@dataclass(frozen=True)
class Subnet:
    network: IPv4Network
    ranges: tuple[tuple[str, str], ...]
    parameters: dhcpd_conf.Parameters
    statement: Statement
    shared: Statement | None = None

    @property
    def gateway(self) -> str | None:
        return next(iter(self.parameters.get("option routers", ())), None)


@dataclass(frozen=True)
class Conf:
    text: str
    parameters: dhcpd_conf.Parameters
    subnets: tuple[Subnet, ...]
    hosts: tuple[Host, ...]
    top: tuple[Statement, ...]

    def option(self, name: str, subnet: Subnet | None) -> tuple[str, ...]:
        """The values of an option, of the subnet or of all."""
        own = subnet.parameters.get(f"option {name}", ()) if subnet else ()
        return tuple(
            part
            for value in own or self.parameters.get(f"option {name}", ())
            for part in value.replace(",", " ").split()
        )

    def rest(self, subnets: Collection[Subnet], macs: Collection[str]) -> str:
        """Subnets and hosts of others as they are written, with what holds for them."""
        ours = [subnet.statement for subnet in subnets]
        gone = [*ours, *(host.statement for host in self.hosts if host.mac in macs)]
        gone += [one for one in self.top if one.block is None and _is_ours(one)]
        left = without(self.text, [*gone, *self.shared_by(subnets)])
        strangers = [
            unindented(self.text, host.statement)
            for host in self.hosts
            if host.mac not in macs and any(_within(host.statement, one) for one in ours)
        ]
        text = "\n\n".join(part for part in (left, *strangers) if part)
        if not statements(text, lines=False):
            return ""
        return f"{self._defaults()}{text}"

    def shared_by(self, subnets: Collection[Subnet]) -> list[Statement]:
        """The shared networks that have no other subnets than these."""
        shared = dict.fromkeys(one.shared for one in subnets if one.shared)
        return [
            one
            for one in shared
            if all(subnet in subnets for subnet in self.subnets if subnet.shared == one)
        ]

    def _defaults(self) -> str:
        """What the role's own first lines change for all that comes after them."""
        words = {(one.kind, *one.words[1:2]) for one in self.top if one.block is None}
        lines = []
        if ("deny", "unknown-clients") not in words:
            lines.append("allow unknown-clients;\n")
        if ("not", "authoritative") not in words:
            lines.append("authoritative;\n")
        return "".join(lines)

    def foreign_to(
        self, subnets: Sequence[Subnet], macs: Collection[str], labels: dict[str, str]
    ) -> list[Line]:
        """Statements that hold for the fleet's VMs, and that the role does not write.

        labels are the host names that the role gives, by MAC. The first of the subnets may have a
        range.
        """
        found = [*_unknown(self.top, self.text, "all")]
        whole = self.shared_by(subnets)
        groups = list(_groups(self.top))
        for place, subnet in enumerate(subnets):
            name, line = f"subnet {subnet.network}", subnet.statement.line
            found += _unknown(subnet.statement.block or (), self.text, name)
            if subnet.shared in whole:
                found += _unknown((subnet.shared and subnet.shared.block) or (), self.text, name)
            elif subnet.shared:
                found.append(Line(line, name, "it shares a network with another subnet"))
            if len(subnet.ranges) > (1 if place == 0 else 0):
                found.append(Line(line, name, "dhcpd_range is one range, of the first network"))
            if any(_within(subnet.statement, group) for group in groups):
                found.append(Line(line, name, "it is in a group, whose parameters hold for it"))
        for host in self.hosts:
            if host.mac not in macs:
                continue
            if any(_within(host.statement, group) for group in groups):
                why = "it is in a group, whose parameters hold for it"
                found.append(Line(host.statement.line, f"host {host.name}", why))
            for one in host.statement.block or ():
                if why := _unknown_of_host(one, labels.get(host.mac, "")):
                    found.append(Line(one.line, " ".join(one.words), why))
            if host.address is None:
                found.append(
                    Line(
                        host.statement.line,
                        f"host {host.name}",
                        "it has no single fixed-address, and the fleet's VMs have",
                    )
                )
        return found


def read(text: str) -> Conf:
    """Raises ValueError, which names the line."""
    conf = dhcpd_conf.parse_dhcpd_conf(text)
    top = statements(text, lines=False)
    placed = list(_placed(top, None))
    subnets = [
        Subnet(
            IPv4Network(f"{one.network}/{one.netmask}"),
            tuple((pair[0], pair[-1]) for pair in one.ranges if pair),
            one.parameters,
            statement,
            shared,
        )
        for one, (statement, shared) in zip(
            conf.subnets, [item for item in placed if item[0].kind == "subnet"], strict=True
        )
    ]
    by_place = [item[0] for item in placed if item[0].kind == "host"]
    hosts = [_host(one) for one in by_place]
    return Conf(text, conf.parameters, tuple(subnets), tuple(hosts), top)


def leases(text: str) -> dict[str, str]:
    """The address that each MAC has, the last one of a file of leases; as far as it can be read."""
    found: dict[str, str] = {}
    try:
        for one in statements(text, lines=False):
            hardware = [x.words for x in one.block or () if x.kind == "hardware"]
            if one.kind == "lease" and len(one.words) > 1 and hardware:
                address, mac = str(IPv4Address(one.words[1])), hardware[0][-1].lower()
                found[mac] = address
    except ValueError:
        pass
    return found


def _host(statement: Statement) -> Host:
    text = _as_text(statement)
    (host,) = dhcpd_conf.parse_dhcpd_conf(text).hosts
    (address,) = host.addresses if len(host.addresses) == 1 else (None,)
    try:
        found = address and str(IPv4Address(address))
    except ValueError:
        # A name, which the server's own resolver knows.
        found = None
    return Host(host.name, (host.mac or "").lower(), found, statement, host.parameters)


def _as_text(statement: Statement) -> str:
    """A host in words of its own, for the reader of the language."""
    inner = "".join(f"{_words(one)};\n" for one in statement.block or () if one.block is None)
    return f"{_words(statement)} {{\n{inner}}}\n"


def _words(statement: Statement) -> str:
    first, *rest = statement.words
    quoted = (f'"{one}"' if not _is_bare(one) else one for one in rest)
    return " ".join((first, *quoted))


def _is_bare(word: str) -> bool:
    return bool(word) and not any(one.isspace() or one in ";{}\"'#" for one in word)


def _groups(rows: Collection[Statement]) -> Iterator[Statement]:
    for one in rows:
        if one.kind == "group":
            yield one
        yield from _groups(one.block or ())


def _placed(
    rows: Collection[Statement], shared: Statement | None
) -> Iterator[tuple[Statement, Statement | None]]:
    """Subnets and hosts in the order of the text, as the reader of the language has them."""
    for one in rows:
        if one.block is None:
            continue
        if one.kind in ("subnet", "host"):
            yield one, shared
        if one.kind in ("subnet", "group", "shared-network"):
            yield from _placed(one.block, one if one.kind == "shared-network" else shared)


def _within(inner: Statement, outer: Statement) -> bool:
    return outer.begin < inner.begin and inner.end <= outer.end


def _is_ours(statement: Statement) -> bool:
    """Whether the role writes this at the top of its file itself."""
    words = tuple(word.lower() for word in statement.words[:2])
    return words in _WRITTEN


_WRITTEN: t.Final = frozenset(
    {
        ("option", "domain-name"),
        ("option", "domain-name-servers"),
        ("deny", "unknown-clients"),
        ("not", "authoritative"),
    }
)
# What the role writes of a subnet, or what says nothing that it does not say by itself.
_OF_SUBNET: t.Final = frozenset(
    {"range", "next-server", "server-name", "filename", "authoritative"}
)
_OPTIONS: t.Final = frozenset(
    {"routers", "domain-name", "domain-name-servers", "subnet-mask", "broadcast-address"}
)


def _unknown(rows: Collection[Statement], text: str, where: str) -> Iterator[Line]:
    for one in rows:
        words = tuple(word.lower() for word in one.words[:2])
        if one.block is not None or not words or words in _WRITTEN or words[0] in _OF_SUBNET:
            continue
        if words[0] == "option" and words[1:] and words[1] in _OPTIONS:
            continue
        if words == ("allow", "unknown-clients"):
            continue
        yield Line(
            one.line, one.text(text), f"it holds for {where}, and the role does not write it"
        )


def _unknown_of_host(statement: Statement, label: str) -> str:
    match [word.lower() for word in statement.words]:
        case (
            ["hardware", "ethernet", _] | ["fixed-address", _] | ["next-server" | "server-name", _]
        ):
            return ""
        case ["filename", name] if name.endswith("auto_install"):
            return ""
        case ["option", "host-name", name]:
            return "" if name == label else f"the role gives the host name {label}"
    return "the role does not write it for a host"
