# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Steps of a transaction, the changes that they make, and what of a file a diff shows.

A step is what perl/steps.pl does in one go; what must hold before it, and how to go back, is in it.
"""

from __future__ import annotations

import hashlib
import time
import typing as t
from dataclasses import dataclass, field

from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError

# rcctl(8) waits 30 s for a daemon by default and longer where a timeout is set.
SERVICE_SECONDS: t.Final = 120


# Stands among the VMs of a change for what is common to all of a server.
COMMON: t.Final = ""
EVERYBODYS: t.Final = frozenset({COMMON})
NOBODYS: t.Final[frozenset[str]] = frozenset()


class PlanError(OperatorError, ValueError):
    """What is wanted cannot be had on this server: says what, where and what to do."""


@dataclass(frozen=True)
class FileDiff:
    """A change of a file's content; `sensitive` content is never fetched nor shown.

    `before` is the old content where it is known already, else None.
    """

    path: str
    after: bytes | None
    sensitive: bool
    existed: bool
    before: bytes | None = None


@dataclass(frozen=True)
class Change:
    """What a step does, as data. str() gives the words for a person.

    `vms` are the VMs whose it is, COMMON among them where it touches what is common to all of a
    server, and nobody where it matters to this collection alone. A `joint` change is that of each
    of them, as an owner's account is: a run for one of them may make it. A `consequence` follows
    from another change of the same document and is not a difference by itself.
    """

    kind: str
    subject: str
    detail: str = ""
    vms: frozenset[str] = EVERYBODYS
    consequence: bool = False
    joint: bool = False

    def __str__(self) -> str:
        return " ".join(part for part in (self.kind, self.subject, self.detail) if part)


@dataclass(frozen=True)
class Step:
    """One action of the agent: `fields` are its arguments, `title` what a failure is about.

    `vms` are those whose it is; a change of its own says that better.
    """

    do: str
    title: str
    fields: t.Mapping[str, t.Any] = field(default_factory=dict)
    content: bytes | None = None
    change: Change | None = None
    diff: FileDiff | None = None
    vms: frozenset[str] = EVERYBODYS

    @property
    def concerns(self) -> frozenset[str]:
        """The VMs that a failure is of, and nothing else of the server; empty for common steps."""
        vms = self.change.vms if self.change else self.vms
        return NOBODYS if COMMON in vms else vms


def stamp() -> str:
    """The time in UTC, as names on a server have it: 20261129T030000."""
    return time.strftime("%Y%m%dT%H%M%S", time.gmtime())


def change_of(vm: str, kind: str, subject: str, detail: str = "") -> Change:
    """A change that is one VM's alone."""
    return Change(kind, subject, detail, vms=frozenset({vm}))


def digest(content: bytes) -> str:
    """SHA-256 in hexadecimal, as the agent gives it."""
    return hashlib.sha256(content).hexdigest()


def run(title: str, argv: t.Sequence[t.Any], change: Change | None = None, **fields: t.Any) -> Step:
    """A program that must end with status 0, unless `ok` says otherwise, within `timeout` s."""
    return Step("run", title, {"argv": list(argv), **fields}, change=change)


def undo(*argv: str, ok: t.Sequence[int] = (), timeout: int = SERVICE_SECONDS) -> dict[str, t.Any]:
    """A program of the way back; any exit status will do unless `ok` lists some."""
    return {"argv": list(argv), "ok": list(ok), "timeout": timeout}
