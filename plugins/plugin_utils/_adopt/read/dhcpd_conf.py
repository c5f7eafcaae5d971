# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""A server's dhcpd.conf(5): its subnets, and which statements are for the fleet's VMs."""

from __future__ import annotations

import typing as t
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from ansible_collections.puffy.vmm.plugins.module_utils._formats import dhcpd_conf
from ansible_collections.puffy.vmm.plugins.module_utils._formats.blocks import (
    Statement,
    nested,
    statements,
    unindented,
    without,
)
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.addresses import ether
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.read.notes import Remark

PATH: t.Final = "/etc/dhcpd.conf"
LEASES: t.Final = "/var/db/dhcpd.leases"
# Where names in it are looked up, by ether_hostton(3) and gethostbyname(3).
ETHERS: t.Final = "/etc/ethers"
HOSTS: t.Final = "/etc/hosts"


@dataclass(frozen=True)
class Host:
    """A host, and its place; address is None unless it has a single IPv4 address."""

    name: str
    mac: str
    address: str | None
    statement: Statement
    parameters: dhcpd_conf.Parameters


@dataclass(frozen=True)
class Subnet:
    """A subnet, and the statement of the shared network that it is in, if there is one."""

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
    """A dhcpd.conf(5); hosts are all of it, top are the statements that are in no block."""

    text: str
    parameters: dhcpd_conf.Parameters
    subnets: tuple[Subnet, ...]
    hosts: tuple[Host, ...]
    top: tuple[Statement, ...]

    def option(self, name: str, subnet: Subnet | None) -> tuple[str, ...]:
        """Return the values of an option, of the subnet or of all."""
        own = subnet.parameters.get(f"option {name}", ()) if subnet else ()
        return own or self.parameters.get(f"option {name}", ())

    def rest(self, subnets: Collection[Subnet], macs: Collection[str]) -> str:
        """Return others' subnets and hosts as they are written, with what holds for them."""
        ours = [subnet.statement for subnet in subnets]
        gone = [*ours, *(host.statement for host in self.hosts if host.mac in macs)]
        gone += [row for row in self.top if row.block is None and _start(row) in _WRITTEN]
        left = without(self.text, [*gone, *self.shared_by(subnets)])
        strangers = [
            unindented(self.text, host.statement)
            for host in self.hosts
            if host.mac not in macs and any(map(host.statement.within, ours))
        ]
        text = "\n\n".join(part for part in (left, *strangers) if part)
        if not statements(text, lines=False):
            return ""
        return f"{self._defaults()}{text}"

    def shared_by(self, subnets: Collection[Subnet]) -> list[Statement]:
        """Return the shared networks that have no other subnets than these."""
        others = [subnet.shared for subnet in self.subnets if subnet not in subnets]
        shared = dict.fromkeys(subnet.shared for subnet in subnets)
        return [statement for statement in shared if statement and statement not in others]

    def _defaults(self) -> str:
        """Return what undoes the role's own first lines for all that comes after them."""
        starts = {_start(row) for row in self.top if row.block is None}
        lines = {
            ("deny", "unknown-clients"): "allow unknown-clients;\n",
            ("not", "authoritative"): "authoritative;\n",
        }
        return "".join(line for start, line in lines.items() if start not in starts)

    def foreign_to(
        self, subnets: Sequence[Subnet], macs: Collection[str], labels: dict[str, str]
    ) -> list[Remark]:
        """Return statements that hold for the fleet's VMs, and that the role does not write.

        labels are the host names that the role gives, by MAC. The first of the subnets may have a
        range.
        """
        lines = [*_unknown(self.top, self.text, "all")]
        whole = self.shared_by(subnets)
        groups = list(nested(self.top, "group"))
        for place, subnet in enumerate(subnets):
            name, statement = f"subnet {subnet.network}", subnet.statement
            lines += _unknown(statement.block or (), self.text, name)
            if subnet.shared in whole:
                lines += _unknown((subnet.shared and subnet.shared.block) or (), self.text, name)
            elif subnet.shared:
                why = "it shares a network with another subnet"
                lines.append(Remark(statement.line, name, why))
            if len(subnet.ranges) > (1 if place == 0 else 0):
                why = "dhcpd_range is one range, of the first network"
                lines.append(Remark(statement.line, name, why))
            lines += _in_group(statement, name, groups)
        times = Counter(host.mac for host in self.hosts)
        for host in self.hosts:
            name, statement = f"host {host.name}", host.statement
            if host.mac and not ether(host.mac):
                why = f"{host.mac} is neither a MAC address nor a name in {ETHERS}"
                lines.append(Remark(statement.line, name, why))
            if host.mac not in macs:
                continue
            if times[host.mac] > 1:
                why = f"several hosts have the MAC {host.mac}, and the role writes one"
                lines.append(Remark(statement.line, name, why))
            lines += _in_group(statement, name, groups)
            for row in statement.block or ():
                if why := _unknown_of_host(row, labels.get(host.mac, "")):
                    lines.append(Remark(row.line, " ".join(row.words), why))
            if host.address is None:
                why = "it has no single fixed-address, and the fleet's VMs have"
                lines.append(Remark(statement.line, name, why))
        return lines


