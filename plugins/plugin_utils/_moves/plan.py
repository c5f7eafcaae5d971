# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Which VM goes to which server, by the fleet's files and what its servers show."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field
from datetime import date

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.vm import Vm
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.model import Fleet
from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.capacity import RESERVE, mib
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.directory import FleetTexts
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.relocation import (
    Build,
    CannotMove,
    Relocation,
    relocate,
)

# What else is written to a server meanwhile.
_SPARE: t.Final = 64 << 20

Look = t.Mapping[str, t.Any]


@dataclass
class Room:
    """What a server showed, less what this plan gives it already; all in bytes."""

    memory: int | None
    release: tuple[int, ...]
    free: dict[str, int]
    mounts: t.Mapping[str, str]
    given: int = 0

    @classmethod
    def of(cls, look: Look) -> Room:
        """From what puffy.vmm.configure shows with survey. Raises OperatorError."""
        survey = look["survey"]
        systems = survey["file_systems"]
        return cls(
            survey["memory"],
            _release(survey["release"]),
            {one["mount"]: one["free"] for one in systems},
            {one["directory"]: one["mount"] for one in systems},
        )

    def obstacles(self, found: Relocation, need: int, present: int, limited: bool) -> list[str]:
        """Why a VM does not fit: need is what its images take, present the memory of all there."""
        name, to = found.after.name, found.after.server
        reasons = []
        memory = found.after.memory.bytes if found.after.state == "present" else 0
        if memory and self.memory is not None and not limited:
            lacking = present + memory + RESERVE - self.memory
            if lacking > 0:
                reasons.append(f"{name}: {to} lacks {mib(lacking)} of memory for it")
        mount = self.mounts.get(found.disks[0][1].image.rpartition("/")[0])
        if mount is not None and need + _SPARE > self.free[mount]:
            reasons.append(
                f"{name}: its images take {mib(need)}, and {mount} of {to} has "
                f"{mib(self.free[mount])} free"
            )
        return reasons

    def take(self, found: Relocation, need: int) -> None:
        mount = self.mounts.get(found.disks[0][1].image.rpartition("/")[0])
        if mount is not None:
            self.free[mount] -= need


@dataclass
class Planner:
    """Plans moves one after the other, each with what those before it leave.

    looks is what each server showed, by its name.
    """

    texts: FleetTexts
    build: Build
    looks: t.Mapping[str, Look]
    today: date
    _rooms: dict[str, Room] = field(default_factory=dict)
    _built: tuple[FleetTexts, Fleet] | None = None

    @property
    def fleet(self) -> Fleet:
        """The fleet after the moves so far. Building it takes long: once for what files say."""
        if self._built is None or self._built[0] is not self.texts:
            self._built = (self.texts, self.build(self.texts, ()))
        return self._built[1]

    def move(self, name: str, to: str) -> Relocation:
        """A move to this server. Raises CannotMove with all that stands against it."""
        found = self._relocated(name, to)
        reasons = self._against(found)
        if reasons:
            raise CannotMove("\n".join(reasons))
        self._settle(found)
        return found

    def drain(self, server: str, names: t.Sequence[str]) -> list[Relocation]:
        """Moves of these VMs of a server to others, the largest first.

        A server on which a VM keeps its addresses comes before others, then the one with most
        memory left. Raises CannotMove with what is short for each VM that fits nowhere.
        """
        fleet = self.fleet
        others = [name for name in sorted(fleet.servers) if name != server and self._seen(name)]
        if not others:
            raise CannotMove(f"{server}: there is no other server that its VMs could be moved to")
        vms = {vm.name: vm for vm in fleet.vms_of(server)}
        moves: list[Relocation] = []
        short: list[str] = []
        for name in sorted(names, key=lambda one: (-vms[one].memory.bytes, one)):
            ways, reasons = self._ways(name, others)
            if not ways:
                short += reasons
                continue
            best = max(ways, key=self._worth)
            self._settle(best)
            moves.append(best)
        if short:
            raise CannotMove("\n".join([f"{server} cannot be drained:", *short]))
        return moves

    def _relocated(self, name: str, to: str) -> Relocation:
        def build(texts: FleetTexts, coming: t.Collection[str]) -> Fleet:
            return self.fleet if texts is self.texts and not coming else self.build(texts, coming)

        return relocate(self.texts, build, name, to, self.today)

    def _settle(self, found: Relocation) -> None:
        """Has what comes after this move count on it."""
        self.texts = found.texts
        self._room(found.after.server).take(found, self._need(found.before))

    def _ways(self, name: str, servers: t.Sequence[str]) -> tuple[list[Relocation], list[str]]:
        ways, reasons = [], []
        for to in servers:
            try:
                found = self._relocated(name, to)
                against = self._against(found)
            except CannotMove as refusal:
                against = [f"{name}, to {to}: {refusal}"]
            if against:
                reasons += against
            else:
                ways.append(found)
        return ways, reasons

    def _worth(self, found: Relocation) -> tuple[bool, bool, int]:
        before, after = found.before, found.after
        left = (self._room(after.server).memory or 0) - self._present(found, after.server)
        return before.ipv4 == after.ipv4, before.ipv6 == after.ipv6, left

    def _against(self, found: Relocation) -> list[str]:
        source, to = found.before.server, found.after.server
        for server in (source, to):
            if not self._seen(server):
                raise CannotMove(f"{found.before.name}: {server} was not reached")
        here = self._room(source).release
        if self._room(to).release < here:
            shown = [".".join(map(str, one)) for one in (self._room(to).release, here)]
            return [
                f"{found.before.name}: {to} runs OpenBSD {shown[0]}, which is older than "
                f"{shown[1]} of {source}; upgrade {to} first"
            ]
        limited = self.fleet.servers[to].memory_limit is not None
        return self._room(to).obstacles(
            found, self._need(found.before), self._present(found, to), limited
        )

    def _present(self, found: Relocation, server: str) -> int:
        """The memory of the VMs that a server is to run, without the one that comes."""
        return sum(
            vm.memory.bytes
            for vm in self.fleet.vms_of(server)
            if vm.state == "present" and vm.name != found.after.name
        )

    def _need(self, vm: Vm) -> int:
        return int((self.looks[vm.server]["vms"].get(vm.name) or {"disk_bytes": 0})["disk_bytes"])

    def _seen(self, server: str) -> bool:
        return "survey" in self.looks.get(server, {})

    def _room(self, server: str) -> Room:
        if server not in self._rooms:
            self._rooms[server] = Room.of(self.looks[server])
        return self._rooms[server]


