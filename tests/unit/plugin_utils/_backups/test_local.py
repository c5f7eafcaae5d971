# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""A place of backups on the controller."""

from __future__ import annotations

import hashlib
import json
import shutil
import typing as t
from pathlib import Path

import pytest
from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from ansible_collections.puffy.vmm.plugins.plugin_utils._backups import records
from ansible_collections.puffy.vmm.plugins.plugin_utils._backups.local import LocalPlace
from ansible_collections.puffy.vmm.plugins.plugin_utils._backups.records import Backup
from unit.plugin_utils._backups.test_records import DISK, data

CONTENT: t.Final = b"packed " * 1000


def backup(**changes: t.Any) -> Backup:
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    disk = {**DISK, "packed": len(CONTENT), "packed_sha256": sha256}
    record = records.read(data(disks=[disk], **changes))
    assert record
    return record


@pytest.fixture
def place(tmp_path: Path) -> LocalPlace:
    return LocalPlace(str(tmp_path / "place"))


def take_in(place: LocalPlace, record: Backup, content: bytes = CONTENT) -> None:
    place.begin(record)
    for start in range(0, len(content), 1000):
        place.append(record, "disk0.qcow2.gz", content[start : start + 1000])
    place.adopt(record)


def test_what_comes_in_is_there_and_goes(place: LocalPlace) -> None:
    first, other = backup(), backup(id="20261130T030000Z", taken="2026-11-30T03:00:00Z")
    take_in(place, first)
    take_in(place, other)
    assert place.list() == [first, other]
    assert b"".join(place.pieces(first, "disk0.qcow2.gz", 100)) == CONTENT
    index = json.loads((place.path / "index.json").read_text())
    assert index == {"backups": [first.data, other.data]}
    for path in [place.path, *place.path.rglob("*")]:
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path
    place.amend(first, {"tested": {"at": "2026-12-01T00:00:00Z", "damaged": True}})
    assert [record.damaged for record in place.list()] == [True, False]
    place.drop([first])
    assert place.list() == [other]
    assert json.loads((place.path / "index.json").read_text()) == {"backups": [other.data]}


def test_what_was_cut_off_is_no_backup_and_goes_with_the_next(place: LocalPlace) -> None:
    first = backup()
    place.begin(first)
    place.append(first, "disk0.qcow2.gz", CONTENT[:-1])
    with pytest.raises(OperatorError, match="is damaged"):
        place.adopt(first)
    assert place.list() == []
    take_in(place, backup(id="20261130T030000Z"))
    assert [path.name for path in (place.path / "web1").iterdir()] == ["20261130T030000Z"]


def test_a_place_is_ones_own(place: LocalPlace) -> None:
    place.path.mkdir(mode=0o777)
    place.path.chmod(0o777)
    with pytest.raises(OperatorError, match="nobody else can write"):
        place.begin(backup())


def test_a_full_disk_is_seen_before(place: LocalPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil._ntuple_diskusage(1 << 30, 1 << 30, 1 << 20)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage)
    with pytest.raises(OperatorError, match="has 1 MiB free, and web1 needs"):
        place.begin(backup())


def test_what_is_not_its_own_is_left_alone(place: LocalPlace) -> None:
    take_in(place, backup())
    stranger = place.path / "web1/20200101T000000Z"
    stranger.mkdir()
    for text in ("x", json.dumps(dict(backup().data))):
        (stranger / "backup.json").write_text(text)
        assert [record.id for record in place.list()] == ["20261129T030000Z"]