def read(text: str, ethers: str = "", hosts: str = "") -> Conf:
    """Read a dhcpd.conf(5), with ethers(5) and hosts(5). Raises ValueError that names the line."""
    conf = dhcpd_conf.parse_dhcpd_conf(text)
    shared = list(nested(conf.statements, "shared-network"))
    subnets = tuple(_subnet(subnet, shared) for subnet in conf.subnets)
    macs = {row[1]: mac for row in _rows(ethers) if (mac := ether(row[0]))}
    addresses = {name.lower(): row[0] for row in _rows(hosts) for name in row[1:] if ipv4(row[0])}
    rows = sorted(conf.all_hosts, key=lambda host: host.statement.begin)
    found = tuple(_host(row, macs, addresses) for row in rows)
    return Conf(text, conf.parameters, subnets, found, conf.statements)


def _rows(text: str) -> Iterator[list[str]]:
    """Yield lines with an address and names, the last one first: the first one counts."""
    rows = (line.partition("#")[0].split() for line in reversed(text.splitlines()))
    return (row for row in rows if len(row) > 1)


def _subnet(subnet: dhcpd_conf.Subnet, shared: Iterable[Statement]) -> Subnet:
    outer = next((outer for outer in shared if subnet.statement.within(outer)), None)
    try:
        network = IPv4Network(f"{subnet.network}/{subnet.netmask}")
        ranges = [
            [str(IPv4Address(end)) for end in ends if end.lower() != _BOOTP]
            for ends in subnet.ranges
        ]
    except ValueError as error:
        raise ValueError(f"line {subnet.statement.line}: {error}") from None
    pairs = tuple((ends[0], ends[-1]) for ends in ranges if ends)
    return Subnet(network, pairs, subnet.parameters, subnet.statement, outer)


def leases(text: str) -> dict[str, str]:
    """Return the last address of each MAC in a file of leases, as far as it can be read."""
    addresses: dict[str, str] = {}
    try:
        for lease in statements(text, lines=False):
            hardware = [row.words[-1].lower() for row in nested(lease.block or (), "hardware")]
            if lease.kind == "lease" and len(lease.words) > 1 and hardware:
                addresses[hardware[0]] = str(IPv4Address(lease.words[1]))
    except ValueError:
        pass
    return addresses


def _host(host: dhcpd_conf.Host, macs: Mapping[str, str], addresses: Mapping[str, str]) -> Host:
    written = host.mac or ""
    name = host.addresses[0] if len(host.addresses) == 1 else ""
    # A name that is not in hosts(5) is known to the server's own resolver.
    address = ipv4(addresses.get(name.lower(), name))
    mac = macs.get(written, written)
    return Host(host.name, mac, str(address) if address else None, host.statement, host.parameters)


def ipv4(text: str | None) -> IPv4Address | None:
    """Return an address that others wrote; None if it is not one."""
    try:
        return IPv4Address(text or "")
    except ValueError:
        return None


def _in_group(statement: Statement, name: str, groups: Iterable[Statement]) -> Iterator[Remark]:
    if any(map(statement.within, groups)):
        yield Remark(statement.line, name, "it is in a group, whose parameters hold for it")


def _start(statement: Statement) -> tuple[str, ...]:
    return tuple(word.lower() for word in statement.words[:2])


# What the role writes at the top of its file itself.
_WRITTEN: t.Final = frozenset(
    {
        ("option", "domain-name"),
        ("option", "domain-name-servers"),
        ("deny", "unknown-clients"),
        ("not", "authoritative"),
    }
)
_BOOTP: t.Final = "dynamic-bootp"
# What the role writes for a subnet, or what adds nothing to that.
_OF_SUBNET: t.Final = frozenset(
    {"range", "next-server", "server-name", "filename", "authoritative"}
)
_OPTIONS: t.Final = frozenset(
    {"routers", "domain-name", "domain-name-servers", "subnet-mask", "broadcast-address"}
)
_KNOWN: t.Final = (
    _WRITTEN | {("option", name) for name in _OPTIONS} | {("allow", "unknown-clients")}
)


def _unknown(rows: Iterable[Statement], text: str, where: str) -> Iterator[Remark]:
    why = f"it holds for {where}, and the role does not write it"
    for row in rows:
        known = _start(row) in _KNOWN or row.kind in _OF_SUBNET
        if row.block is None and (not known or _start(row) == ("range", _BOOTP)):
            yield Remark(row.line, row.text(text), why)


def _unknown_of_host(statement: Statement, label: str) -> str:
    match [word.lower() for word in statement.words]:
        case (
            ["hardware", "ethernet", *_] | ["fixed-address", _] | ["next-server" | "server-name", _]
        ):
            return ""
        case ["option", "domain-name", _]:
            return ""
        case ["filename", name] if name.endswith("auto_install"):
            return ""
        case ["option", "host-name", name]:
            return "" if name == label else f"the role gives the host name {label}"
    return "the role does not write it for a host"
