# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Steps of a transaction, the changes that they make, and what a diff shows of a file.

A step is what perl/steps.pl does in one go; it has what must hold before it, and how to undo it.
"""

from __future__ import annotations

import hashlib
import time
import typing as t
from dataclasses import dataclass, field

from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError

# rcctl(8) waits 30 s for a daemon by default and longer where a timeout is set.
SERVICE_SECONDS: t.Final = 120

# Among the VMs of a change: what all VMs of a server have in common.
COMMON: t.Final = ""
EVERYBODYS: t.Final = frozenset({COMMON})
NOBODYS: t.Final[frozenset[str]] = frozenset()


class PlanError(OperatorError, ValueError):
    """What a document describes is not possible on this server: says what, where, what to do."""


@dataclass(frozen=True)
class FileDiff:
    """A change of a file's content; `sensitive` content is never fetched nor shown.

    `before` is the old content where it is already known, else None.
    """

    path: str
    after: bytes | None
    sensitive: bool
    existed: bool
    before: bytes | None = None


@dataclass(frozen=True)
class Change:
    """What a step does, as data; str() gives the words for a person.

    `vms` are the VMs that it belongs to, with COMMON where it touches what all VMs of a server
    have in common; none where it matters to this collection alone. A `joint` change belongs to each
    of them, as an owner's account does: a run for any of them may make it. A `consequence` follows
    from another change of the same document and is not a difference of its own.
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

    `vms` are the VMs that it belongs to, where it has no change that says so.
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
        """The VMs that alone are affected by a failure; empty for common steps."""
        vms = self.change.vms if self.change else self.vms
        return NOBODYS if COMMON in vms else vms


def stamp() -> str:
    """Return the time in UTC, as names on a server have it: 20261129T030000."""
    return time.strftime("%Y%m%dT%H%M%S", time.gmtime())


def change_of(vm: str, kind: str, subject: str, detail: str = "") -> Change:
    """Return a change that belongs to one VM."""
    return Change(kind, subject, detail, vms=frozenset({vm}))


def digest(content: bytes) -> str:
    """Return the SHA-256 in hexadecimal, as the agent does."""
    return hashlib.sha256(content).hexdigest()


def run(title: str, argv: t.Sequence[t.Any], change: Change | None = None, **fields: t.Any) -> Step:
    """Return a step for a program that must exit with 0, or with `ok`, within `timeout` seconds."""
    return Step("run", title, {"argv": list(argv), **fields}, change=change)


def undo(
    *argv: str,
    ok: t.Sequence[int] = (),
    timeout: int = SERVICE_SECONDS,
    at_once: bool = False,
) -> dict[str, t.Any]:
    """Return a program that undoes a step; any exit status will do unless `ok` lists some.

    One that takes away what somebody may use soon is only for `at_once`: the next run, which may be
    days later, leaves it out when it undoes a run that was cut off, and says so. A transaction that
    has to be confirmed is always undone whole, since it may have cut the server off.
    """
    back = {"argv": list(argv), "ok": list(ok), "timeout": timeout}
    return {**back, "at_once": 1} if at_once else back
