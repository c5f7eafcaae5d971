# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The steps of a plan: in which order, and that none reaches another VM or an image with data."""

from __future__ import annotations

import typing as t
from dataclasses import replace

import pytest
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import Step
from ansible_collections.puffy.vmm.plugins.plugin_utils._life import life_steps
from ansible_collections.puffy.vmm.plugins.plugin_utils._life.life import Request, plan_life
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.facts import DiskFacts, VmFacts
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.machine import Machine
from unit.machines import IMAGE, NOTE, RECORD, RUNS, defined, machine, shown

VM = machine(installed=RECORD.as_data())
SYSTEM = shown(image="data", definition=defined())
OWN = [
    "web1.archived.qcow2", "web1.qcow2", "web1.img", "web1.installing.qcow2", ".web1.console",
    "web1.replaced-20261124T231000.qcow2", ".web1.install.conf", ".web1.installed",
]  # fmt: skip
FOREIGN = [
    "web10.qcow2", "web1-x.qcow2", "xweb1.qcow2", "web1.backup.qcow2", "web1", "web1.qcow2.gz",
    ".web10.install.conf", "db1.archived.qcow2", "web1.replaced-by-hand.qcow2",
]  # fmt: skip


def words(steps: t.Iterable[Step]) -> list[str]:
    """What the steps do, in short."""
    lines = []
    for step in steps:
        if step.do in ("commit", "wait"):
            continue
        argv = step.fields.get("argv", [])
        paths = [step.fields[part] for part in ("from", "path") if part in step.fields]
        lines.append(" ".join([step.do, *(word.rpartition("/")[2] for word in (*argv, *paths))]))
    return lines


def carried_out(verb: str, state: str, now: VmFacts) -> tuple[list[str], list[str]]:
    """What is done before and after the server is configured."""
    vm = machine(state=state, installed=RECORD.as_data())
    facts = {"web1": now}
    plan = plan_life([vm], facts, Request(verb, frozenset({"web1"})))
    assert not plan.refuse
    before = life_steps.before(plan, [vm], facts, "me@here, process 1")
    return words(before), words(life_steps.after(plan, [vm], facts))


