# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""A place of backups on the controller, laid out as on a server, for its user only."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import typing as t
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from ansible_collections.puffy.vmm.plugins.plugin_utils._backups.records import (
    INDEX,
    RECORD,
    Backup,
    read_all,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.files import write_file
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.lock import exclusive_lock

_LOCK_SECONDS: t.Final = 60.0
_PARTIAL: t.Final = ".partial"
_SPARE_BYTES: t.Final = 1 << 26


class LocalPlace:
    """PATH/VM/ID; a backup that is still arriving is PATH/VM/ID.partial."""

    def __init__(self, path: str) -> None:
        self.path = Path(path)

    def list(self) -> list[Backup]:
        """Return the backups of this place. Raises OSError."""
        paths = self.path.glob(f"*/*/{RECORD}")
        records = [(path.parts[-3:-1], _json(path)) for path in paths]
        return read_all(
            data for place, data in records if place == (data.get("vm"), data.get("id"))
        )

    def begin(self, backup: Backup) -> None:
        """Make room for a backup, and remove what interrupted runs left of others of the VM."""
        directory = self.path / backup.vm
        for place in (self.path, directory):
            place.mkdir(mode=0o700, exist_ok=True)
            status = place.lstat()
            others = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
            if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or others:
                raise OperatorError(
                    f"{place} has to be a directory of your own that nobody else can write to"
                )
        for left in directory.glob(f"*{_PARTIAL}"):
            shutil.rmtree(left)
        free = shutil.disk_usage(directory).free
        if free < backup.packed + _SPARE_BYTES:
            raise OperatorError(
                f"{directory} has {free >> 20} MiB free, and {backup.vm} needs "
                f"{backup.packed + _SPARE_BYTES >> 20} MiB"
            )
        self._partial(backup).mkdir(mode=0o700)

    def append(self, backup: Backup, name: str, piece: bytes) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(self._partial(backup) / name, flags, 0o600)
        with os.fdopen(descriptor, "ab") as file:
            file.write(piece)
            file.flush()
            os.fsync(file.fileno())

    def adopt(self, backup: Backup) -> None:
        """Make a backup of what has arrived. Raises OperatorError if that is damaged."""
        partial = self._partial(backup)
        for disk in backup.disks:
            if _sha256(partial / disk.name) != disk.packed_sha256:
                text = f"{partial / disk.name} is damaged: it is not what its record says"
                raise OperatorError(text, damaged=True)
        write_file(partial / RECORD, json.dumps(backup.data).encode(), 0o600)
        with self._locked():
            partial.rename(self._final(backup))
            self._write_index()

    def pieces(self, backup: Backup, name: str, length: int) -> Iterator[bytes]:
        with (self._final(backup) / name).open("rb") as file:
            while piece := file.read(length):
                yield piece

    def drop(self, backups: t.Iterable[Backup]) -> None:
        with self._locked():
            for backup in backups:
                partial = self._partial(backup)
                self._final(backup).rename(partial)
                self._write_index()
                shutil.rmtree(partial)

    def amend(self, backup: Backup, more: t.Mapping[str, t.Any]) -> None:
        with self._locked():
            data = json.dumps({**backup.data, **more}).encode()
            write_file(self._final(backup) / RECORD, data, 0o600)
            self._write_index()

    def _locked(self) -> AbstractContextManager[None]:
        return exclusive_lock(self.path / ".lock", _LOCK_SECONDS)

    def _write_index(self) -> None:
        records = [dict(backup.data) for backup in self.list()]
        write_file(self.path / INDEX, f"{json.dumps({'backups': records})}\n".encode(), 0o600)

    def _final(self, backup: Backup) -> Path:
        return self.path / backup.vm / backup.id

    def _partial(self, backup: Backup) -> Path:
        return self.path / backup.vm / f"{backup.id}{_PARTIAL}"


def _json(path: Path) -> dict[str, t.Any]:
    try:
        data = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
