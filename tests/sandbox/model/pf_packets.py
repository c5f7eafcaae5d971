# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What the loaded rules of pf.conf(5) make of one packet on one interface.

The last rule that matches wins, or the first with `quick` (pf.conf(5), PACKET FILTERING). States
are not kept here: who asks for an answer to something that was let in with state, says so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sandbox.machine import Machine

_RULE = re.compile(
    r"(?P<action>pass|block \S+|match|anchor(?: \"(?P<anchor>[^\"]*)\")?)"
    r"(?: (?P<direction>in|out))?(?: log(?: \([^)]*\))?)?(?P<quick> quick)?"
    r"(?: on (?P<interface>(?:! )?\S+))?(?: (?P<af>inet6?))?(?: proto (?P<proto>\S+))?"
    r"(?: all| from (?P<source>.+?) to (?P<target>(?:! )?\S+(?: port (?:[=!<>]+ )?\S+)?))?"
    r"(?P<rest>(?: .*)?)"
)
_END = re.compile(r"(?P<no>! )?(?P<host>\S+)(?: port (?P<operator>[=!<>]+)? ?(?P<port>\S+))?")
_ICMP = re.compile(r"icmp6?-type (\S+)")


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

    @property
    def af(self) -> str:
        return "inet6" if ":" in self.source else "inet"

    def answer(self) -> Packet:
        """The packet that answers it, to the port that it came from."""
        return replace(
            self,
            source=self.target,
            target=self.source,
            source_port=self.target_port,
            target_port=self.source_port,
            to_all=False,
        )


def passes(machine: Machine, interface: str, direction: str, packet: Packet) -> bool:
    """Whether pf lets the packet pass there; without a rule that matches it does."""
    if not machine.pf.state["enabled"] or _skipped(machine, interface):
        return True
    return _Ruleset(machine, interface, direction, packet).verdict()


def _skipped(machine: Machine, interface: str) -> bool:
    one = machine.network.interfaces.get(interface)
    groups = one.groups if one else []
    return any(name in (interface, *groups) for name in machine.pf.state.get("skip", ()))


class _Ruleset:
    def __init__(self, machine: Machine, interface: str, direction: str, packet: Packet) -> None:
        self.machine = machine
        self.interface = interface
        self.direction = direction
        self.packet = packet
        self.result = True

    def verdict(self) -> bool:
        self._anchor("")
        return self.result

    def _anchor(self, path: str) -> bool:
        """Go through an anchor's rules; True where a quick one has decided."""
        for line in self.machine.pf.anchors.get(path, []):
            rule = _RULE.fullmatch(line)
            if rule is None:
                raise NotImplementedError(f"pf: the rule {line!r} is not modelled for packets")
            if not self._matches(rule):
                continue
            action = rule["action"].split()[0]
            if action == "anchor":
                inner = f"{path}/{rule['anchor']}".lstrip("/")
                if self._anchor(inner) or rule["quick"]:
                    return True
            elif action != "match":
                self.result = action == "pass"
                if rule["quick"]:
                    return True
        return False

    def _matches(self, rule: re.Match[str]) -> bool:
        packet = self.packet
        kind = _ICMP.search(rule["rest"])
        # No packet here is of a program with an account of its own.
        if " user " in rule["rest"] or " group " in rule["rest"]:
            return False
        return (
            rule["direction"] in (None, self.direction)
            and self._on(rule["interface"])
            and rule["af"] in (None, packet.af)
            and rule["proto"] in (None, packet.proto)
            and (kind is None or kind[1] == packet.kind)
            and self._end(rule["source"], packet.source, packet.source_port)
            and self._end(rule["target"], packet.target, packet.target_port)
        )

    def _on(self, wanted: str | None) -> bool:
        if wanted is None:
            return True
        name = wanted.removeprefix("! ")
        one = self.machine.network.interfaces.get(self.interface)
        return (name in (self.interface, *(one.groups if one else []))) != wanted.startswith("! ")

    def _end(self, wanted: str | None, address: str, port: int) -> bool:
        if wanted is None:
            return True
        end = _END.fullmatch(wanted)
        if end is None:
            raise NotImplementedError(f"pf: {wanted!r} is not modelled for packets")
        if end["port"] and not self._port(end["operator"] or "=", end["port"], port):
            return False
        return self._host(end["host"], address) != bool(end["no"])

    def _port(self, operator: str, wanted: str, port: int) -> bool:
        low, colon, high = wanted.partition(":")
        if colon:
            return int(low) <= port <= int(high)
        if operator not in ("=", "!=") or not wanted.isdigit():
            raise NotImplementedError(f"pf: port {operator} {wanted} is not modelled for packets")
        return (port == int(wanted)) == (operator == "=")

    def _host(self, wanted: str, address: str) -> bool:
        if wanted == "any":
            return True
        if wanted == "(self)":
            return self.machine.network.own(address)
        if wanted.startswith("("):
            names = self.machine.network.addresses(wanted.strip("()"))
            return any(ip_address(address) == one.ip for one in names)
        if wanted.startswith("<"):
            raise NotImplementedError("pf: tables are not modelled for packets")
        return ip_address(address) in ip_network(wanted, strict=False)
