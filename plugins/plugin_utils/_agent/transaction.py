# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Transactions, and the form in which a request carries them."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.secrets import masked
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import NOBODYS, Change, Step

# Steps that change a file whose content or attributes before are kept.
FILE_STEPS: t.Final = frozenset({"commit", "remove", "attributes"})


@dataclass(frozen=True)
class Transaction:
    """Steps of which all are carried out, or none.

    `name` says where it comes from, such as a role; the server's journal, its old files and errors
    have it. With `confirm` the server puts it back after so many seconds, unless a new connection
    confirms it before. The old files of one that `stays` are kept as a generation, with the steps
    `after` that make services read them again.
    """

    name: str
    steps: tuple[Step, ...]
    confirm: int | None = None
    stays: bool = False
    after: tuple[Step, ...] = ()


class Blobs:
    """The contents after a request, which it names by offset and length (bytes)."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def add(self, content: bytes) -> list[int]:
        place = [self._size, len(content)]
        self._parts.append(content)
        self._size += len(content)
        return place

    def __bytes__(self) -> bytes:
        return b"".join(self._parts)


def on_the_wire(
    transaction: Transaction, transaction_id: str, blobs: Blobs, boot: bytes
) -> dict[str, t.Any]:
    """Return a transaction as the agent takes it; `boot` puts it back when the server boots."""
    steps: list[dict[str, t.Any]] = []
    for number, step in enumerate(transaction.steps):
        entry = {"n": number, "do": step.do, "title": step.title, **step.fields}
        if step.content is not None:
            entry["blob"] = blobs.add(step.content)
        steps.append(entry)
    request: dict[str, t.Any] = {"id": transaction_id, "name": transaction.name, "steps": steps}
    if transaction.confirm:
        request |= {"confirm": transaction.confirm, "boot": blobs.add(boot)}
    if transaction.stays:
        others = [
            masked(str(step.change))
            for step in transaction.steps
            if step.change and not step.change.consequence and step.do not in FILE_STEPS
        ]
        after = [_as_data(step) for step in transaction.after]
        request |= {"generation": 1, "after": after, "others": others}
    return request


def _as_data(step: Step) -> dict[str, t.Any]:
    change = [step.change.kind, step.change.subject] if step.change else None
    return {"do": step.do, "title": step.title, "fields": dict(step.fields), "change": change}


def from_data(data: t.Mapping[str, t.Any]) -> Step:
    """Return a step that was kept with a generation: it is a consequence of what it follows."""
    change = None
    if data["change"]:
        kind, subject = data["change"]
        change = Change(kind, subject, vms=NOBODYS, consequence=True)
    return Step(data["do"], data["title"], data["fields"], change=change)
