# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Steps that carry a LifePlan out, next to what configures the server.

before() goes ahead of the roles, after() behind them, each in the server's one request. No step
overwrites an image: a rename to a name that is taken fails, and what is removed was blank.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import replace

from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import Step, change_of, run
from ansible_collections.puffy.vmm.plugins.plugin_utils._life.life import LifePlan
from ansible_collections.puffy.vmm.plugins.plugin_utils._life.steps import (
    conclude_start,
    end_record,
    rest,
    resting,
    stop,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines import marker
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.facts import Image, VmFacts
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.machine import Machine
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.notes import mark, unmark

_RM: t.Final = ["/bin/rm", "-f"]

Facts = t.Mapping[str, VmFacts]


def before(
    plan: LifePlan, machines: t.Sequence[Machine], facts: Facts, by: str
) -> t.Iterator[Step]:
    """What comes before the server is configured. Each step is one VM's.

    VMs that are stopped to start or to be installed again are stopped here, so that vmd(8) takes
    their new definitions; those that are to rest lose their owners first, in after().
    """
    for machine in machines:
        for step in _before(plan, machine, facts[machine.name], by):
            yield replace(step, vms=frozenset({machine.name}))


def _before(plan: LifePlan, machine: Machine, now: VmFacts, by: str) -> t.Iterator[Step]:
    name = machine.name
    if name in plan.stop and name in _stopped_first(plan):
        yield from stop(name)
    if name in plan.restore:
        yield from restore(machine)
    if name in plan.clear:
        yield from unmark(
            machine,
            now,
            change_of(name, "forget", f"an installation of {name} that never began"),
        )
    if name in plan.claim:
        yield from claim(machine, now, by)


def after(plan: LifePlan, machines: t.Sequence[Machine], facts: Facts) -> t.Iterator[Step]:
    """What comes once no definition and no configuration names the VMs any more that are to go."""
    for machine in machines:
        for step in _after(plan, machine, facts[machine.name]):
            yield replace(step, vms=frozenset({machine.name}))


def _after(plan: LifePlan, machine: Machine, now: VmFacts) -> t.Iterator[Step]:
    name = machine.name
    if name in plan.stop and name not in _stopped_first(plan):
        yield from rest(name)
    if name in plan.archive:
        yield from archive(machine, now)
    if name in plan.purge:
        yield from purge(machine, now.files)


def _stopped_first(plan: LifePlan) -> set[str]:
    return {*plan.install, *plan.start, *plan.rescue}


def claim(machine: Machine, facts: VmFacts, by: str) -> t.Iterator[Step]:
    """Notes that the VM is being installed, before anything else of it changes.

    What is left of an installation that came to nothing goes: this one begins at the beginning.
    """
    title = f"{machine.name}: install"
    if not facts.directory:
        attributes = {"mode": "0755", "owner": "root", "group": "wheel"}
        yield Step("directory", title, {"path": machine.directory, **attributes})
    left = [machine.installed] if facts.installed else []
    left += [machine.installing] if facts.installing != Image.ABSENT else []
    if left:
        yield run(title, [*_RM, *left])
    yield from end_record(machine)
    change = replace(change_of(machine.name, "begin to install", machine.name), consequence=True)
    yield from mark(machine, facts, marker.begun(by, {}), change)


def restore(machine: Machine) -> t.Iterator[Step]:
    """Gives an archived image its name again."""
    change = change_of(machine.name, "rename", machine.archived, f"to {machine.image}")
    fields = {"from": machine.archived, "path": machine.image}
    yield Step("rename", f"{machine.name}: restore", fields, change=change)


def archive(machine: Machine, facts: VmFacts) -> t.Iterator[Step]:
    """Renames the image of a VM that is in no configuration any more.

    What is left of an installation that never came to its end goes.
    """
    title = f"{machine.name}: archive"
    yield from resting(machine.name)
    if facts.image != Image.ABSENT:
        change = change_of(machine.name, "rename", machine.image, f"to {machine.archived}")
        fields = {"from": machine.image, "path": machine.archived}
        yield Step("rename", title, fields, change=change)
    if facts.installing != Image.ABSENT:
        yield run(
            title,
            [*_RM, machine.installing],
            change=change_of(machine.name, "remove", machine.installing),
        )
    yield from unmark(machine, facts)
    yield from conclude_start(machine, facts)
    yield from end_record(machine)


def purge(machine: Machine, files: t.Iterable[str]) -> t.Iterator[Step]:
    """Removes all images of an archived VM for good, also those that installations replaced.

    `files` are the paths in the directory of images.
    """
    name = re.escape(machine.name)
    roles = r"archived|installing|replaced-[0-9T]+"
    image = re.compile(rf"{re.escape(machine.directory)}/{name}\.(({roles})\.)?(qcow2|img)")
    notes = (machine.load, machine.installed, machine.console)
    paths = [path for path in files if image.fullmatch(path) or path in notes]
    if paths:
        yield from resting(machine.name)
        change = change_of(machine.name, "remove", ", ".join(paths))
        yield run(f"{machine.name}: purge", [*_RM, *paths], change=change)
