# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What is done with a VM that autoinstall(8) does not install, and with further disks."""

from __future__ import annotations

import typing as t
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.puffy.vmm.plugins.plugin_utils._life.life import (
    NEW_STATE,
    VERBS,
    LifePlan,
    Request,
    plan_life,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._life.obstacles import refusal
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.facts import DiskFacts, VmFacts
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.machine import State
from unit.machines import NOTE, RECORD, RUNS, defined, machine, shown

D, B = "data", "blank"
CD = "/home/iso/alpine.iso"
SHOWS: dict[str, VmFacts] = {
    "nothing": shown(),
    "blank": shown(image=B, definition=defined()),
    "blank, runs": shown(image=B, status=RUNS, definition=defined()),
    "data": shown(image=D),
    "data, defined": shown(image=D, definition=defined()),
    "data, runs": shown(image=D, definition=defined(), status=RUNS),
    "no image, runs": shown(definition=defined(), status=RUNS),
    "archived": shown(archived=D),
    "note": shown(marker=NOTE, installing=B),
    "no CD": shown(image=D, definition=defined(), lacking=(CD,)),
}
KNOWN: dict[str, dict[str, t.Any]] = {
    "new": {},
    "made": {"made": True},
    "recorded": {"installed": RECORD.as_data(), "made": True},
}
KINDS: dict[str, dict[str, t.Any]] = {
    "none": {"install_by": "none", "cdrom": CD},
    "iso": {"install_by": "iso", "cdrom": CD},
}
DEEDS = (
    "refuse", "hold", "forget", "stop", "restore", "create", "claim", "install", "start", "archive",
    "purge", "rescue", "record", "defined", "lost", "cdrom",
)  # fmt: skip


def cells() -> dict[tuple[str, ...], str]:
    """life_guests.txt: what is done, by shows, install, state, what the fleet knows, and verb."""
    table: dict[tuple[str, ...], str] = {}
    for line in Path(__file__).with_name("life_guests.txt").read_text().splitlines():
        if line.startswith("#"):
            continue
        shows, kinds, state, known, verbs, does = (part.strip() for part in line.split("|"))
        for kind in KINDS if kinds == "any" else [kinds]:
            for name in KNOWN if known == "any" else known.split("/"):
                for verb in verbs.split():
                    assert (shows, kind, state, name, verb) not in table
                    table[shows, kind, state, name, verb] = does
    return table


ALL = [
    (shows, kind, str(state), known, verb)
    for shows in SHOWS for kind in KINDS for state in State for known in KNOWN for verb in VERBS
    if (kind, known) != ("none", "made") and verb != "status"
    and not refusal(state, verb) and NEW_STATE.get(verb, state) == state
]  # fmt: skip


def planned(cell: tuple[str, ...], **changes: t.Any) -> LifePlan:
    shows, kind, state, known, verb = cell
    vm = machine(**{**KINDS[kind], "state": state, **KNOWN[known], **changes})
    return plan_life([vm], {"web1": SHOWS[shows]}, Request(verb, frozenset({"web1"})))


def deeds(plan: LifePlan) -> list[str]:
    return [deed for deed in DEEDS if getattr(plan, deed)]


@pytest.mark.parametrize("shows", SHOWS)
def test_the_table(shows: str) -> None:
    table = cells()
    assert set(ALL) == set(table)
    for cell in ALL:
        if cell[0] == shows:
            assert deeds(planned(cell)) == table[cell].split(), cell


def test_no_guest_is_ever_handed_to_autoinstall() -> None:
    for cell in ALL:
        plan = planned(cell)
        assert not (plan.install or plan.claim or plan.hold or plan.rescue), cell


def test_what_is_there_is_made_by_nobody_and_an_image_that_is_brought_along_never() -> None:
    for cell in ALL:
        if planned(cell).create:
            assert cell[0] in ("nothing", "note")
            assert (cell[1], cell[3]) == ("iso", "new")


def test_nobody_is_started_against_his_will() -> None:
    for cell in ALL:
        started = planned(cell, autostart=False).start
        assert bool(started) <= (cell[4] == "restart"), cell


REASONS: dict[tuple[str, ...], tuple[str, ...]] = {
    ("nothing", "none", "present", "new", "apply"): (
        "has install: none, and the image that is to be brought along, /var/vmm/web1.qcow2, is not",
        "put it there, and run again",
    ),
    ("blank", "none", "present", "new", "apply"): ("has nothing in it: put it there",),
    ("nothing", "none", "present", "recorded", "apply"): (
        "mount the volume", "if it is lost for good, take installed out of its line in allocations",
    ),
    ("nothing", "iso", "present", "made", "apply"): (
        "was given its image (allocations/server1.yml), and /var/vmm/web1.qcow2 is not there",
    ),
    ("nothing", "iso", "archived", "made", "purge"): ("mount the volume that has it, so that",),
    ("data", "none", "present", "recorded", "reinstall"): (
        "has install: none, and reinstall boots OpenBSD's installer", "give it install: iso and",
    ),
    ("data", "none", "present", "recorded", "installed"): ("this verb is for install: iso alone",),
    ("blank", "iso", "present", "new", "installed"): ("has nothing in its image /var/vmm/web1",),
    ("no CD", "iso", "present", "new", "apply"): (
        f"has cdrom: {CD}, and the server has no such file; bring it there, or take cdrom",
    ),
}  # fmt: skip


@pytest.mark.parametrize("cell", REASONS, ids=str)
def test_a_refusal_says_what_was_found_and_what_helps(cell: tuple[str, ...]) -> None:
    reason = planned(cell).refuse["web1"]
    assert all(text in reason for text in REASONS[cell]), reason
    assert "verb=reinstall" not in reason


# Further disks.

DISK = "/home/data/web1.disk2.img"
THERE, GONE, KEPT = DiskFacts(there=True), DiskFacts(), DiskFacts(archived=True)


def with_disk(
    disk: DiskFacts, *, recorded: bool, verb: str = "apply", state: str = "present", **more: t.Any
) -> LifePlan:
    wish = {"path": DISK, "format": "raw", "size": "9G", "recorded": recorded}
    vm = machine(state=state, disks=[wish], **{**KNOWN["recorded"], **more})
    facts = replace(shown(image=D, definition=defined()), disks=(disk,))
    return plan_life([vm], {"web1": facts}, Request(verb, frozenset({"web1"})))


def test_a_disk_that_was_never_there_is_made_once() -> None:
    plan = with_disk(GONE, recorded=False)
    assert (plan.create, plan.disks, plan.defined) == (("web1",), ("web1",), ("web1",))
    plan = with_disk(THERE, recorded=False)
    assert (plan.create, plan.disks) == ((), ("web1",))


@pytest.mark.parametrize("state", ["present", "suspended"])
def test_a_disk_that_was_there_once_is_never_made_again(state: str) -> None:
    plan = with_disk(GONE, recorded=True, state=state)
    assert f"had the disk {DISK} (allocations/server1.yml), which is not" in plan.refuse["web1"]
    assert (plan.create, plan.defined, plan.lost) == ((), (), ("web1",))
    assert with_disk(KEPT, recorded=True, state=state).restore == ("web1",)


def test_a_vm_that_nobody_asks_about_gets_no_disk() -> None:
    """vmd(8) takes no vm.conf(5) that names one which is not there."""
    for disk, recorded, expected in (
        (GONE, False, ("defined",)), (GONE, True, ("lost",)), (THERE, True, ("defined",)),
    ):  # fmt: skip
        wish = {"path": DISK, "format": "raw", "size": "9G", "recorded": recorded}
        vm = machine(disks=[wish], **KNOWN["recorded"])
        facts = replace(shown(image=D, definition=defined()), disks=(disk,))
        plan = plan_life([vm], {"web1": facts}, Request("apply", frozenset({"db1"})))
        assert tuple(deeds(plan)) == expected
        assert not plan.disks


def test_disks_go_and_come_back_with_their_vm() -> None:
    assert with_disk(THERE, recorded=True, verb="archive", state="archived").archive
    assert with_disk(KEPT, recorded=True, verb="restore").restore
    twice = replace(THERE, archived=True)
    assert "both" in with_disk(twice, recorded=True).refuse["web1"]
    plan = with_disk(GONE, recorded=True, verb="purge", state="archived")
    assert "so that purging removes it" in plan.refuse["web1"]


def test_a_kernel_that_is_not_there_is_not_named() -> None:
    """vmd(8) takes no vm.conf(5) that names one, so no other VM could be changed."""
    vm = machine(boot="/bsd.gdb", **KNOWN["recorded"])
    there = shown(image=D, definition=defined())
    plan = plan_life([vm], {"web1": there}, Request())
    assert (plan.kernel, plan.refuse) == (("web1",), {})
    for names in (None, frozenset({"db1"})):
        gone = {"web1": replace(there, lacking=("/bsd.gdb",))}
        plan = plan_life([vm], gone, Request("apply", names))
        assert (plan.kernel, plan.defined) == ((), ("web1",))
        assert bool(plan.refuse) == (names is None)
