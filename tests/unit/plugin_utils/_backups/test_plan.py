# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What of a VM is copied, and what a backup may take the place of."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Refused
from ansible_collections.puffy.vmm.plugins.plugin_utils._backups import plan, records
from ansible_collections.puffy.vmm.plugins.plugin_utils._backups.places import Place
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.facts import DiskFacts, VmFacts
from unit.machines import IMAGE, NOTE, RECORD, RUNS, machine, shown
from unit.plugin_utils._backups.test_records import DISK, data

MORE: t.Final = {
    "path": "/data/web1.disk2.img", "format": "raw", "size": "8G", "recorded": True,
}  # fmt: skip
MOVES: t.Final = {"source": "server1", "to": "server2", "ran": True}
SYSTEM: t.Final = shown(image="data")
RUNNING: t.Final = shown(image="data", status=RUNS)


def test_sources() -> None:
    vm = machine(disks=[MORE])
    there = shown(image="data", disks=(DiskFacts(there=True),))
    first, more = plan.sources(vm, there)
    assert first.wire(0) == {"path": IMAGE, "format": "qcow2", "name": "disk0.qcow2"}
    assert more.wire(1) == {"path": MORE["path"], "format": "raw", "name": "disk1.img"}
    away = shown(archived="data", disks=(DiskFacts(archived=True),))
    paths = [source.path for source in plan.sources(vm, away)]
    assert paths == ["/var/vmm/web1.archived.qcow2", "/data/web1.disk2.archived.img"]
    assert len(plan.sources(vm, shown(image="data", disks=(DiskFacts(),)))) == 1


OBSTACLES: dict[str, tuple[dict[str, t.Any], VmFacts, str, str]] = {
    "paused": ({}, RUNNING, "paused", ""),
    "stopped": ({}, RUNNING, "stopped", ""),
    "qcow2 while it runs": ({}, RUNNING, "crash-consistent", "is a qcow2 image, whose tables"),
    "qcow2 that does not run": ({}, SYSTEM, "crash-consistent", ""),
    "raw while it runs": (
        {"image": {"path": "/x.img", "format": "raw", "size": "1G"}}, RUNNING, "crash-consistent",
        "",
    ),
    "being installed": (
        {}, shown(image="data", marker=NOTE, installing="data"), "paused", "is being installed",
    ),
    "being moved": ({"moving": MOVES}, SYSTEM, "paused", "is being moved"),
    "no image": ({"installed": RECORD.as_data()}, shown(), "paused", "is not there"),
    "no further disk": (
        {"disks": [MORE]}, shown(image="data", disks=(DiskFacts(),)), "paused",
        "its disk /data/web1.disk2.img is not there",
    ),
    "archived": ({"state": "archived"}, shown(archived="data"), "paused", ""),
}  # fmt: skip


@pytest.mark.parametrize("name", OBSTACLES)
def test_what_stands_against_a_copy(name: str) -> None:
    fields, now, mode, text = OBSTACLES[name]
    reason = plan.obstacle(machine(**fields), now, mode)
    assert text in reason if reason and text else (reason or "") == text


def test_what_was_never_installed_has_nothing_to_copy() -> None:
    assert plan.nothing_to_copy(machine(), shown())
    assert plan.nothing_to_copy(machine(), shown(image="blank"))
    assert not plan.nothing_to_copy(machine(), SYSTEM)
    assert not plan.nothing_to_copy(machine(installed=RECORD.as_data()), shown())
    assert not plan.nothing_to_copy(machine(), shown(status=RUNS))


@pytest.mark.parametrize(("install", "now", "mode", "warns"), [
    ("autoinstall", RUNNING, "stopped", False),
    ("iso", RUNNING, "stopped", True),
    ("none", RUNNING, "stopped", True),
    ("none", RUNNING, "paused", False),
    ("none", SYSTEM, "stopped", False),
])  # fmt: skip
def test_guests_that_may_lose_power(install: str, now: VmFacts, mode: str, warns: bool) -> None:
    text = plan.warning(machine(install_by=install), now, mode)
    assert bool(text) == warns == ("backup_mode=paused" in (text or ""))


