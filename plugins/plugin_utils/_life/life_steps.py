# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Steps that carry out a LifePlan, together with those that configure the server.

before() comes before the roles, after() after them, both in the server's one request. No step
overwrites an image: renaming to an existing name fails, and what is removed was blank.
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
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import Step, change_of
from ansible_collections.puffy.vmm.plugins.plugin_utils._life.life import LifePlan
from ansible_collections.puffy.vmm.plugins.plugin_utils._life.steps import (
    conclude_start,
    end_record,
    owned,
    still_stopped,
    stop,
    stop_for_good,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines import images, marker
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.facts import Image, VmFacts
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.machine import Machine
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.notes import mark, remove, unmark

Facts = t.Mapping[str, VmFacts]


def before(
    plan: LifePlan, machines: t.Sequence[Machine], facts: Facts, by: str
) -> t.Iterator[Step]:
    """Yield the steps before the server is configured. Each step is one VM's.

    VMs that are stopped in order to be started or installed again are stopped here, so that vmd(8)
    takes their new definitions; those that are to stay stopped lose their owners first, in after().
    """
    for machine in machines:
        yield from owned(machine.name, _before(plan, machine, facts[machine.name], by))


def _before(plan: LifePlan, machine: Machine, now: VmFacts, by: str) -> t.Iterator[Step]:
    name = machine.name
    if name in plan.stop and name in _stopped_first(plan):
        yield from stop(name)
    if name in plan.restore:
        yield from restore(machine, now)
    if name in plan.create:
        yield from create(machine, now)
    if name in plan.forget:
        change = change_of(name, "forget", f"an installation of {name} that never began")
        yield from unmark(machine, now, change)
    if name in plan.claim:
        yield from claim(machine, now, by)


def after(plan: LifePlan, machines: t.Sequence[Machine], facts: Facts) -> t.Iterator[Step]:
    """Yield the steps once no definition and no configuration names the departing VMs."""
    for machine in machines:
        yield from owned(machine.name, _after(plan, machine, facts[machine.name]))


def _after(plan: LifePlan, machine: Machine, now: VmFacts) -> t.Iterator[Step]:
    name = machine.name
    if name in plan.stop and name not in _stopped_first(plan):
        yield from stop_for_good(name)
    if name in plan.archive:
        yield from archive(machine, now)
    if name in plan.purge:
        yield from purge(machine, now)


def _stopped_first(plan: LifePlan) -> set[str]:
    return {*plan.install, *plan.start, *plan.rescue}


def claim(machine: Machine, facts: VmFacts, by: str) -> t.Iterator[Step]:
    """Note that the VM is being installed, before anything else of it changes.

    What a failed installation left is removed: this one starts from the beginning.
    """
    title = f"{machine.name}: install"
    yield from _directory(title, machine, facts)
    left = [machine.installed] if facts.installed else []
    left += [machine.installing] if facts.installing != Image.ABSENT else []
    if left:
        yield remove(title, *left)
    yield from end_record(machine)
    change = replace(change_of(machine.name, "begin to install", machine.name), consequence=True)
    yield from mark(machine, facts, marker.begun(by, {}), change)


def _directory(title: str, machine: Machine, facts: VmFacts) -> t.Iterator[Step]:
    if not facts.directory:
        attributes = {"mode": "0755", "owner": "root", "group": "wheel"}
        yield Step("directory", title, {"path": machine.directory, **attributes})


def create(machine: Machine, facts: VmFacts) -> t.Iterator[Step]:
    """Make blank images for disks that never had one, the first as well as further ones."""
    title, name = f"{machine.name}: create its disks", machine.name
    yield from _directory(title, machine, facts)
    blank = []
    if facts.image == Image.ABSENT and facts.archived == Image.ABSENT:
        blank.append((machine.image, machine.size, machine.image_format))
    blank += [
        (disk.image, disk.size, disk.format)
        for disk, there in zip(machine.disks, facts.disks, strict=True)
        if there.gone
    ]
    for path, size, kind in blank:
        change = change_of(name, "create image", path, f"({size}, {kind})")
        yield from images.create(title, path, size, kind, change)


def restore(machine: Machine, facts: VmFacts) -> t.Iterator[Step]:
    """Give archived images their names again."""
    if facts.archived != Image.ABSENT and facts.image == Image.ABSENT:
        yield _rename(machine.name, "restore", machine.archived, machine.image)
    for disk, there in zip(machine.disks, facts.disks, strict=True):
        if there.archived and not there.there:
            yield _rename(machine.name, "restore", disk.archived, disk.image)


def _rename(name: str, verb: str, path: str, new: str) -> Step:
    change = change_of(name, "rename", path, f"to {new}")
    return Step("rename", f"{name}: {verb}", {"from": path, "path": new}, change=change)


def archive(machine: Machine, facts: VmFacts) -> t.Iterator[Step]:
    """Rename the images of a VM that is in no configuration any more.

    What an unfinished installation left is removed.
    """
    title = f"{machine.name}: archive"
    yield from still_stopped(machine.name)
    if facts.image != Image.ABSENT:
        yield _rename(machine.name, "archive", machine.image, machine.archived)
    for disk, there in zip(machine.disks, facts.disks, strict=True):
        if there.there:
            yield _rename(machine.name, "archive", disk.image, disk.archived)
    if facts.installing != Image.ABSENT:
        change = change_of(machine.name, "remove", machine.installing)
        yield remove(title, machine.installing, change=change)
    yield from unmark(machine, facts)
    yield from conclude_start(machine, facts)
    yield from end_record(machine)


def purge(machine: Machine, facts: VmFacts) -> t.Iterator[Step]:
    """Remove all images of an archived VM for good, including those that installations replaced."""
    stem = re.escape(machine.stem)
    endings = {f".{suffix}" for suffix in IMAGE_SUFFIXES.values()}
    if machine.stem != machine.name:
        endings = {PurePosixPath(machine.image).name.removeprefix(machine.stem)}
    ending = "|".join(re.escape(end) for end in sorted(endings))
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
        yield from still_stopped(machine.name)
        change = change_of(machine.name, "remove", ", ".join(paths))
        yield remove(f"{machine.name}: purge", *paths, change=change)
