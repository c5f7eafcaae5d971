# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What a record of a backup is, which backups stay, which is tested next, and who has none."""

from __future__ import annotations

import json
import typing as t
from datetime import UTC, datetime, timedelta

import pytest
from ansible_collections.puffy.vmm.plugins.plugin_utils._backups import records
from ansible_collections.puffy.vmm.plugins.plugin_utils._backups.records import Backup

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
DISK = {
    "name": "disk0.qcow2.gz", "image": "/var/vmm/web1.qcow2", "format": "qcow2",
    "disk": 50 << 30, "size": 4 << 20, "packed": 3 << 20, "packed_sha256": "0" * 64,
}  # fmt: skip


def data(**changes: t.Any) -> dict[str, t.Any]:
    return {
        "id": "20261129T030000Z", "vm": "web1", "server": "server1", "owner": "puffy",
        "taken": "2026-11-29T03:00:05Z", "mode": "paused", "stood_still": 41, "disks": [DISK],
        **changes,
    }  # fmt: skip


def backup(days: float, vm: str = "web1", *, damaged: bool = False, tested: float = 0) -> Backup:
    """One that was taken so many days ago, and tested so many."""
    taken = NOW - timedelta(days=days)
    fields: dict[str, t.Any] = {"id": records.new_id(taken), "vm": vm}
    fields["taken"] = records.shown_time(taken)
    if tested or damaged:
        at = records.shown_time(NOW - timedelta(days=tested))
        fields["tested"] = {"at": at, "damaged": damaged}
    record = records.read(data(**fields))
    assert record
    return record


def test_a_record() -> None:
    record = records.read(data())
    assert record
    assert (record.id, record.vm, record.mode, record.stood_still) == (
        "20261129T030000Z", "web1", "paused", 41,
    )  # fmt: skip
    assert (record.packed, record.files) == (3 << 20, {"disk0.qcow2.gz": 3 << 20})
    assert (record.tested, record.damaged) == (None, False)


NO_RECORDS: dict[str, t.Any] = {
    "nothing": None,
    "text": "x",
    "no disks": data(disks=[]),
    "no owner": {name: value for name, value in data().items() if name != "owner"},
    "another name": data(id="../20261129T030000Z"),
    "a VM elsewhere": data(vm="../web1"),
    "a file elsewhere": data(disks=[{**DISK, "name": "../x"}]),
    "a hidden file": data(disks=[{**DISK, "name": ".x"}]),
    "no checksum": data(disks=[{**DISK, "packed_sha256": "x"}]),
    "no time": data(taken="yesterday"),
    "no size": data(disks=[{**DISK, "packed": "much"}]),
}


@pytest.mark.parametrize("name", NO_RECORDS)
def test_what_is_no_record_is_left_alone(name: str) -> None:
    assert records.read(NO_RECORDS[name]) is None
    assert [record.id for record in records.read_all([NO_RECORDS[name], data()])] == [
        "20261129T030000Z"
    ]


# Days ago, d for damaged: keep, keep_days, what goes.
KEPT: dict[str, tuple[str, int, int, str]] = {
    "all are kept": ("0 1 2", 3, 0, ""),
    "by number": ("0 1 2 3 4", 3, 0, "4 3"),
    "but not the young ones": ("0 1 2 3 4", 1, 3, "4 3"),
    "the only one stays": ("400", 1, 0, ""),
    "the newest stays when none is to be kept": ("3 4", 0, 0, "4"),
    "the newest sound one stays then": ("0d 3 4", 0, 0, "4 0d"),
    "a damaged one does not count": ("0d 1 2 3", 2, 0, "3 0d"),
    "the last sound one stays, whatever is newer": ("0d 1d 400", 1, 0, "1d 0d"),
    "of damaged ones alone the newest stays": ("1d 2d 3d", 1, 0, "3d 2d"),
    "a damaged one that is young stays": ("0d 1 2", 1, 1, "2"),
    "none": ("", 7, 0, ""),
}


def days_of(text: str) -> list[Backup]:
    return [backup(float(word.rstrip("d")), damaged="d" in word) for word in text.split()]


@pytest.mark.parametrize("name", KEPT)
def test_what_may_go(name: str) -> None:
    there, keep, days, goes = KEPT[name]
    assert records.superfluous(days_of(there), keep, days, NOW) == days_of(goes)


def test_vms_take_turns_in_being_tested() -> None:
    web, old, db, mail = (
        backup(1),
        backup(9, tested=2),
        backup(2, "db1", tested=5),
        backup(3, "mail1"),
    )
    assert records.next_to_test([old, web, db, mail]) == mail
    assert records.next_to_test([old, web, db]) == db
    assert records.next_to_test([old, web]) == web
    assert records.next_to_test([backup(1, damaged=True), backup(5)]) == backup(5)
    assert records.next_to_test([]) is None
    # After each test another one is the next, until all had their turn.
    turns, tested = [], {"a": 0.0, "b": 0.0, "c": 0.0}
    for turn in range(1, 5):
        chosen = records.next_to_test([backup(1, vm, tested=when) for vm, when in tested.items()])
        assert chosen
        turns.append(chosen.vm)
        tested[chosen.vm] = 1 - turn / 10
    assert turns == ["a", "b", "c", "a"]


def test_who_has_no_young_backup() -> None:
    """What an upgrade asks before it begins."""
    note = {
        "web1": {"id": "x", "taken": "2026-11-29T03:00:00Z", "mode": "paused", "place": "/b"},
        "db1": {"id": "y", "taken": "2026-11-27T12:00:00Z", "mode": "paused", "place": "/b"},
    }
    asked = ["web1", "db1", "mail1"]
    assert records.outdated(json.dumps(note), asked, 24, NOW) == {
        "db1": "has no backup since 2026-11-27T12:00:00Z, 48 hours ago",
        "mail1": "has no backup",
    }
    assert records.outdated(json.dumps(note), asked, 8.9, NOW).keys() == {"web1", "db1", "mail1"}
    for broken in ("", "x", "[]", '{"web1": 1}', '{"web1": {"taken": "x"}}'):
        assert records.outdated(broken, ["web1"], 24, NOW) == {"web1": "has no backup"}


def test_the_table() -> None:
    lines = records.table([backup(1), backup(2, "db1", damaged=True)])
    assert lines[0].split("  ")[0] == "VM"
    assert lines[1].startswith("web1  20261128T120000Z  2026-11-28T12:00:00Z  paused  3 MiB  41 s")
    assert lines[2].endswith("DAMAGED, 2026-11-29T12:00:00Z")
    assert records.table([]) == []
