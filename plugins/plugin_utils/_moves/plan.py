# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Which VM goes to which server, by the fleet's files and what its servers show."""

from __future__ import annotations

import re
import typing as t
from collections import Counter
from dataclasses import dataclass, field
from datetime import date

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.vm import Vm
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.model import Fleet
from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.capacity import RESERVE, mib
from ansible_collections.puffy.vmm.plugins.plugin_utils._moves.ends import SPARE_BYTES
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.directory import FleetTexts
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.relocation import (
    Build,
    CannotMove,
    Relocation,
    relocate,
)

Look = t.Mapping[str, t.Any]


@dataclass
class Room:
    """What a server showed, less what this plan has assigned already; all in bytes."""

    memory: int | None
    release: tuple[int, ...]
    free: dict[str, int]
    mounts: t.Mapping[str, str]

    @classmethod
    def of(cls, look: Look) -> Room:
        """Read what puffy.vmm.configure shows with survey. Raises OperatorError."""
        survey = look["survey"]
        systems = survey["file_systems"]
        return cls(
            survey["memory"],
            _release(survey["release"]),
            {system["mount"]: system["free"] for system in systems},
            {system["directory"]: system["mount"] for system in systems},
        )

    def obstacles(
        self, relocation: Relocation, sizes: t.Sequence[int], present: int, limited: bool
    ) -> t.Iterator[str]:
        """Yield why a VM does not fit.

        sizes are what its images take, present is the memory of all VMs that are there.
        """
        name, to = relocation.after.name, relocation.after.server
        memory = relocation.after.memory.bytes if relocation.after.state == "present" else 0
        if memory and self.memory is not None and not limited:
            lacking = present + memory + RESERVE - self.memory
            if lacking > 0:
                yield f"{name}: {to} lacks {mib(lacking)} of memory for it"
        for mount, need in self._needs(relocation, sizes).items():
            if need + SPARE_BYTES > self.free[mount]:
                yield (
                    f"{name}: its images take {mib(need)}, and {mount} of {to} has "
                    f"{mib(self.free[mount])} free"
                )

    def take(self, relocation: Relocation, sizes: t.Sequence[int]) -> None:
        for mount, need in self._needs(relocation, sizes).items():
            self.free[mount] -= need

    def _needs(self, relocation: Relocation, sizes: t.Sequence[int]) -> Counter[str]:
        """Return what the images take of each file system; a VM that was not seen takes nothing."""
        needs: Counter[str] = Counter()
        for (_old, new), size in zip(relocation.disks, sizes, strict=False):
            mount = self.mounts.get(new.image.rpartition("/")[0])
            if mount is not None:
                needs[mount] += size
        return needs


