# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Records of backups: what they say, which backups may be deleted, and which VMs have none."""

from __future__ import annotations

import json
import re
import typing as t
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from ansible_collections.puffy.vmm.plugins.module_utils._formats.columns import aligned
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.names import VM_NAME_PATTERN
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.sizes import size_text

INDEX: t.Final = "index.json"
RECORD: t.Final = "backup.json"
LATEST: t.Final = "latest"
# Written by backup.pl: the newest backup of each VM of a server, wherever it is.
NOTE: t.Final = "/var/db/puffy.vmm.backups"

PAUSED, STOPPED, CRASH_CONSISTENT = "paused", "stopped", "crash-consistent"
MODES: t.Final = (PAUSED, STOPPED, CRASH_CONSISTENT)

_ID: t.Final = re.compile(r"\d{8}T\d{6}Z")
_FILE: t.Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SHA256: t.Final = re.compile(r"[0-9a-f]{64}")
_TIME: t.Final = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True)
class BackupDisk:
    """An image that was copied: `disk` is what its guest sees, the other sizes are of files.

    All sizes are in bytes. `name` is the packed file next to the record.
    """

    name: str
    image: str
    format: str
    disk: int
    size: int
    packed: int
    packed_sha256: str


@dataclass(frozen=True)
class Backup:
    """One backup of one VM; `mode` is how its VM was, `stood_still` for how many seconds.

    `tested` is when it was restored for a test, `damaged` says that this failed. `data` is its
    whole record.
    """

    id: str
    vm: str
    server: str
    owner: str
    taken: datetime
    mode: str
    stood_still: int
    disks: tuple[BackupDisk, ...]
    tested: datetime | None = None
    damaged: bool = False
    data: t.Mapping[str, t.Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def packed(self) -> int:
        """The bytes that it occupies."""
        return sum(disk.packed for disk in self.disks)

    @property
    def files(self) -> dict[str, int]:
        """The sizes of its packed files by their names."""
        return {disk.name: disk.packed for disk in self.disks}


def new_id(now: datetime) -> str:
    """Return the name of a backup: 20261129T030000Z."""
    return now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def shown_time(time: datetime) -> str:
    return time.strftime(_TIME)


def read(data: t.Any) -> Backup | None:
    """Return the backup that a record describes.

    None for what cannot be a record: it is never touched.
    """
    try:
        disks = tuple(_disk(disk) for disk in data["disks"])
        tested = data.get("tested") or {}
        backup = Backup(
            _text(data["id"], _ID),
            _text(data["vm"], re.compile(VM_NAME_PATTERN)),
            str(data["server"]),
            str(data["owner"]),
            _time(data["taken"]),
            str(data["mode"]),
            int(data["stood_still"]),
            disks,
            _time(tested["at"]) if tested else None,
            bool(tested.get("damaged")),
            data,
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
    return backup if disks else None


def read_all(records: t.Iterable[t.Any]) -> list[Backup]:
    """Return the sound ones, the oldest first."""
    backups = [backup for data in records if (backup := read(data))]
    return sorted(backups, key=lambda backup: (backup.taken, backup.id, backup.vm))


def superfluous(backups: t.Iterable[Backup], keep: int, days: int, now: datetime) -> list[Backup]:
    """Return the backups of one VM that may go, the oldest first; all of them are that VM's.

    The newest `keep` sound ones stay, at least one; without a sound one, the newest damaged one.
    Whatever is younger than `days` stays too.
    """
    newest = sorted(backups, key=lambda backup: backup.taken, reverse=True)
    sound = [backup for backup in newest if not backup.damaged]
    stays = sound[: max(keep, 1)] or newest[:1]
    old = now - timedelta(days=days)
    return [backup for backup in reversed(newest) if backup not in stays and backup.taken <= old]


def next_to_test(backups: t.Iterable[Backup]) -> Backup | None:
    """Return the newest backup of the VM whose last test is longest ago, or never was."""
    newest: dict[str, Backup] = {}
    tested: dict[str, datetime] = {}
    for backup in sorted(backups, key=lambda backup: backup.taken):
        if not backup.damaged:
            newest[backup.vm] = backup
        if backup.tested:
            tested[backup.vm] = max(backup.tested, tested.get(backup.vm, backup.tested))
    never = datetime.min.replace(tzinfo=UTC)
    order = sorted(newest, key=lambda vm: (tested.get(vm, never), vm))
    return newest[order[0]] if order else None


def outdated(note: str, vms: t.Iterable[str], hours: float, now: datetime) -> dict[str, str]:
    """Return which of these VMs have no backup younger than that, each with the reason.

    note is the text of NOTE on their server, empty if there is none.
    """
    known = _note(note)
    reasons: dict[str, str] = {}
    for vm in vms:
        taken = known.get(vm)
        if taken is None:
            reasons[vm] = "has no backup"
        elif now - taken > timedelta(hours=hours):
            age = (now - taken).total_seconds() / 3600
            reasons[vm] = f"has no backup since {shown_time(taken)}, {age:.0f} hours ago"
    return reasons


def table(backups: t.Sequence[Backup]) -> list[str]:
    """Return the lines of a table for people; none without backups."""
    rows = [("VM", "BACKUP", "TAKEN", "MODE", "SIZE", "DOWN FOR", "TESTED")]
    for backup in backups:
        tested = shown_time(backup.tested) if backup.tested else "-"
        tested = f"DAMAGED, {tested}" if backup.damaged else tested
        size, stood_still = size_text(backup.packed), f"{backup.stood_still} s"
        taken = shown_time(backup.taken)
        rows.append((backup.vm, backup.id, taken, backup.mode, size, stood_still, tested))
    return aligned(rows) if len(rows) > 1 else []


def _note(text: str) -> dict[str, datetime]:
    try:
        return {vm: _time(newest["taken"]) for vm, newest in json.loads(text or "{}").items()}
    except (AttributeError, KeyError, TypeError, ValueError):
        return {}


def _disk(data: t.Mapping[str, t.Any]) -> BackupDisk:
    return BackupDisk(
        _text(data["name"], _FILE),
        str(data["image"]),
        str(data["format"]),
        int(data["disk"]),
        int(data["size"]),
        int(data["packed"]),
        _text(data["packed_sha256"], _SHA256),
    )


def _text(value: object, pattern: re.Pattern[str]) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ValueError(value)
    return value


def _time(value: str) -> datetime:
    return datetime.strptime(value, _TIME).replace(tzinfo=UTC)
