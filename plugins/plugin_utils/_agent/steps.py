# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Steps of a plan, and the request that carries them out.

A step is what agent/steps.pl does in one go; what it must do first, and how to go back, is in it.
"""

from __future__ import annotations

import hashlib
import typing as t
from dataclasses import dataclass, field

from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.programs import TOOLS

# rcctl(8) waits 30 s for a daemon by default and longer where a timeout is set.
SERVICE_SECONDS: t.Final = 120


class PlanError(OperatorError, ValueError):
    """What is wanted cannot be had on this server: says what, where and what to do."""


@dataclass(frozen=True)
class FileDiff:
    """A change of a file's content; `sensitive` content is never fetched nor shown."""

    path: str
    after: bytes | None
    sensitive: bool
    existed: bool
    as_user: str | None = None


@dataclass(frozen=True)
class Step:
    """One action of the agent: `fields` are its arguments; `change` tells a person what it does."""

    do: str
    title: str
    fields: t.Mapping[str, t.Any] = field(default_factory=dict)
    content: bytes | None = None
    change: str | None = None
    diff: FileDiff | None = None


def digest(content: bytes) -> str:
    """SHA-256 in hexadecimal, as the agent gives it."""
    return hashlib.sha256(content).hexdigest()


def run(title: str, argv: t.Sequence[t.Any], change: str | None = None, **fields: t.Any) -> Step:
    """A program that must end with status 0, unless `ok` says otherwise, within `timeout` s."""
    return Step("run", title, {"argv": list(argv), **fields}, change=change)


def undo(*argv: str, ok: t.Sequence[int] = (), timeout: int = SERVICE_SECONDS) -> dict[str, t.Any]:
    """A program of the way back; any exit status will do unless `ok` lists some."""
    return {"argv": list(argv), "ok": list(ok), "timeout": timeout}


def rcctl(*words: str) -> list[str]:
    return [TOOLS["rcctl"], *words]


def apply_request(steps: t.Sequence[Step], run_id: str, by: str) -> tuple[dict[str, t.Any], bytes]:
    """The request and the contents behind it, which steps name by offset and length (bytes)."""
    parts: list[bytes] = []
    offset = 0
    wire: list[dict[str, t.Any]] = []
    for number, step in enumerate(steps):
        entry = {"n": number, "do": step.do, "title": step.title, **step.fields}
        if step.content is not None:
            entry["blob"] = [offset, len(step.content)]
            offset += len(step.content)
            parts.append(step.content)
        wire.append(entry)
    return {"verb": "apply", "id": run_id, "by": by, "steps": wire}, b"".join(parts)