@dataclass
class Planner:
    """Plans moves one after the other, each with what the earlier ones leave.

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
        """The fleet after the moves so far; built once for the same files, which takes long."""
        if self._built is None or self._built[0] is not self.texts:
            self._built = (self.texts, self.build(self.texts, ()))
        return self._built[1]

    def move(self, name: str, to: str) -> Relocation:
        """Plan a move to this server. Raises CannotMove with all obstacles."""
        relocation = self._relocated(name, to)
        reasons = self._against(relocation)
        if reasons:
            raise CannotMove("\n".join(reasons))
        self._settle(relocation)
        return relocation

    def drain(self, server: str, names: t.Sequence[str]) -> list[Relocation]:
        """Plan moves of these VMs of a server to others, the largest first.

        A server on which a VM keeps its addresses comes before others, then the one with the most
        memory left. Raises CannotMove with what is short for each VM that fits nowhere.
        """
        fleet = self.fleet
        others = [name for name in sorted(fleet.servers) if name != server and self._seen(name)]
        if not others:
            raise CannotMove(f"{server}: there is no other server to which its VMs could be moved")
        vms = {vm.name: vm for vm in fleet.vms_of(server)}
        moves: list[Relocation] = []
        short: list[str] = []
        for name in sorted(names, key=lambda vm: (-vms[vm].memory.bytes, vm)):
            ways, reasons = self._ways(name, others)
            if not ways:
                # What keeps a VM where it is keeps it from each of the others.
                short += dict.fromkeys(reasons)
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

    def _settle(self, relocation: Relocation) -> None:
        """Let the moves after this one take it into account."""
        self.texts = relocation.texts
        self._room(relocation.after.server).take(relocation, self._sizes(relocation.before))

    def _ways(self, name: str, servers: t.Sequence[str]) -> tuple[list[Relocation], list[str]]:
        ways, reasons = [], []
        for to in servers:
            try:
                relocation = self._relocated(name, to)
                against = self._against(relocation)
            except CannotMove as refusal:
                against = [f"{name}, to {to}: {refusal}"]
            if against:
                reasons += against
            else:
                ways.append(relocation)
        return ways, reasons

    def _worth(self, relocation: Relocation) -> tuple[bool, bool, int]:
        before, after = relocation.before, relocation.after
        left = (self._room(after.server).memory or 0) - self._present(relocation, after.server)
        return before.ipv4 == after.ipv4, before.ipv6 == after.ipv6, left

    def _against(self, relocation: Relocation) -> list[str]:
        source, to = relocation.before.server, relocation.after.server
        for server in (source, to):
            if not self._seen(server):
                raise CannotMove(f"{relocation.before.name}: {server} was not reached")
        reasons = [*self._bases(relocation)]
        here = self._room(source).release
        if self._room(to).release < here:
            shown = [".".join(map(str, release)) for release in (self._room(to).release, here)]
            return [
                *reasons,
                f"{relocation.before.name}: {to} runs OpenBSD {shown[0]}, which is older than "
                f"{shown[1]} of {source}; upgrade {to} first",
            ]
        limited = self.fleet.servers[to].memory_limit is not None
        sizes, present = self._sizes(relocation.before), self._present(relocation, to)
        return [*reasons, *self._room(to).obstacles(relocation, sizes, present, limited)]

    def _bases(self, relocation: Relocation) -> t.Iterator[str]:
        """Yield which images would be incomplete elsewhere, by the path that vmd(8) looks for."""
        vm = relocation.before
        based = self.looks[vm.server]["survey"]["based"]
        for disk in relocation.sources:
            # A guest may write anything into a raw image, even such a header.
            if disk.format == "qcow2" and disk.image in based:
                yield (
                    f"{vm.name}: {disk.image} of {vm.server} has a base image, which is not moved, "
                    f"and vmd(8) does not start the VM without it: stop {vm.name}, make one image "
                    f"of both there ('vmctl create -i {disk.image} qcow2:NEW'), put NEW in the "
                    f"place of {disk.image}, and run again"
                )

    def _present(self, relocation: Relocation, server: str) -> int:
        """Return the memory of the VMs that a server is to run, without the one that comes."""
        return sum(
            vm.memory.bytes
            for vm in self.fleet.vms_of(server)
            if vm.state == "present" and vm.name != relocation.after.name
        )

    def _sizes(self, vm: Vm) -> t.Sequence[int]:
        look: Look = self.looks[vm.server]["vms"].get(vm.name) or {}
        return t.cast("t.Sequence[int]", look.get("image_bytes", ()))

    def _seen(self, server: str) -> bool:
        return "survey" in self.looks.get(server, {})

    def _room(self, server: str) -> Room:
        if server not in self._rooms:
            self._rooms[server] = Room.of(self.looks[server])
        return self._rooms[server]


def to_change(relocation: Relocation, hosts: t.Mapping[str, Look]) -> t.Iterator[str]:
    """Yield what a VM's owner has to change after its move; hosts are vmm_host by server."""
    before, after = relocation.before, relocation.after
    old, new = (_network(hosts[vm.server], vm) for vm in (before, after))
    if before.ipv4 != after.ipv4:
        yield (
            f"its IPv4 address is {after.ipv4} now, no longer {before.ipv4}: dhcpd(8) gives it to "
            f"the VM; where it is written (hostname.if(5), mygate(5), DNS, firewalls of others), "
            f"change it; netmask {new['ipv4']['netmask']}, gateway {new['ipv4']['gateway']}"
        )
    elif old["ipv4"] != {**new["ipv4"], "server": old["ipv4"]["server"]}:
        yield (
            f"its IPv4 address stays, the gateway is {new['ipv4']['gateway']} now, netmask "
            f"{new['ipv4']['netmask']}: with DHCP there is nothing to do"
        )
    if before.ipv6 and not after.ipv6:
        yield f"{after.server} has no IPv6: take inet6 {before.ipv6} out of hostname.if(5)"
    elif after.ipv6 and (before.ipv6 != after.ipv6 or old["ipv6"] != new["ipv6"]):
        yield (
            f"hostname.if(5) needs inet6 {after.ipv6} {new['ipv6']['prefix']}, and mygate(5) "
            f"{new['ipv6']['gateway']}"
        )
    if before.ipv6_prefix != after.ipv6_prefix:
        yield (
            f"the prefix that is routed to it is {after.ipv6_prefix or 'none'} now, no longer "
            f"{before.ipv6_prefix or 'none'}"
        )
    for was, now in zip(before.interfaces[1:], after.interfaces[1:], strict=True):
        if (was.ipv4, was.ipv6) != (now.ipv4, now.ipv6):
            addresses = " and ".join(map(str, filter(None, (now.ipv4, now.ipv6))))
            yield f"its address on the switch {now.switch} is {addresses or 'none'} now"
    if before.forward:
        yield (
            f"the ports that {before.server} forwards to it are ports of {after.server} now: its "
            f"sheet says where to log in"
        )
    servers = hosts[after.server]["dns_servers"]
    if hosts[before.server]["dns_servers"] != servers:
        yield f"its name servers are {', '.join(servers)} now (DHCP gives these too)"


def _network(host: Look, vm: Vm) -> Look:
    """Return the network of a VM, as its server has it."""
    network: Look = next(network for network in host["networks"] if network["name"] == vm.network)
    return network


def _release(text: str) -> tuple[int, ...]:
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)*", text):
        raise OperatorError(f"{text!r} is not the release of an OpenBSD server")
    return tuple(int(part) for part in text.split("."))
