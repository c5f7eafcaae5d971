# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Records of installations in the ledger: for whom, and never over what another run wrote."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.installed import (
    Installed,
    RecordedDisk,
)
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Problems
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.directory import FleetDirectory
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.records import (
    RecordError,
    write_disks,
    write_records,
)
from unit.fleets import ledger

FIRST = Installed(datetime(2026, 11, 29, 3, tzinfo=UTC), "/var/vmm/web1.qcow2", "qcow2")
SECOND = Installed(datetime(2026, 11, 30, 3, tzinfo=UTC), "/var/vmm/web1.qcow2", "qcow2")


@pytest.fixture
def fleet(tmp_path: Path) -> FleetDirectory:
    (tmp_path / "vms").mkdir()
    (tmp_path / "allocations").mkdir()
    lines = ("web1: {number: 7}", "db1: {number: 8}")
    (tmp_path / "allocations/server6.yml").write_text(ledger(*lines))
    return FleetDirectory(tmp_path)


def text(fleet: FleetDirectory) -> str:
    return (fleet.path / "allocations/server6.yml").read_text()


def test_a_record_is_written_once_and_taken_out_again(fleet: FleetDirectory) -> None:
    assert write_records(fleet, "server6", {"web1": FIRST}, {}, 1)
    assert "web1: {number: 7, installed: {at: 2026-11-29T03:00:00Z, image: /var/" in text(fleet)
    assert "db1: {number: 8}" in text(fleet)
    assert not write_records(fleet, "server6", {"web1": FIRST}, {}, 1)
    assert write_records(fleet, "server6", {"web1": SECOND}, {"web1": FIRST}, 1)
    assert "2026-11-30T03:00:00Z" in text(fleet)
    assert write_records(fleet, "server6", {"web1": None}, {"web1": SECOND}, 1)
    assert "installed" not in text(fleet)


def test_nothing_is_written_over_what_another_run_recorded(fleet: FleetDirectory) -> None:
    write_records(fleet, "server6", {"web1": FIRST}, {}, 1)
    before = text(fleet)
    assert not write_records(fleet, "server6", {"web1": SECOND}, {"web1": None}, 1)
    assert text(fleet) == before
    for new in (replace(SECOND, image="/home/vm/web1.qcow2"), None):
        with pytest.raises(RecordError, match=r"server6\.yml: web1: another run recorded"):
            write_records(fleet, "server6", {"web1": new, "db1": FIRST}, {"web1": None}, 1)
    assert text(fleet) == before


def test_without_a_line_or_a_ledger_there_is_nothing_to_record_in(fleet: FleetDirectory) -> None:
    with pytest.raises(RecordError, match=r"server6\.yml: mail1 has no line any more"):
        write_records(fleet, "server6", {"mail1": FIRST}, {}, 1)
    with pytest.raises(RecordError, match=r"allocations/server9\.yml is missing"):
        write_records(fleet, "server9", {"web1": FIRST}, {}, 1)
    (fleet.path / "allocations/server6.yml").write_text("vms: {web1: {}}\n")
    with pytest.raises(Problems, match="has no number"):
        write_records(fleet, "server6", {"web1": FIRST}, {}, 1)


def test_no_records_need_no_lock(fleet: FleetDirectory) -> None:
    assert not write_records(fleet, "server6", {}, {}, 0)
    assert not (fleet.path / "allocations/.lock").exists()


def test_who_was_seen_once(fleet: FleetDirectory) -> None:
    for name in ("host_keys/web1.pub", "handover/db1.md", "handover/.hidden.md", "handover/x.txt"):
        file = fleet.path / name
        file.parent.mkdir(exist_ok=True)
        file.touch()
    assert fleet.read().seen == {"web1", "db1", ".hidden"}


def test_disks_that_the_ledger_has_stay_there(fleet: FleetDirectory) -> None:
    disk, other = RecordedDisk("/a/web1.disk2.img", "raw"), RecordedDisk("/b/x.qcow2", "qcow2")
    write_disks(fleet, "server6", {"web1": (other, [disk])}, 1)
    before = text(fleet)
    assert "made: {image: /b/x.qcow2, format: qcow2}, disks: [{image: /a/web1.disk2.img" in before
    write_disks(fleet, "server6", {"web1": (disk, [other])}, 1)
    assert text(fleet) == before
    with pytest.raises(RecordError, match=r"server6\.yml: mail1 has no line any more"):
        write_disks(fleet, "server6", {"mail1": (None, [disk])}, 1)
    write_disks(fleet, "server9", {}, 1)
    # Purging begins with this, and has to be able to begin again.
    assert write_records(fleet, "server6", {"web1": None}, {}, 1)
    assert "disks" not in text(fleet)
