# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What comes next in an upgrade: each phase of its journal, by what the server shows."""

from __future__ import annotations

import typing as t
from dataclasses import replace

import pytest
from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.facts import VmStatus
from ansible_collections.puffy.vmm.plugins.plugin_utils._upgrade.core.journal import Journal, Phase
from ansible_collections.puffy.vmm.plugins.plugin_utils._upgrade.core.plan import (
    Checks,
    Do,
    Request,
    came_back_old,
    doubtful,
    down,
    following,
    lacking,
    next_step,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._upgrade.core.seen import (
    Seen,
    UpgradeKernel,
)
from unit.machines import NOTE, RUNS, shown

GIB = 1 << 30
ME = "mira@desk, process 7"
FREE = {path: (path, 4 * GIB) for path in ("/", "/home", "/usr", "/var")}
FRESH = Seen(
    "7.8",
    statuses={"web1": RUNS, "db1": VmStatus(None, "stopped")},
    defined=frozenset({"web1", "db1"}),
    free=FREE,
)
ERRATA = Checks(missing=("001_kernel",))
ASKS = Request(by=ME, now=1000)
RELEASE = replace(ASKS, to="7.9")


def journal(phase: Phase, **changes: t.Any) -> Journal:
    return Journal(phase, **{"by": ME, "release": "7.8", **changes})


def at(phase: Phase, *, marked: bool = True, to: str | None = None, **changes: t.Any) -> Seen:
    """A server on which an upgrade is under way, and which would boot /bsd.upgrade for it."""
    armed = {**ARMED, **changes} if to else changes
    return replace(FRESH, journal=journal(phase, to=to), marked=marked, **armed)


ARMED: dict[str, t.Any] = {"upgrade_kernel": UpgradeKernel.READY, "answers": True}
STOPPED: dict[str, t.Any] = {"statuses": {}}
NEW: dict[str, t.Any] = {"release": "7.9"}
PATCHED: dict[str, t.Any] = {"patches": ("78-001_kernel",)}
# Phase, what it is for, and what the server shows: what comes next.
TABLE: list[tuple[Seen, Request, Do]] = [
    (FRESH, ASKS, Do.PREPARE),
    (FRESH, RELEASE, Do.PREPARE),
    (at(Phase.PREPARING), ASKS, Do.PREPARE),
    (at(Phase.PREPARING, marked=False), ASKS, Do.PREPARE),
    (at(Phase.PREPARING, to="7.9"), RELEASE, Do.PREPARE),
    (at(Phase.PREPARING, marked=False, to="7.9"), RELEASE, Do.PREPARE),
    # It was there before the journal said so, and something booted it.
    (at(Phase.PREPARING, marked=False, to="7.9", **NEW), RELEASE, Do.RETURN),
    (at(Phase.PREPARED), ASKS, Do.FINISH),
    (at(Phase.PREPARED, **PATCHED), ASKS, Do.STOP),
    (at(Phase.PREPARED, to="7.9"), RELEASE, Do.STOP),
    # Somebody removed it, or what keeps the installer from asking questions.
    (at(Phase.PREPARED, to="7.9", upgrade_kernel=UpgradeKernel.ABSENT), RELEASE, Do.PREPARE),
    (at(Phase.PREPARED, to="7.9", upgrade_kernel=UpgradeKernel.SPENT), RELEASE, Do.PREPARE),
    (at(Phase.STOPPING, to="7.9", answers=False), RELEASE, Do.PREPARE),
    (at(Phase.STOPPED, to="7.9", answers=False, **STOPPED), RELEASE, Do.PREPARE),
    (at(Phase.STOPPED, to="7.9", **STOPPED), RELEASE, Do.REBOOT),
    (at(Phase.PREPARED, marked=False, **PATCHED), ASKS, Do.RETURN),
    (at(Phase.STOPPING), ASKS, Do.STOP),
    (at(Phase.STOPPING, **STOPPED), ASKS, Do.STOP),
    (at(Phase.STOPPING, marked=False), ASKS, Do.RETURN),
    (at(Phase.STOPPED, **STOPPED), ASKS, Do.REBOOT),
    # Its owner started a VM meanwhile.
    (at(Phase.STOPPED), ASKS, Do.STOP),
    (at(Phase.STOPPED, marked=False, **STOPPED), ASKS, Do.RETURN),
    (at(Phase.STOPPED, marked=False, to="7.9", **NEW), RELEASE, Do.RETURN),
    (at(Phase.STOPPED, marked=False, to="7.9"), RELEASE, Do.RETURN),
    (at(Phase.STARTED, marked=False), ASKS, Do.FINISH),
    (at(Phase.STARTED, marked=False, to="7.9", **NEW), RELEASE, Do.FINISH),
]


@pytest.mark.parametrize(("seen", "request_", "do"), TABLE)
def test_what_comes_next(seen: Seen, request_: Request, do: Do) -> None:
    assert next_step(seen, request_, ERRATA).do == do


def test_no_server_is_booted_twice() -> None:
    """Whatever phase the journal has: once it has booted, nothing stops or reboots it again."""
    for seen, request, do in TABLE:
        if seen.booted:
            assert do not in (Do.STOP, Do.REBOOT)
            assert next_step(seen, request, ERRATA).do not in (Do.STOP, Do.REBOOT)


def test_nothing_is_to_be_done() -> None:
    assert next_step(FRESH, ASKS, Checks()).do == Do.NOTHING
    assert next_step(replace(FRESH, release="7.9"), RELEASE, Checks()).do == Do.NOTHING
    assert next_step(replace(FRESH, release="7.9"), RELEASE, ERRATA).do == Do.PREPARE


def test_what_was_begun_resumes() -> None:
    assert not next_step(FRESH, ASKS, ERRATA).resumes
    assert next_step(at(Phase.PREPARING), ASKS, ERRATA).resumes
    assert next_step(at(Phase.PREPARED, to="7.9", answers=False), RELEASE, ERRATA).resumes


@pytest.mark.parametrize(
    ("before", "now", "name"),
    [
        ((), (), ""),
        (("78-001_a",), ("78-001_a", "78-002_b"), "78-002_b"),
        (("78-001_a",), ("78-001_a",), ""),
        # Somebody reverted more: what was there before is complete, whatever is missing.
        (("78-001_a", "78-002_b"), ("78-001_a",), ""),
        (("78-001_a", "78-002_b"), (), ""),
    ],
)
def test_only_an_erratum_of_this_upgrade_is_doubtful(
    before: tuple[str, ...], now: tuple[str, ...], name: str
) -> None:
    seen = at(Phase.PREPARING, patches=now)
    assert doubtful(seen, journal(Phase.PREPARING, patches=before)) == name


def why(seen: Seen, request: Request = ASKS, checks: Checks = ERRATA) -> str:
    upcoming = next_step(seen, request, checks)
    assert upcoming.do == Do.REFUSE
    return "\n".join(upcoming.why)


INSTALLS = shown(marker=NOTE, installing="data", status=RUNS)
PAUSED = VmStatus(5, "paused")
OBSTACLES: list[tuple[dict[str, t.Any], str]] = [
    ({"vmd": False}, "vmd(8) does not run"),
    ({"facts": {"web1": INSTALLS}}, "web1: being installed"),
    ({"moving": ("web1",)}, "web1: being moved to another server"),
    ({"statuses": {"web1": PAUSED}}, "web1: paused, perhaps for a backup"),
    (
        {"held": ("db1",)},
        "db1: paused or stopped for a backup, and the boot would leave it stopped",
    ),
    ({"statuses": {"guest": RUNS}}, "guest: runs, and vm.conf(5) does not have it"),
    ({"starts_listed": False}, "/etc/rc.vmm on the server does not know which VMs ran"),
    ({"free": {**FREE, "/usr": ("/usr", GIB // 8)}}, "/usr: 128 MiB are free"),
    ({"upgrade_kernel": UpgradeKernel.READY}, "/bsd.upgrade is there"),
]


@pytest.mark.parametrize(("changes", "text"), OBSTACLES)
def test_what_stands_against_beginning(changes: dict[str, t.Any], text: str) -> None:
    assert text in why(replace(FRESH, **changes))


@pytest.mark.parametrize(("changes", "text"), OBSTACLES[:6])
def test_what_stands_against_stopping(changes: dict[str, t.Any], text: str) -> None:
    assert text in why(at(Phase.PREPARED, **{**PATCHED, **changes}))


def test_a_vm_that_starts_again_anyway_may_be_held_for_a_backup() -> None:
    seen = at(Phase.STOPPED, held=("web1",), **STOPPED)
    assert "web1: paused or stopped for a backup" in why(seen)
    ran = replace(seen, journal=journal(Phase.STOPPED, ran={"web1": True}))
    assert next_step(ran, ASKS, ERRATA).do == Do.REBOOT


def test_all_obstacles_are_named_at_once() -> None:
    bad = replace(FRESH, vmd=False, starts_listed=False)
    checks = Checks(unreachable="ftp: no route", drift=("change /etc/vm.conf",), backups=("none",))
    said = why(bad, replace(ASKS, to="8.0"), checks)
    assert len(said.splitlines()) == 6
    for text in ("8.0 does not follow 7.8", "change /etc/vm.conf", "ftp: no route", "none"):
        assert text in said


def test_directories_of_one_file_system_need_their_room_together() -> None:
    free = {path: ("/", 1200 << 20) for path in FREE}
    assert "/: 1200 MiB are free on this file system, and 2450 MiB are needed" in why(
        replace(FRESH, free=free), RELEASE
    )
    assert next_step(replace(FRESH, free=free), ASKS, ERRATA).do == Do.PREPARE


def test_a_mirror_that_does_not_answer_is_not_a_server_without_errata() -> None:
    assert "no route" in why(FRESH, checks=Checks(unreachable="ftp: no route"))


def test_another_goal_is_refused_until_the_first_is_reached() -> None:
    assert "continue it with -e to=7.9 first" in why(at(Phase.PREPARED, to="7.9"))
    assert "continue it without to first" in why(at(Phase.PREPARED, **PATCHED), RELEASE)
    # The release that it has already, as with a series in which another server was upgraded.
    same = replace(ASKS, to="7.8")
    assert next_step(at(Phase.PREPARED, **PATCHED), same, ERRATA).do == Do.STOP


def test_another_run_that_works_is_left_to_it() -> None:
    other = replace(ASKS, by="mira@desk, process 9", alive=lambda by, _own: by == ME)
    assert f"another run is working on this server: {ME}" in why(at(Phase.STOPPED), other)
    gone = replace(other, alive=lambda _by, _own: False)
    assert next_step(at(Phase.STOPPING), gone, ERRATA).do == Do.STOP
    assert next_step(at(Phase.STOPPING), replace(other, by=ME), ERRATA).do == Do.STOP


def test_owners_are_told_first() -> None:
    asks = replace(ASKS, announce_hours=24)
    assert next_step(FRESH, asks, ERRATA).do == Do.ANNOUNCE
    told = replace(FRESH, journal=journal(Phase.ANNOUNCED, due=2000), marked=False)
    assert next_step(told, asks, ERRATA).do == Do.AWAIT
    assert next_step(told, ASKS, ERRATA).do == Do.AWAIT
    assert next_step(told, replace(ASKS, announce_hours=0), ERRATA).do == Do.PREPARE
    assert next_step(told, replace(asks, now=2000), ERRATA).do == Do.PREPARE
    # Something else was announced.
    assert next_step(told, replace(asks, to="7.9"), ERRATA).do == Do.ANNOUNCE


def test_what_a_server_lacks_that_boots() -> None:
    back = at(Phase.STOPPED, marked=False)
    assert lacking(back) == ""
    assert lacking(replace(back, marked=True)) == "it has not rebooted"
    assert "rc.firsttime.run" in lacking(replace(back, once=("/etc/rc.firsttime.run",)))
    assert lacking(replace(back, vmd=False)) == "vmd(8) does not run"
    assert lacking(replace(back, list_sha256="0" * 64)) == "/etc/rc.vmm is still starting VMs"


def test_vms_that_are_shutting_down_are_to_be_started_again() -> None:
    stopping = VmStatus(7, "stopping")
    seen = at(Phase.STOPPING, statuses={"web1": RUNS, "mail1": stopping})
    begun = replace(journal(Phase.STOPPING), ran={"web1": True, "mail1": True, "db1": False})
    assert down(replace(seen, journal=begun)) == ["db1", "mail1"]
    assert down(FRESH) == []


def test_the_old_release() -> None:
    assert came_back_old(at(Phase.STOPPED, marked=False, to="7.9"))
    assert not came_back_old(at(Phase.STOPPED, marked=False, to="7.9", **NEW))
    assert not came_back_old(at(Phase.STOPPED, marked=False))
    assert not came_back_old(at(Phase.STOPPED, to="7.9"))


def test_releases_follow_each_other() -> None:
    assert [following(release) for release in ("7.8", "7.9", "8.0", "9.9")] == [
        "7.9",
        "8.0",
        "8.1",
        "10.0",
    ]


def test_a_journal_is_read_as_it_was_written() -> None:
    whole = journal(
        Phase.STOPPED, to="7.9", due=5, kernel="GENERIC#1", patches=("78-001_x",), linked=True,
        ran={"web1": True},
    )  # fmt: skip
    assert Journal.parse(bytes(whole)) == whole


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"phase": "new", "patches": []}', b"{"])
def test_a_journal_of_somebody_else(content: bytes) -> None:
    with pytest.raises(OperatorError, match="cannot be understood"):
        Journal.parse(content)