def test_intents() -> None:
    def said(now: VmFacts, mode: str) -> str:
        return plan.intent(machine(), now, mode, "/b", 300)

    size = 10 << 30
    runs = shown(image="data", status=RUNS, image_bytes=size)
    assert said(runs, "paused") == (
        "pause web1 while 10240 MiB are copied, 300 s at most, and bring the copy to /b"
    )
    assert said(runs, "stopped").startswith("stop web1, copy 10240 MiB, start it again")
    assert "crash-consistent" in said(runs, "crash-consistent")
    assert "which does not run" in said(shown(image="data"), "paused")


# The VM, what its server shows, what may be overwritten; what stands against a backup of web1.
RESTORES: dict[str, tuple[dict[str, t.Any], VmFacts, str, str]] = {
    "in place": ({}, SYSTEM, "web1", ""),
    "without being asked": ({}, SYSTEM, "", "only on request: overwrite=web1"),
    "asked for another": ({}, SYSTEM, "web2", "only on request"),
    "a blank image": ({}, shown(image="blank"), "", "only on request"),
    "nothing there": ({}, shown(), "", ""),
    "a new one": ({"name": "web2"}, shown(), "", ""),
    "it runs": ({}, RUNNING, "web1", "suspend it first"),
    "it is paused": (
        {}, shown(image="data", status=RUNS), "web1", "suspend it first",
    ),
    "archived": ({"state": "archived"}, shown(archived="data"), "web1", "restore it first"),
    "being moved": ({"moving": MOVES}, SYSTEM, "web1", "is being moved"),
    "being installed": ({}, shown(marker=NOTE), "web1", "is being installed"),
    "somebody else's": ({"owner": "mira"}, shown(), "web1", "nobody gets somebody else's data"),
    "another format": (
        {"image": {"path": "/x.img", "format": "raw", "size": "50G"}}, shown(), "", "see disk",
    ),
    "another size": (
        {"image": {"path": IMAGE, "format": "qcow2", "size": "60G"}}, shown(), "", "",
    ),
    "other disks": (
        {"disks": [MORE]}, shown(disks=(DiskFacts(),)), "", "has 2 disk(s), and the backup has 1",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RESTORES)
def test_what_stands_against_a_restore(name: str) -> None:
    fields, now, overwrite, text = RESTORES[name]
    backup = records.read(data())
    assert backup
    reason = plan.restore_obstacle(backup, machine(**fields), now, overwrite)
    assert text in reason if reason and text else (reason or "") == text


def test_a_further_disk_is_not_overwritten_either() -> None:
    second = {**DISK, "name": "disk1.img.gz", "format": "raw", "disk": 8 << 30}
    backup = records.read(data(disks=[DISK, second]))
    assert backup
    now = shown(disks=(DiskFacts(there=True),))
    vm = machine(disks=[MORE])
    assert "overwrite=web1" in (plan.restore_obstacle(backup, vm, now, "") or "")
    assert plan.restore_obstacle(backup, vm, now, "web1") is None


def test_the_names_are_given_between_two_looks_whether_it_runs() -> None:
    vm = machine(disks=[MORE])
    now = shown(image="data", disks=(DiskFacts(),))
    steps = [*plan.put_into_place(vm, now, "20261129T120000")]
    assert [step.do for step in steps] == ["wait", "rename", "rename", "rename", "wait"]
    renames = [(step.fields["from"], step.fields["path"]) for step in steps[1:4]]
    assert renames == [
        (IMAGE, "/var/vmm/web1.replaced-20261129T120000.qcow2"),
        ("/var/vmm/web1.restoring.qcow2", IMAGE),
        ("/data/web1.disk2.restoring.img", MORE["path"]),
    ]
    assert all(step.concerns == {"web1"} for step in steps)


PLACES: dict[str, tuple[str, str]] = {
    "/home/backups": ("", "/home/backups"),
    "/home/backups/": ("", "/home/backups"),
    "server2:/b": ("server2", "/b"),
    "controller:/srv/b": ("controller", "/srv/b"),
}


@pytest.mark.parametrize("text", PLACES)
def test_places(text: str) -> None:
    place = Place.of(text, ["server1", "server2"])
    assert (place.host, place.path) == PLACES[text]


@pytest.mark.parametrize("text", ["", "b", "server3:/b", "server2:b", "/b/../c", "/b c", ":/b"])
def test_what_is_no_place(text: str) -> None:
    with pytest.raises(Refused):
        Place.of(text, ["server1", "server2"])
