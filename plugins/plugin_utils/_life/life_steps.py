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
from pathlib import PurePosixPath

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.installed import (
    IMAGE_SUFFIXES,
)
from ansible_collections.puffy.vmm.plugins.module_utils._grammar import images as image_names
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.images import ROLES_PATTERN
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import Step, change_of, run
from ansible_collections.puffy.vmm.plugins.plugin_utils._life.life import LifePlan
from ansible_collections.puffy.vmm.plugins.plugin_utils._life.steps import (
    conclude_start,
    end_record,
    rest,
    resting,
    stop,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines import images, marker
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
        yield from restore(machine, now)
    if name in plan.create:
        yield from create(machine, now)
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
        yield from purge(machine, now)


def _stopped_first(plan: LifePlan) -> set[str]:
    return {*plan.install, *plan.start, *plan.rescue}


def claim(machine: Machine, facts: VmFacts, by: str) -> t.Iterator[Step]:
    """Notes that the VM is being installed, before anything else of it changes.

    What is left of an installation that came to nothing goes: this one begins at the beginning.
    """
    title = f"{machine.name}: install"
    yield from _directory(title, machine, facts)
    left = [machine.installed] if facts.installed else []
    left += [machine.installing] if facts.installing != Image.ABSENT else []
    if left:
        yield run(title, [*_RM, *left])
    yield from end_record(machine)
    change = replace(change_of(machine.name, "begin to install", machine.name), consequence=True)
    yield from mark(machine, facts, marker.begun(by, {}), change)


def _directory(title: str, machine: Machine, facts: VmFacts) -> t.Iterator[Step]:
    if not facts.directory:
        attributes = {"mode": "0755", "owner": "root", "group": "wheel"}
        yield Step("directory", title, {"path": machine.directory, **attributes})


def create(machine: Machine, facts: VmFacts) -> t.Iterator[Step]:
    """Makes blank images of disks that were never there: the first, and further ones."""
    title, name = f"{machine.name}: create its disks", machine.name
    yield from _directory(title, machine, facts)
    wanted = []
    if facts.image == Image.ABSENT and facts.archived == Image.ABSENT:
        wanted.append((machine.image, machine.size, machine.image_format))
    wanted += [
        (disk.image, disk.size, disk.format)
        for disk, there in zip(machine.disks, facts.disks, strict=True)
        if there.gone
    ]
    for path, size, kind in wanted:
        change = change_of(name, "create image", path, f"({size}, {kind})")
        yield from images.create(title, path, size, kind, change)


def restore(machine: Machine, facts: VmFacts) -> t.Iterator[Step]:
    """Gives archived images their names again."""
    if facts.archived != Image.ABSENT and facts.image == Image.ABSENT:
        yield _rename(machine.name, "restore", machine.archived, machine.image)
    for disk, there in zip(machine.disks, facts.disks, strict=True):
        if there.archived and not there.there:
            yield _rename(machine.name, "restore", disk.archived, disk.image)


def _rename(name: str, verb: str, path: str, new: str) -> Step:
    change = change_of(name, "rename", path, f"to {new}")
    return Step("rename", f"{name}: {verb}", {"from": path, "path": new}, change=change)


def archive(machine: Machine, facts: VmFacts) -> t.Iterator[Step]:
    """Renames the images of a VM that is in no configuration any more.

    What is left of an installation that never came to its end goes.
    """
    title = f"{machine.name}: archive"
    yield from resting(machine.name)
    if facts.image != Image.ABSENT:
        yield _rename(machine.name, "archive", machine.image, machine.archived)
    for disk, there in zip(machine.disks, facts.disks, strict=True):
        if there.there:
            yield _rename(machine.name, "archive", disk.image, disk.archived)
    if facts.installing != Image.ABSENT:
        yield run(
            title,
            [*_RM, machine.installing],
            change=change_of(machine.name, "remove", machine.installing),
        )
    yield from unmark(machine, facts)
    yield from conclude_start(machine, facts)
    yield from end_record(machine)


def purge(machine: Machine, facts: VmFacts) -> t.Iterator[Step]:
    """Removes all images of an archived VM for good, also those that installations replaced."""
    stem = re.escape(machine.stem)
    endings = {*(f".{suffix}" for suffix in IMAGE_SUFFIXES.values())}
    if machine.stem != machine.name:
        endings = {PurePosixPath(machine.image).name.removeprefix(machine.stem)}
    ending = "|".join(re.escape(one) for one in sorted(endings))
    image = re.compile(rf"{re.escape(machine.directory)}/{stem}(\.({ROLES_PATTERN}))?({ending})")
    notes = (machine.load, machine.installed, machine.console)
    paths = [path for path in facts.files if image.fullmatch(path) or path in notes]
    for disk, there in zip(machine.disks, facts.disks, strict=True):
        paths += [disk.image] if there.there else []
        paths += [disk.archived] if there.archived else []
        stem = re.escape(image_names.stem(disk.image))
        kept = re.compile(rf"{stem}\.({ROLES_PATTERN})\.\w+")
        paths += [path for path in facts.files if kept.fullmatch(path) and path != disk.archived]
    paths += facts.detached
    if paths:
        yield from resting(machine.name)
        change = change_of(machine.name, "remove", ", ".join(paths))
        yield run(f"{machine.name}: purge", [*_RM, *paths], change=change)