def to_change(found: Relocation, hosts: t.Mapping[str, Look]) -> list[str]:
    """What whoever owns a VM has to change after its move; hosts are vmm_host by the server."""
    before, after = found.before, found.after
    old, new = (_network(hosts[vm.server], vm) for vm in (before, after))
    lines = []
    if before.ipv4 != after.ipv4:
        lines.append(
            f"its IPv4 address is {after.ipv4} now, no longer {before.ipv4}: dhcpd(8) gives it to "
            f"the VM; where it is written (hostname.if(5), mygate(5), DNS, firewalls of others), "
            f"change it; netmask {new['ipv4']['netmask']}, gateway {new['ipv4']['gateway']}"
        )
    elif old["ipv4"] != {**new["ipv4"], "server": old["ipv4"]["server"]}:
        lines.append(
            f"its IPv4 address stays, the gateway is {new['ipv4']['gateway']} now, netmask "
            f"{new['ipv4']['netmask']}: with DHCP nothing is to be done"
        )
    if before.ipv6 and not after.ipv6:
        lines.append(f"{after.server} has no IPv6: take inet6 {before.ipv6} out of hostname.if(5)")
    elif after.ipv6 and (before.ipv6 != after.ipv6 or old["ipv6"] != new["ipv6"]):
        lines.append(
            f"hostname.if(5) needs inet6 {after.ipv6} {new['ipv6']['prefix']}, and mygate(5) "
            f"{new['ipv6']['gateway']}"
        )
    if before.ipv6_prefix != after.ipv6_prefix:
        lines.append(
            f"the prefix that is routed to it is {after.ipv6_prefix or 'none'} now, no longer "
            f"{before.ipv6_prefix or 'none'}"
        )
    for was, now in zip(before.interfaces[1:], after.interfaces[1:], strict=True):
        if (was.ipv4, was.ipv6) != (now.ipv4, now.ipv6):
            addresses = " and ".join(str(one) for one in (now.ipv4, now.ipv6) if one) or "none"
            lines.append(f"its address on the switch {now.switch} is {addresses} now")
    if before.forward:
        lines.append(
            f"the ports that {before.server} forwards to it are ports of {after.server} now: its "
            f"sheet has where to log in"
        )
    servers = hosts[after.server]["dns_servers"]
    if hosts[before.server]["dns_servers"] != servers:
        lines.append(f"its name servers are {', '.join(servers)} now (DHCP says so too)")
    return lines


def _network(host: Look, vm: Vm) -> Look:
    """The network of a VM, as its server has it."""
    found: Look = next(one for one in host["networks"] if one["name"] == vm.network)
    return found


def _release(text: str) -> tuple[int, ...]:
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)*", text):
        raise OperatorError(f"the release {text!r} of a server is not known")
    return tuple(int(part) for part in text.split("."))
