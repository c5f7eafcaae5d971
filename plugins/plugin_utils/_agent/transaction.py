# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Transactions, and the form in which a request carries them."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import Step


@dataclass(frozen=True)
class Transaction:
    """Steps of which all are carried out, or none.

    `name` says whose it is, such as a role's; the server's journal, its old files and errors have
    it. With `confirm` the server puts it back after so many seconds, unless a new connection
    confirms it before.
    """

    name: str
    steps: tuple[Step, ...]
    confirm: int | None = None


class Blobs:
    """The contents behind a request, which it names by offset and length (bytes)."""

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
    """A transaction as the agent takes it; `boot` is what puts it back at the server's boot."""
    steps: list[dict[str, t.Any]] = []
    for number, step in enumerate(transaction.steps):
        entry = {"n": number, "do": step.do, "title": step.title, **step.fields}
        if step.content is not None:
            entry["blob"] = blobs.add(step.content)
        steps.append(entry)
    request: dict[str, t.Any] = {"id": transaction_id, "name": transaction.name, "steps": steps}
    if transaction.confirm:
        request |= {"confirm": transaction.confirm, "boot": blobs.add(boot)}
    return request
