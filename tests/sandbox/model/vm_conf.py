# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What a vm.conf(5) says, once it is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

NAME_MAX = 64  # bytes of a VM's or a switch's name, the terminating NUL included
NICS_MAX = 4
DISKS_MAX = 4
MEMORY_MAX = 128 * 1024**3
MEMORY_DEFAULT = 512 * 1024**2


@dataclass(frozen=True)
class Identity:
    """The owner of something; no group is None."""

    uid: int = 0
    gid: int | None = None


@dataclass(frozen=True)
class Disk:
    path: str
    format: str  # raw, qcow2


@dataclass(frozen=True)
class Nic:
    tap: str = ""  # empty or "tap": the first free one
    switch: str = ""
    group: str = ""
    lladdr: str = ""  # empty: random
    locked: bool = False
    local: bool = False
    rdomain: int | None = None
    up: bool = True


@dataclass(frozen=True)
class Switch:
    name: str
    interface: str
    group: str = ""
    locked: bool = False
    rdomain: int | None = None
    up: bool = True


@dataclass(frozen=True)
class Vm:
    """A vm block, or what vmctl start asks for; `given` tells which kinds of options were set."""

    name: str
    parent: str = ""
    given: frozenset[str] = frozenset()  # of disk, interface, kernel, cdrom, memory, instance
    disks: tuple[Disk, ...] = ()
    nics: tuple[Nic, ...] = ()
    memory: int = 0  # bytes; 0: the default
    boot: str = ""
    boot_device: str = ""
    cdrom: str = ""
    owner: Identity = Identity()
    allow: frozenset[str] = frozenset()
    allow_owner: Identity | None = None

    def to_json(self) -> dict[str, Any]:
        data = asdict(self)
        data["given"], data["allow"] = sorted(self.given), sorted(self.allow)
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Vm:
        owner = data["allow_owner"]
        changed = {
            "given": frozenset(data["given"]),
            "allow": frozenset(data["allow"]),
            "disks": tuple(Disk(**disk) for disk in data["disks"]),
            "nics": tuple(Nic(**nic) for nic in data["nics"]),
            "owner": Identity(**data["owner"]),
            "allow_owner": owner and Identity(**owner),
        }
        return cls(**{**data, **changed})


@dataclass
class Settings:
    """The global statements; vmd never takes back one that a later file leaves out."""

    socket_owner: Identity = Identity()
    parallel: int | None = None
    delay: int | None = None  # seconds
    inet6: bool = False
    local_prefix: str = "100.64.0.0/10"
    local_prefix6: str = "fd00::/8"
    agentx_path: str = ""


class World(Protocol):
    """What the parser asks the system; what touches files raises OSError in OpenBSD's words."""

    def read(self, path: str) -> str: ...
    def realpath(self, path: str) -> str: ...
    def is_qcow2(self, path: str) -> bool: ...
    def user(self, name: str) -> int | None: ...
    def group(self, name: str) -> int | None: ...


class Registrar(Protocol):
    """Takes what was read while the parser goes on; `vm` gives strerror(3)'s words or None."""

    def switch(self, switch: Switch) -> None: ...
    def vm(self, vm: Vm, disabled: bool, boot: str) -> str | None: ...


@dataclass
class Session:
    """What outlives one parse in a process of vmd.

    `macros` are those of the command line. `boot` is the path of a vm block that failed after its
    boot statement: vmd keeps it, and the next block gets it. Without a registrar it is `vmd -n`.
    """

    settings: Settings = field(default_factory=Settings)
    macros: Mapping[str, str] = field(default_factory=dict)
    registrar: Registrar | None = None
    boot: str = ""


@dataclass
class Result:
    ok: bool = True
    log: list[str] = field(default_factory=list)  # without the program's name
    warnings: list[str] = field(default_factory=list)  # to standard error only
    switches: list[Switch] = field(default_factory=list)
    vms: list[tuple[Vm, bool]] = field(default_factory=list)  # with "disabled"
