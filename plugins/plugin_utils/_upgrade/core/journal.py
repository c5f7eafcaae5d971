# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""How far the upgrade of a server is: a file on the server, which only root can read.

A run that is interrupted anywhere is continued by the next one from what it says.
"""

from __future__ import annotations

import json
import typing as t
from dataclasses import asdict, dataclass, field
from enum import StrEnum

from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError

# Here the agent keeps its notes, also which VMs are held for a backup.
NOTES: t.Final = "/var/backups/puffy.vmm"
JOURNAL: t.Final = "/var/backups/puffy.vmm/upgrade"
# The VMs that are to start when the server boots: /etc/rc.vmm reads it, and removes it afterwards.
RAN: t.Final = "/var/backups/puffy.vmm/upgrade.ran"
# Made when an upgrade begins. rc(8) empties its directory: without it the server has booted since.
MARKER: t.Final = "/var/run/puffy.vmm.upgrade"


class Phase(StrEnum):
    """What was done last, or is being done."""

    ANNOUNCED = "announced"
    PREPARING = "preparing"
    PREPARED = "prepared"
    STOPPING = "stopping"
    STOPPED = "stopped"
    STARTED = "started"


@dataclass(frozen=True)
class Journal:
    """What is under way on a server.

    `to` is the release that it gets, None for errata of its own; `by` is the run that wrote this;
    `due` is when the owners were told that it begins, in seconds since 1970. `release`, `kernel`
    (kern.osversion) and `patches` are those before it, `linked` says that the kernel was linked
    again. `ran` has the VMs that ran, and whether they answered on port 22.
    """

    phase: Phase
    by: str
    to: str | None = None
    due: int = 0
    release: str = ""
    kernel: str = ""
    patches: tuple[str, ...] = ()
    linked: bool = False
    ran: t.Mapping[str, bool] = field(default_factory=dict)

    def __bytes__(self) -> bytes:
        return json.dumps({**asdict(self), "ran": dict(self.ran)}).encode() + b"\n"

    @classmethod
    def parse(cls, content: bytes) -> Journal:
        """Read a journal. Raises OperatorError for what this collection did not write."""
        try:
            data = json.loads(content)
            phase, patches = Phase(data.pop("phase")), tuple(data.pop("patches"))
            return cls(phase=phase, patches=patches, **data)
        except (ValueError, TypeError, KeyError, AttributeError):
            raise OperatorError(
                f"{JOURNAL} on the server cannot be understood, so nobody knows how far an upgrade "
                "of it came. Look at the server (uname -r, syspatch -l, ls -l /bsd.upgrade, vmctl "
                "status), bring it to the state it should be in, and remove the file"
            ) from None

    @property
    def goal(self) -> str:
        return f"the upgrade to OpenBSD {self.to}" if self.to else "the installation of errata"
