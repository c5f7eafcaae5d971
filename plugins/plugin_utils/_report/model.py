# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The report of a fleet: what its page shows and its JSON has. Sizes are in bytes, times in UTC."""

from __future__ import annotations

import typing as t
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_address

from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.measures import Drive

# Of the JSON: what programs read stays what it is as long as this does.
FORMAT: t.Final = 1

# What _machines/table.py says of a VM that runs, and of one that somebody should look at.
RUNNING: t.Final = "running"
ALARMING: t.Final = frozenset({"image missing", "runs without a system", "installation stopped"})


class Reach(StrEnum):
    """Whether a server answered."""

    REACHED = "reached"
    FAILED = "failed"
    UNREACHABLE = "unreachable"
    NOT_ASKED = "not asked"


class Kind(StrEnum):
    """What an address is, the most important first: one that is two of these is the first."""

    SERVER = "server"
    USED = "used"
    FOREIGN = "foreign"
    QUARANTINED = "quarantined"
    KEPT = "kept"
    RESERVED = "reserved"
    FREE = "free"
    OUTSIDE = "outside"
    UNUSABLE = "unusable"


@dataclass(frozen=True)
class Vm:
    """A VM. wanted is the state of its VM file, shown what its server shows, None if not known.

    deployed says that it has a system and is not archived; used is what its image takes. attention
    says why somebody should look at it.
    """

    name: str
    server: str
    number: int
    owner: str
    hostname: str
    mac: str
    ipv4: str
    ipv6: str | None
    wanted: str
    shown: str | None
    pending: bool
    deployed: bool
    memory: int
    disk: int
    used: int | None
    installed: str | None
    attention: tuple[str, ...] = ()


@dataclass(frozen=True)
class Memory:
    """promised is what present VMs may use, running what those have that run.

    limit is vmm_memory_limit, total what the server has.
    """

    promised: int
    running: int | None = None
    total: int | None = None
    limit: int | None = None


@dataclass(frozen=True)
class Disk:
    """A directory of images. promised is the size of the disks there, images what they take.

    size, used and free are those of the file system, None where the server did not say.
    """

    directory: str
    promised: int
    images: int | None = None
    size: int | None = None
    used: int | None = None
    free: int | None = None


@dataclass(frozen=True)
class Addresses:
    """Of the IPv4 addresses that are there for VMs of a server, how many are taken."""

    total: int
    taken: int


@dataclass(frozen=True)
class Server:
    """A server. message says why it has no live data; limits and sizes are None if not known.

    vms counts its VMs by what is shown in the page: deployed, running and so on. strangers are VMs
    on it that the fleet does not know, applied when this collection last changed it.
    """

    name: str
    reach: Reach
    message: str = ""
    usable: bool = True
    preset: str | None = None
    release: str | None = None
    kernel: str | None = None
    processors: int | None = None
    load: float | None = None
    applied: str | None = None
    vms: t.Mapping[str, int] = field(default_factory=dict)
    memory: Memory = Memory(0)
    disks: tuple[Disk, ...] = ()
    addresses: Addresses | None = None
    drives: tuple[Drive, ...] = ()
    strangers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Span:
    """Addresses that lie side by side and are the same; label says whose they are, or why."""

    version: int
    first: int
    last: int
    kind: Kind
    label: str = ""

    @property
    def size(self) -> int:
        return self.last - self.first + 1

    @property
    def text(self) -> str:
        """203.0.113.10, or 203.0.113.10-203.0.113.19."""
        first = address_text(self.version, self.first)
        return first if self.size == 1 else f"{first}-{address_text(self.version, self.last)}"


@dataclass(frozen=True)
class Network:
    """A network of VMs, with all of its addresses in order."""

    network: str
    version: int
    servers: tuple[str, ...]
    spans: tuple[Span, ...]

    def count(self, kind: Kind) -> int:
        return sum(span.size for span in self.spans if span.kind == kind)

    @property
    def counts(self) -> dict[Kind, int]:
        """How many addresses there are of each kind that there is."""
        return {kind: count for kind in Kind if (count := self.count(kind))}


@dataclass(frozen=True)
class Difference:
    """A row of the drift; kind and what are those of _state/drift.py."""

    server: str
    role: str
    kind: str
    what: str
    last_applied: str | None


@dataclass(frozen=True)
class Report:
    """A fleet at a time. live says that servers were asked, and version is the collection's."""

    at: str
    version: str
    live: bool
    servers: tuple[Server, ...]
    networks: tuple[Network, ...]
    vms: tuple[Vm, ...]
    differences: tuple[Difference, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def deployed(self) -> int:
        return sum(vm.deployed for vm in self.vms)

    @property
    def pending(self) -> tuple[Vm, ...]:
        """VMs that run with an older definition until they are restarted."""
        return tuple(vm for vm in self.vms if vm.pending)

    @property
    def silent(self) -> tuple[Server, ...]:
        """Servers without live data, though they were asked."""
        missing = (Reach.UNREACHABLE, Reach.FAILED)
        return tuple(server for server in self.servers if server.reach in missing)

    def summary(self) -> str:
        """Return one line: 304 VMs deployed on 8 servers, 1 without live data (server3)."""
        parts = [
            f"{counted(self.deployed, 'VM')} deployed on {counted(len(self.servers), 'server')}"
        ]
        if not self.live:
            parts.append("no server was asked")
        elif self.silent:
            names = ", ".join(server.name for server in self.silent)
            parts.append(f"{len(self.silent)} without live data ({names})")
        return ", ".join(parts)

    def data(self) -> dict[str, t.Any]:
        """Return the report as plain data, for JSON."""
        head = {
            "format": FORMAT,
            "at": self.at,
            "collection": self.version,
            "live": self.live,
            "summary": self.summary(),
            "deployed": self.deployed,
            "waiting_for_restart": [vm.name for vm in self.pending],
        }
        return {
            **head,
            "servers": [asdict(server) for server in self.servers],
            "networks": [_network(network) for network in self.networks],
            "vms": [{part.name: getattr(vm, part.name) for part in fields(vm)} for vm in self.vms],
            "drift": [asdict(row) for row in self.differences],
            "problems": list(self.problems),
        }


def counted(number: int, noun: str) -> str:
    """Return 1 VM, 2 VMs, 1,234 VMs."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def address_text(version: int, value: int) -> str:
    return str(IPv4Address(value) if version == 4 else IPv6Address(value))


def address_value(text: str) -> tuple[int, int]:
    """Return the version and the number of an address. Raises ValueError."""
    address = ip_address(text)
    return address.version, int(address)


def _network(network: Network) -> dict[str, t.Any]:
    spans = [
        {
            "first": address_text(span.version, span.first),
            "last": address_text(span.version, span.last),
            "kind": span.kind,
            "label": span.label,
        }
        for span in network.spans
    ]
    # Numbers of IPv6 addresses are more than many readers of JSON can hold.
    counts = {kind: str(count) if count >> 53 else count for kind, count in network.counts.items()}
    return {
        "network": network.network,
        "servers": list(network.servers),
        "counts": counts,
        "addresses": spans,
    }
