# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What vmd(8) keeps of a virtual machine it knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.model.vm_conf import MEMORY_DEFAULT, Identity, Vm

# A running machine has its BIOS twice, and the second copy counts.
_BIOS = 4 * 1024**2


@dataclass
class Known:
    """A virtual machine, running or not."""

    vmid: int
    config: Vm
    from_config: bool = True
    boot: str = ""  # kernel of vm.conf, read anew with each start
    once: str = ""  # kernel of `vmctl start -b`, for the next start only
    waiting: bool = False
    running: bool = False
    shutdown: bool = False
    paused: bool = False
    started: bool = False  # ever, under this entry
    uid: int = 0  # who a running machine belongs to
    pid: int = 0
    device_pids: list[int] = field(default_factory=list)
    tty: str = ""
    taps: list[str] = field(default_factory=list)
    order: int = 0  # of the start, among all starts
    started_at: float | None = None  # monotonic seconds; forgotten when the model stops
    restarts: int = 0

    @property
    def name(self) -> str:
        return self.config.name

    @property
    def owner(self) -> Identity:
        return self.config.owner

    @property
    def memory(self) -> int:
        return (self.config.memory or MEMORY_DEFAULT) + (_BIOS if self.running else 0)

    @property
    def state(self) -> str:
        """What vmctl status shows; the first that applies hides the others."""
        if self.paused:
            return "paused"
        if self.waiting:
            return "waiting"
        if self.shutdown:
            return "stopping"
        return "running" if self.running else "stopped"

    def to_json(self) -> dict[str, Any]:
        data = {**vars(self), "config": self.config.to_json()}
        return {**data, "started_at": None}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Known:
        return cls(**{**data, "config": Vm.from_json(data["config"])})


@dataclass
class Life:
    """One life of the daemon: its processes, and what it has counted."""

    parent: int
    priv: int
    control: int
    vmm: int
    agentx: int
    configuration: str
    macros: dict[str, str]
    known_ids: dict[str, int] = field(default_factory=dict)  # "name uid" to id
    switches: int = 0
    starts: int = 0
