# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What of a VM is copied and how, what prevents that, and how a backup replaces its images."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.installed import (
    IMAGE_SUFFIXES,
)
from ansible_collections.puffy.vmm.plugins.module_utils._grammar import images
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import Step, change_of
from ansible_collections.puffy.vmm.plugins.plugin_utils._backups.records import (
    CRASH_CONSISTENT,
    PAUSED,
    STOPPED,
    Backup,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._life.obstacles import lost_disks
from ansible_collections.puffy.vmm.plugins.plugin_utils._life.steps import owned, still_stopped
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.facts import Image, VmFacts
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.machine import Machine, State


@dataclass(frozen=True)
class Source:
    """An image of a VM, where it is now."""

    path: str
    format: str

    def wire(self, number: int) -> dict[str, t.Any]:
        name = f"disk{number}.{IMAGE_SUFFIXES[self.format]}"
        return {"path": self.path, "format": self.format, "name": name}


def sources(machine: Machine, now: VmFacts) -> list[Source]:
    """Return all images of a VM, the first disk's first."""
    put_away = now.image == Image.ABSENT and now.archived != Image.ABSENT
    first = machine.archived if put_away else machine.image
    images = [Source(first, machine.image_format)]
    for disk, facts in zip(machine.disks, now.disks, strict=True):
        if not facts.gone:
            path = disk.image if facts.there else disk.archived
            images.append(Source(path, disk.format))
    return images


def nothing_to_copy(machine: Machine, now: VmFacts) -> bool:
    """Return whether there is no system yet, and never was."""
    system = Image.DATA in (now.image, now.archived)
    return not system and not machine.was_installed and not now.running


def obstacle(machine: Machine, now: VmFacts, mode: str) -> str | None:
    """Return why a VM is not copied, and what to do; None if it is."""
    if machine.moving:
        return "is being moved; run again when that has finished"
    if now.under_way:
        return "is being installed; run again when that has finished"
    if Image.DATA not in (now.image, now.archived):
        return f"its image {machine.image} is not there, or nothing was ever written to it"
    if lost := lost_disks(machine, now):
        return f"its disk {lost[0]} is not there: mount the volume that has it, and run again"
    qcow2 = [source.path for source in sources(machine, now) if source.format == "qcow2"]
    if mode == CRASH_CONSISTENT and now.running and qcow2:
        return (
            f"{qcow2[0]} is a qcow2 image, whose tables and data would be from different moments "
            f"while the VM runs; use backup_mode={PAUSED} or {STOPPED}"
        )
    return None


def warning(machine: Machine, now: VmFacts, mode: str) -> str | None:
    """Return what may be lost although nothing goes wrong; None if it is nothing."""
    if mode != STOPPED or not now.running or machine.autoinstalled:
        return None
    return (
        f"vmd(8) cuts off a guest without vmmci(4) at once instead of shutting it down, and others "
        f"than OpenBSD have none; backup_mode={PAUSED} is better for such a guest"
    )


def intent(machine: Machine, now: VmFacts, mode: str, place: str, pause_limit: int) -> str:
    """Return what a run would do, in words."""
    size = f"{now.disk_bytes >> 20} MiB"
    if not now.running:
        return f"copy {machine.name}, which does not run ({size}), to {place}"
    if mode == CRASH_CONSISTENT:
        return f"copy {machine.name} while it runs ({size}, crash-consistent), to {place}"
    if mode == STOPPED:
        return f"stop {machine.name}, copy {size}, start it again, and bring the copy to {place}"
    return (
        f"pause {machine.name} while {size} are copied, {pause_limit} s at most, and bring the "
        f"copy to {place}"
    )


def about(machine: Machine) -> dict[str, t.Any]:
    """Return what a record says of the VM as it was."""
    return {
        "server": machine.server,
        "owner": machine.owner,
        "number": machine.number,
        "mac": machine.mac,
        "ipv4": machine.ipv4,
        "ipv6": machine.ipv6,
        "installed": machine.record.since if machine.record else None,
    }


@dataclass(frozen=True)
class Target:
    """An image that a backup's disk is for."""

    image: str
    format: str
    there: bool

    @property
    def restoring(self) -> str:
        """Its path until all of the backup is unpacked and known to be sound."""
        return images.in_role(self.image, "restoring")

    def replaced(self, stamp: str) -> str:
        return images.in_role(self.image, f"replaced-{stamp}")


def targets(machine: Machine, now: VmFacts) -> list[Target]:
    first = Target(machine.image, machine.image_format, now.image != Image.ABSENT)
    pairs = zip(machine.disks, now.disks, strict=True)
    further = (Target(disk.image, disk.format, facts.there) for disk, facts in pairs)
    return [first, *further]


def restore_obstacle(backup: Backup, machine: Machine, now: VmFacts, overwrite: str) -> str | None:
    """Return why a backup cannot replace a VM's images, and what to do; None if it can."""
    name = machine.name
    if backup.owner != machine.owner:
        return (
            f"the backup {backup.id} is of a VM of {backup.owner}, and {name} is "
            f"{machine.owner}'s: nobody gets somebody else's data"
        )
    if machine.moving:
        return "is being moved; finish that first"
    if machine.state == State.ARCHIVED:
        return "is archived; restore it first"
    if now.begun:
        return "is being installed, or that was interrupted; finish that first"
    if now.running:
        return (
            "runs; suspend it first (verb=suspend), so that its owner cannot start it meanwhile, "
            "and resume it afterwards"
        )
    there = targets(machine, now)
    if len(there) != len(backup.disks):
        return f"has {len(there)} disk(s), and the backup has {len(backup.disks)}; see its VM file"
    for target, disk in zip(there, backup.disks, strict=True):
        if target.format != disk.format:
            return (
                f"{target.image} is to be {target.format}, and the backup is {disk.format}; see "
                f"disk_format in its VM file"
            )
    if overwrite != name and any(target.there for target in there):
        return f"has images, and they are put aside for a backup only on request: overwrite={name}"
    return None


def put_into_place(machine: Machine, now: VmFacts, stamp: str) -> t.Iterator[Step]:
    """Give what was unpacked its names, and others to what it replaces: all of it or nothing.

    If somebody starts the VM meanwhile, that is seen at the end, and everything is put back.
    """
    name, title = machine.name, f"{machine.name}: restore"
    yield from owned(name, still_stopped(name))
    for target in targets(machine, now):
        if target.there:
            old = target.replaced(stamp)
            keep = change_of(name, "keep", old)
            yield Step("rename", title, {"from": target.image, "path": old}, change=keep)
        put = change_of(name, "put", target.image, "into place")
        fields = {"from": target.restoring, "path": target.image}
        yield Step("rename", title, fields, change=put)
    yield from owned(name, still_stopped(name))
