# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Brings backups from a server's place to one of the controller, and back, piece by piece."""

from __future__ import annotations

import time
import typing as t

from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.client import Agent
from ansible_collections.puffy.vmm.plugins.plugin_utils._backups.jobs import request
from ansible_collections.puffy.vmm.plugins.plugin_utils._backups.local import LocalPlace
from ansible_collections.puffy.vmm.plugins.plugin_utils._backups.records import Backup, read_all
from ansible_collections.puffy.vmm.plugins.plugin_utils._installation.report import (
    LINE_SECONDS,
    Report,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.sets import of_bytes

_PIECE_BYTES: t.Final = 1 << 23


class ServerPlace:
    """A place of a server, as the agent there sees it."""

    def __init__(self, agent: Agent, path: str, report: Report) -> None:
        self._agent, self.path, self._report = agent, path, report

    def list(self) -> list[Backup]:
        """Return the backups of this place. Raises OperatorError."""
        answer, _piece = self._agent.backup(request("list", self.path, ""))
        return read_all(answer["backups"])

    def drop(self, backups: t.Sequence[Backup]) -> None:
        for backup in backups:
            self._agent.backup(request("drop", self.path, backup.vm, ids=[backup.id]))

    def amend(self, backup: Backup, more: t.Mapping[str, t.Any]) -> None:
        ask = request("amend", self.path, backup.vm, id=backup.id)
        self._agent.backup({**ask, "with": dict(more)})

    def pull(self, backup: Backup, to: LocalPlace) -> None:
        """Copy a backup to the controller. Raises OperatorError, OSError."""
        to.begin(backup)
        meter = _Meter(self._report, backup, "comes to the controller")
        for name, size in backup.files.items():
            offset = 0
            while offset < size:
                ask = request("send", self.path, backup.vm, id=backup.id, file=name)
                ask |= {"offset": offset, "length": _PIECE_BYTES}
                _answer, piece = self._agent.backup(ask)
                if not piece:
                    break
                to.append(backup, name, piece)
                offset += len(piece)
                meter.add(len(piece))
        to.adopt(backup)

    def push(self, backup: Backup, place: LocalPlace) -> None:
        """Copy a backup from the controller. Raises OperatorError, OSError."""
        meter = _Meter(self._report, backup, "goes to the server")
        first = 1
        for name in backup.files:
            offset = 0
            for piece in place.pieces(backup, name, _PIECE_BYTES):
                ask = request("receive", self.path, backup.vm, id=backup.id, file=name)
                ask |= {"offset": offset, "blob": [0, len(piece)]}
                ask |= {"first": first, "total": backup.packed}
                self._agent.backup(ask, piece)
                first, offset = 0, offset + len(piece)
                meter.add(len(piece))
        self._agent.backup(request("adopt", self.path, backup.vm, backup=dict(backup.data)))


class _Meter:
    """Shows from time to time how far a transfer is."""

    def __init__(self, report: Report, backup: Backup, step: str) -> None:
        self._report, self._backup, self._step = report, backup, step
        self._done, self._begun = 0, time.monotonic()
        self._shown_at = self._begun
        report.step(backup.vm, step, 0)

    def add(self, size: int) -> None:
        self._done += size
        now = time.monotonic()
        if now - self._shown_at >= LINE_SECONDS:
            self._shown_at = now
            known = of_bytes(self._done, self._backup.packed)
            self._report.step(self._backup.vm, self._step, now - self._begun, known=known)
