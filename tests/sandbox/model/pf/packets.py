# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What pf(4) does with a packet, by the rules that are loaded.

The last rule that matches decides, or the first one with `quick`. A `pass` with rdr-to translates
only where it is that rule. States are not kept: who asks for an answer to something that was let
in with state, says so.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

from .conf import End, Rule

if TYPE_CHECKING:
    from sandbox.model.machine import Machine


@dataclass(frozen=True)
class Packet:
    """An IP packet. `to_all`: its frame goes to a group address, or to one that no port is known
    for. `kind` is the type of an ICMP packet as pf.conf(5) names it."""

    source: str
    target: str
    proto: str = "tcp"
    source_port: int = 0
    target_port: int = 0
    kind: str = ""
    to_all: bool = False
    received: str = ""

    @property
    def af(self) -> str:
        return "inet6" if ":" in self.source else "inet"

    def answer(self) -> Packet:
        """The packet that answers it, to the port that it came from."""
        ports = self.target_port, self.source_port
        return Packet(self.target, self.source, self.proto, *ports, self.kind)


def passes(machine: Machine, interface: str, direction: str, packet: Packet) -> bool:
    """Whether pf lets the packet pass there; without a rule that matches it does."""
    return filtered(machine, interface, direction, packet) is not None


def filtered(machine: Machine, interface: str, direction: str, packet: Packet) -> Packet | None:
    """The packet as it comes out, which rdr-to may have translated; None where it is dropped."""
    pf = machine.pf
    if not pf.state["enabled"] or _is_on(machine, pf.state["skip"], interface):
        return packet
    return _Walk(machine, interface, direction, packet).result()


class _Walk:
    """A packet's way through the rules."""

    def __init__(self, machine: Machine, interface: str, direction: str, packet: Packet) -> None:
        self.machine, self.interface, self.direction = machine, interface, direction
        self.packet = packet
        self.last: Rule | None = None

    def result(self) -> Packet | None:
        self._anchor("")
        if self.last is None:
            return self.packet
        if self.last.action != "pass":
            return None
        return self._translated(self.last)

    def _anchor(self, path: str) -> bool:
        """Go through an anchor's rules; True where a quick one has decided."""
        for rule in self.machine.pf.anchors.get(path, []):
            if not self._fits(rule):
                continue
            if rule.action == "anchor":
                if self._anchor(f"{path}/{rule.anchor}".lstrip("/")) or rule.quick:
                    return True
            elif rule.action == "match":
                self.packet = self._translated(rule)
            else:
                self.last = rule
                if rule.quick:
                    return True
        return False

    def _fits(self, rule: Rule) -> bool:
        packet = self.packet
        named, name = not rule.on.startswith("! "), rule.on.removeprefix("! ")
        return (
            rule.direction in ("", self.direction)
            and (not name or _is_on(self.machine, [name], self.interface) == named)
            and rule.af in ("", packet.af)
            and rule.proto in ("", packet.proto)
            and rule.icmp_type in ("", packet.kind)
            and "user" not in rule.rest
            and (not rule.received or _is_on(self.machine, [rule.received], packet.received))
            and self._is_end(rule.source, packet.source, packet.source_port)
            and self._is_end(rule.target, packet.target, packet.target_port)
        )

    def _is_end(self, end: End, address: str, port: int) -> bool:
        if end.ports is not None and not end.ports[0] <= port <= end.ports[1]:
            return False
        return self._is_host(end.host.removeprefix("! "), address) != end.host.startswith("! ")

    def _is_host(self, host: str, address: str) -> bool:
        if host == "any":
            return True
        if host.startswith("("):
            return address in self._addresses(host)
        sought, network = ip_address(address), ip_network(host)
        return network.version == sought.version and sought in network

    def _addresses(self, host: str) -> list[str]:
        """Those of an interface or a group in parentheses; a single one is its own."""
        name, links = [host.strip("()").partition(":")[0]], self.machine.network.interfaces
        own = [text for key in links if _is_on(self.machine, name, key) for text in links[key].inet]
        return [text.partition("/")[0] for text in own] if host.startswith("(") else [host]

    def _translated(self, rule: Rule) -> Packet:
        packet = self.packet
        if rule.nat:
            packet = replace(packet, source=self._addresses(rule.nat)[0])
        host, port = rule.rdr or (packet.target, 0)
        return replace(packet, target=host, target_port=port or packet.target_port)


def _is_on(machine: Machine, names: Iterable[str], interface: str) -> bool:
    """By the interface's name, or that of a group it is in."""
    known = machine.network.interfaces.get(interface)
    return any(name == interface or (known is not None and name in known.groups) for name in names)
