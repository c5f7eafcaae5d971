# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What is done with a VM: every state and verb, by what a server may show and the fleet knows."""

from __future__ import annotations

import typing as t
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.vm_edit import with_field
from ansible_collections.puffy.vmm.plugins.plugin_utils._life.life import (
    NEW_STATE,
    VERBS,
    LifePlan,
    Request,
    plan_life,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._life.obstacles import refusal
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.facts import VmFacts
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.machine import State
from unit.machines import IMAGE, NOTE, RECORD, RUNS, defined, machine, shown

D, B = "data", "blank"
OTHER = ("/var/vmm/web1.img",)
SHOWS: dict[str, VmFacts] = {
    "nothing": shown(),
    "blank": shown(image=B),
    "blank, runs": shown(image=B, status=RUNS, definition=defined()),
    "data": shown(image=D, definition=defined()),
    "data, runs": shown(image=D, definition=defined(), status=RUNS),
    "data, unanswered": shown(image=D, definition=defined(), status=RUNS, installed=True),
    "no image, runs": shown(definition=defined(), status=RUNS),
    "archived": shown(archived=D),
    "archived and data": shown(image=D, archived=D, definition=defined()),
    "archived and blank": shown(image=B, archived=D),
    "note": shown(marker=NOTE),
    "note, data": shown(marker=NOTE, image=D, definition=defined()),
    "note, data, runs": shown(marker=NOTE, image=D, definition=defined(), status=RUNS),
    "installs": shown(marker=NOTE, installing=D, status=RUNS),
    "cut off": shown(marker=NOTE, installing=B),
    "reinstalls": shown(marker=NOTE, installing=D, status=RUNS, image=D),
    "other image": shown(others=("/var/vmm/web1.img",)),
    "two images": shown(image=D, others=("/var/vmm/web1.img",)),
    "two images, defined": shown(image=D, others=("/var/vmm/web1.img",), definition=defined()),
    "other disk": shown(image=D, definition=defined(image="/home/vm/web1.img"), status=RUNS),
    "other MAC": shown(image=D, definition=defined(mac="fe:e1:bb:d1:c8:99"), status=RUNS),
    "rival": shown(rivals=("db9",)),
}
KNOWN: dict[str, dict[str, t.Any]] = {
    "new": {},
    "recorded": {"installed": RECORD.as_data()},
    "seen": {"seen": True},
}
DEEDS = (
    "refuse", "hold", "forget", "stop", "restore", "claim", "install", "start", "archive", "purge",
    "rescue", "record", "defined", "lost",
)  # fmt: skip


def cells() -> dict[tuple[str, str, str, str], str]:
    """life.txt: what is done, by what the server shows, state, what the fleet knows, and verb."""
    table = {}
    for line in Path(__file__).with_name("life.txt").read_text().splitlines():
        if line.startswith("#"):
            continue
        shows, state, known, verbs, deeds = (part.strip() for part in line.split("|"))
        for name in KNOWN if known == "any" else known.split("/"):
            for verb in verbs.split():
                assert (shows, state, name, verb) not in table
                table[shows, state, name, verb] = deeds
    return table


CELLS = cells()
ALL = [
    (shows, str(state), known, verb)
    for shows in SHOWS for state in State for known in KNOWN for verb in VERBS
    if verb not in ("status", "installed")
    and not refusal(state, verb) and NEW_STATE.get(verb, state) == state
]  # fmt: skip


def planned(shows: str, state: str, known: str, verb: str, **request: t.Any) -> LifePlan:
    vm = machine(state=state, **KNOWN[known])
    asked = Request(verb, frozenset({"web1"}), **request)
    return plan_life([vm], {"web1": SHOWS[shows]}, asked)


def deeds(plan: LifePlan) -> set[str]:
    return {deed for deed in DEEDS if getattr(plan, deed)}


def test_the_table_is_whole() -> None:
    assert set(ALL) == set(CELLS)


@pytest.mark.parametrize("shows", SHOWS)
def test_the_table(shows: str) -> None:
    for cell in ALL:
        if cell[0] == shows:
            assert deeds(planned(*cell)) == set(CELLS[cell].split()), cell


def test_what_was_installed_is_never_installed_again_unless_it_is_asked_for_by_name() -> None:
    for shows, state, known, verb in ALL:
        plan, under_way = planned(shows, state, known, verb), SHOWS[shows].under_way
        if plan.install and known != "new":
            assert verb == "reinstall" or under_way, (shows, state, known, verb)
        # Nobody has a place in vm.conf(5) without a system, and before it has one.
        if plan.defined and not plan.refuse:
            assert "data" in (SHOWS[shows].image, SHOWS[shows].archived)
            assert not plan.install


def test_a_verb_is_done_or_refused() -> None:
    does = {"reinstall": "claim", "rescue": "rescue", "restart": "start", "purge": "purge"}
    for cell in ALL:
        if (verb := cell[3]) in does:
            assert {"refuse", does[verb]} & deeds(planned(*cell)), cell


def test_a_refused_vm_is_left_alone() -> None:
    for cell in ALL:
        plan = planned(*cell)
        if plan.refuse:
            assert deeds(plan) <= {"refuse", "hold", "defined"}, cell


@pytest.mark.parametrize("shows", SHOWS)
def test_whom_nobody_asks_about_keeps_its_place(shows: str) -> None:
    for request in (Request("reinstall", frozenset({"db1"})), Request("status")):
        plan = plan_life([machine()], {"web1": SHOWS[shows]}, request)
        assert deeds(plan) <= {"hold", "defined"}
        assert bool(plan.defined) == (SHOWS[shows].definition is not None and not plan.hold)


def test_a_definition_whose_image_is_gone_makes_way_for_those_of_others() -> None:
    """vmd(8) takes no vm.conf(5) that names it."""
    gone = {"web1": shown(definition=defined())}
    for names in (None, frozenset({"db1"})):
        plan = plan_life([machine(**KNOWN["recorded"])], gone, Request("apply", names))
        assert (plan.lost, plan.defined) == (("web1",), ())
        assert bool(plan.refuse) == (names is None)


@pytest.mark.parametrize("shows", ["nothing", "blank", "note"])
def test_without_leave_to_install_a_new_vm_waits_out_of_vm_conf(shows: str) -> None:
    plan = planned(shows, "present", "new", "apply", install=False)
    assert deeds(plan) <= {"forget"}
    assert planned(shows, "present", "new", "reinstall", install=False).install


def test_an_installation_that_goes_on_is_held_where_none_may_be_made() -> None:
    assert deeds(planned("installs", "present", "new", "apply", install=False)) == {"hold"}


def test_a_note_of_a_run_that_still_works_binds_before_anything_was_made() -> None:
    for verb, expected in (
        ("apply", {"hold", "install", "start"}),
        ("reinstall", {"refuse", "hold"}),
        ("restart", {"refuse", "hold"}),
    ):
        plan = planned("note, data", "present", "recorded", verb, alive=NOTE.by.__eq__)
        assert deeds(plan) == expected


def test_a_verb_means_the_state_that_it_brings_also_where_no_file_was_written() -> None:
    assert deeds(planned("nothing", "present", "new", "archive")) == set()
    assert deeds(planned("data, runs", "present", "recorded", "suspend")) == {"stop", "defined"}
    assert deeds(planned("data", "suspended", "recorded", "resume")) == {"start", "defined"}


def test_no_start_without_autostart_that_nobody_asked_for() -> None:
    vm = machine(autostart=False)
    started = {
        verb for verb in VERBS
        if plan_life([vm], {"web1": SHOWS["data"]}, Request(verb)).start
    }  # fmt: skip
    assert started == {"restart", "reinstall"}


def test_one_vm_that_is_refused_keeps_nobody_from_theirs() -> None:
    lost, fine = machine(**KNOWN["recorded"]), replace(machine(), name="db1")
    plan = plan_life([lost, fine], {"web1": SHOWS["nothing"], "db1": SHOWS["nothing"]}, Request())
    assert list(plan.refuse) == ["web1"]
    assert plan.install == ("db1",)
    assert plan.clashes == ()


REASONS: dict[tuple[str, str, str], tuple[str, ...]] = {
    ("nothing", "recorded", "apply"): (
        "was installed 2026-11-29T03:00:00Z (allocations/server1.yml), and its image "
        "/var/vmm/web1.qcow2 is not there: mount the volume", "verb=reinstall",
    ),
    ("nothing", "seen", "apply"): ("host keys", "/var/vmm/web1.qcow2 is not there"),
    ("blank", "recorded", "restart"): ("/var/vmm/web1.qcow2 has nothing in it",),
    ("nothing", "new", "rescue"): ("is not installed yet, so there is nothing to rescue",),
    ("blank, runs", "new", "apply"): ("runs from /var/vmm/web1.qcow2, which nothing was ever",),
    ("no image, runs", "recorded", "restart"): ("runs, and its image", "may be lost when the VM"),
    ("installs", "new", "reinstall"): (
        "is being installed by mira@desk, process 7; run again without a verb",
        "vmctl stop -f web1",
    ),
    ("other image", "new", "apply"): ("it has the image /var/vmm/web1.img", "set vmm_preset, "),
    ("two images", "new", "apply"): ("both /var/vmm/web1.qcow2 and /var/vmm/web1.img have data",),
    ("other disk", "recorded", "apply"): ("which runs with the disk /home/vm/web1.img", IMAGE),
    ("other MAC", "new", "apply"): ("with the MAC fe:e1:bb:d1:c8:99", "get fe:e1:bb:d1:c8:07"),
    ("rival", "new", "apply"): ("the MAC fe:e1:bb:d1:c8:07 is to be its own", "has it for db9"),
}  # fmt: skip


@pytest.mark.parametrize("case", REASONS, ids=str)
def test_a_refusal_says_what_was_found_and_what_helps(case: tuple[str, str, str]) -> None:
    shows, known, verb = case
    reason = planned(shows, "present", known, verb).refuse["web1"]
    assert all(text in reason for text in REASONS[case]), reason


def test_a_purge_that_would_leave_the_image_behind_is_refused() -> None:
    (reason,) = planned("nothing", "archived", "recorded", "purge").refuse.values()
    assert "mount the volume that has it, so that purging removes it" in reason


def test_a_missing_directory_is_named() -> None:
    vm = machine(**KNOWN["recorded"])
    plan = plan_life([vm], {"web1": shown(directory=False)}, Request())
    assert "is not there, nor is the directory /var/vmm" in plan.refuse["web1"]


@pytest.mark.parametrize("shows", ["other disk", "other MAC", "rival"])
def test_clashes_are_told_apart(shows: str) -> None:
    assert planned(shows, "present", "recorded", "apply").clashes == ("web1",)


def test_what_the_fleet_refuses_is_refused_here_except_for_stopping_it() -> None:
    vm = machine(refusal="vms/web1.yml: no", **KNOWN["recorded"])
    facts = {"web1": SHOWS["data, runs"]}
    assert plan_life([vm], facts, Request("restart")).refuse == {"web1": "vms/web1.yml: no"}
    assert deeds(plan_life([vm], facts, Request("suspend"))) == {"stop", "defined"}


AGAIN = ("reinstall", "rescue", "restart")


def test_refusals() -> None:
    refused = {
        (state, verb) for state in ("present", "suspended", "archived") for verb in VERBS
        if refusal(state, verb)
    }  # fmt: skip
    assert refused == {
        ("present", "purge"),
        *(("suspended", verb) for verb in ("installed", "purge", *AGAIN, "restore")),
        *(("archived", verb) for verb in ("installed", *AGAIN, "resume", "suspend")),
    }
    assert refusal("archived", "restart") == "is archived; restore it first"
    assert set(NEW_STATE) <= set(VERBS)


FILE = "# web1\nserver: server1\nnote: |\n  state: of the art\n"


@pytest.mark.parametrize(
    ("text", "new"),
    [
        (FILE, f"{FILE}state: suspended\n"),
        (f"{FILE}\n\n", f"{FILE}state: suspended\n"),
        (f"state: present  # for now\n{FILE}", f"state: suspended\n{FILE}"),
    ],
)
def test_with_state_changes_one_line(text: str, new: str) -> None:
    assert with_field(text, "state", "suspended") == new


@pytest.mark.parametrize("text", ["{server: server1, state: present}\n", '"state": present\n'])
def test_with_state_leaves_alone_what_it_cannot_change(text: str) -> None:
    with pytest.raises(ValueError, match="by hand"):
        with_field(text, "state", "suspended")