RUNNING = replace(SYSTEM, status=RUNS)
STOP = ["run vmctl stop web1"]
CASES: dict[tuple[str, str], tuple[VmFacts, list[str], list[str]]] = {
    # Who may start it loses that right first, by the configuration in between.
    ("suspend", "suspended"): (RUNNING, [], [*STOP, "run vmctl reload"]),
    ("archive", "archived"): (
        RUNNING, [],
        [*STOP, "run vmctl reload", "rename web1.qcow2 web1.archived.qcow2",
         "run rm -f .web1.console"],
    ),
    ("restart", "present"): (RUNNING, STOP, []),
    ("rescue", "present"): (RUNNING, STOP, []),
    ("reinstall", "present"): (
        RUNNING, [*STOP, "run rm -f .web1.console", "stage .web1.install.conf"], [],
    ),
    ("restore", "present"): (
        shown(archived="data"), ["rename web1.archived.qcow2 web1.qcow2"], [],
    ),
    ("apply", "present"): (
        replace(SYSTEM, marker=NOTE), ["remove .web1.install.conf"], [],
    ),
    ("purge", "archived"): (
        shown(archived="data", files=("/var/vmm/web1.archived.qcow2", "/var/vmm/web10.qcow2")),
        [], ["run rm -f web1.archived.qcow2"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=" ".join)
def test_the_order(case: tuple[str, str]) -> None:
    now, before, after = CASES[case]
    assert carried_out(*case, now) == (before, after)


def test_a_new_installation_begins_at_the_beginning() -> None:
    """What an earlier one left, and the note that it was finished, are not taken for its own."""
    left = shown(installing="data", marker=NOTE, installed=True, directory=False)
    steps = list(life_steps.claim(VM, left, "me"))
    assert words(steps) == [
        "directory vmm", "run rm -f .web1.installed web1.installing.qcow2",
        "run rm -f .web1.console", "stage .web1.install.conf",
    ]  # fmt: skip
    assert steps[-1].fields["before"] == [NOTE.sha256]


def test_a_claim_is_for_the_note_that_was_seen() -> None:
    """A run that another one overtook touches nothing."""
    first = [step for step in life_steps.claim(VM, shown(), "me") if "before" in step.fields]
    assert first
    assert all(step.fields["before"] == [None] for step in first)


def test_purging_removes_what_is_the_vms_and_nothing_else() -> None:
    files = [f"/var/vmm/{name}" for name in (*OWN, *FOREIGN)]
    check, step = life_steps.purge(VM, shown(files=tuple(files)))
    assert check.do == "wait"
    assert step.fields["argv"] == ["/bin/rm", "-f", *(f"/var/vmm/{name}" for name in OWN)]
    foreign = tuple(f"/var/vmm/{name}" for name in FOREIGN)
    assert not list(life_steps.purge(VM, shown(files=foreign)))


def test_no_image_is_put_away_of_a_vm_that_was_started_meanwhile() -> None:
    for steps in (life_steps.archive(VM, SYSTEM), life_steps.purge(VM, shown(files=(IMAGE,)))):
        first = next(iter(steps))
        assert (first.do, first.title) == ("wait", "web1: runs; stop it first")


def guest(**changes: t.Any) -> Machine:
    """A VM with a further disk in another directory."""
    disk = {"path": "/d/web1.disk2.img", "format": "raw", "size": "9G", "recorded": False}
    return machine(disks=[disk], **changes)


def test_a_blank_disk_is_made_whole_or_not_at_all_and_nothing_is_overwritten() -> None:
    new = shown(directory=False, disks=(DiskFacts(),))
    assert words(life_steps.create(guest(), new)) == [
        "directory vmm",
        "run rm -f .new-web1.qcow2", "run vmctl create -s 50G .new-web1.qcow2",
        "rename .new-web1.qcow2 web1.qcow2",
        "run rm -f .new-web1.disk2.img", "run vmctl create -s 9G .new-web1.disk2.img",
        "rename .new-web1.disk2.img web1.disk2.img",
    ]  # fmt: skip
    there = replace(SYSTEM, disks=(DiskFacts(there=True),))
    assert not list(life_steps.create(guest(), there))


def test_further_disks_are_put_away_and_back_and_removed_with_their_vm() -> None:
    there = replace(SYSTEM, disks=(DiskFacts(there=True),))
    assert "rename web1.disk2.img web1.disk2.archived.img" in words(
        life_steps.archive(guest(), there)
    )
    away = shown(archived="data", disks=(DiskFacts(archived=True),))
    assert words(life_steps.restore(guest(), away)) == [
        "rename web1.archived.qcow2 web1.qcow2", "rename web1.disk2.archived.img web1.disk2.img",
    ]  # fmt: skip
    gone = replace(away, files=("/var/vmm/web1.archived.qcow2",), detached=("/d/old.img",))
    assert words(life_steps.purge(guest(), gone)) == [
        "run rm -f web1.archived.qcow2 web1.disk2.archived.img old.img"
    ]


def test_what_was_replaced_by_a_backup_goes_with_its_vm() -> None:
    """Of further disks as well, and nothing of a VM whose name begins like one of them."""
    own = (
        "/var/vmm/web1.replaced-20261129T120000.qcow2", "/var/vmm/web1.restoring.qcow2",
        "/d/web1.disk2.replaced-20261129T120000.img", "/d/web1.disk2.restoring.img",
    )  # fmt: skip
    others = ("/d/web1.disk2.x.img", "/d/web1.disk2.x.replaced-20261129T120000.img")
    facts = shown(files=(*own, *others), disks=(DiskFacts(),))
    _check, step = life_steps.purge(guest(), facts)
    assert step.fields["argv"] == ["/bin/rm", "-f", *own]


def test_purging_an_image_with_a_name_of_its_own() -> None:
    own = {"path": "/var/vmm/db.x", "format": "raw", "size": "1G"}
    names = ("db.x", "db.x.archived", "db.x.img", "db.x.qcow2", "db", "web1.qcow2", ".db.x.console")
    _check, step = life_steps.purge(
        machine(image=own), shown(files=tuple(f"/var/vmm/{name}" for name in names))
    )
    assert words([step]) == ["run rm -f db.x db.x.archived .db.x.console"]
