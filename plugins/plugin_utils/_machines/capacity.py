# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Whether a server has what new VMs need: memory, disk, and the sets to install them from."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from pathlib import PurePosixPath

from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.answers import stat
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines import facts as vm_facts
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines import measures
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.facts import VmFacts
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.machine import Machine

# What the kernel and the daemons of a server need for themselves.
RESERVE: t.Final = 256 << 20
# An installation with the sets of the base system writes about as much.
_SYSTEM: t.Final = 1 << 30

# Where guests cause lines to be written: syslogd(8)'s files, and httpd(8)'s.
_LOGS: t.Final = ("/var/log", "/var/www/logs")

_NEEDS: t.Final[t.Mapping[str, str]] = {
    "bsd.rd": "the installer's kernel; copy it there from the release's sets",
    "bsd": "the sets of the release, which VMs are installed from; bring them there",
}


@dataclass(frozen=True)
class Verdict:
    """Why nothing can be done, and what is merely worth knowing."""

    obstacles: tuple[str, ...]
    warnings: tuple[str, ...]


def questions(vms: t.Sequence[Machine], needs: t.Iterable[str]) -> dict[str, t.Any]:
    """Return the probe request; `vms` are all of the server, `needs` paths that must be there."""
    request = vm_facts.questions(vms)
    request["paths"] += map(stat, needs)
    request["run"] += measures.questions([*vm_facts.directories(vms), *_LOGS])
    return request


def judge(
    answer: t.Mapping[str, t.Any],
    vms: t.Sequence[Machine],
    new: t.Collection[str],
    needs: t.Iterable[str],
    *,
    limited: bool,
) -> Verdict:
    """Judge the answer to questions(); `new` are the names of those that are to be installed.

    `limited` says that the fleet has a limit of its own for the server's memory.
    """
    facts = vm_facts.parse(answer, vms)
    obstacles = [
        f"{path} is missing: {_NEEDS.get(PurePosixPath(path).name, 'it is needed')}"
        for path in needs
        if not answer["paths"].get(path)
    ]
    warnings: list[str] = []
    memory = measures.number(answer, "memory")
    if not limited and memory is not None:
        obstacles.extend(_memory(vms, memory))
    systems = {
        directory: measures.file_system(answer, directory)
        for directory in (*vm_facts.directories(vms), *_LOGS)
    }
    images = [*_disks(vms, new, facts)]
    for directory in vm_facts.directories(vms):
        here = [image for image in images if image.directory == directory]
        if (system := systems[directory]) is None:
            continue
        _disk(here, directory, system.free, obstacles, warnings)
        logs = [log for log in _LOGS if (other := systems[log]) and other.mount == system.mount]
        if logs:
            warnings.append(
                f"{directory} is on the same file system as {' and '.join(logs)} "
                f"({system.mount}): images that grow can leave no room for logs, and logs none "
                "for images; give the images a file system of their own"
            )
    return Verdict(tuple(obstacles), tuple(warnings))


def at_once(
    answer: t.Mapping[str, t.Any], vms: t.Sequence[Machine], new: t.Sequence[Machine]
) -> int:
    """Return how many of the new VMs the server can install at the same time, at least 1.

    A VM has one processor, and its installer gives up when it waits too long for its server. `new`
    are those of `vms` that are to be installed, in their order.
    """
    count = measures.number(answer, "processors") or 1
    count -= int(measures.load(answer) or 0)
    memory = measures.number(answer, "memory")
    if memory is None:
        return max(count, 1)
    facts = vm_facts.parse(answer, vms)
    free = memory - RESERVE
    free -= sum(vm.memory for vm in vms if facts[vm.name].running)
    fitting = 0
    for vm in new:
        free -= vm.memory
        fitting += free >= 0
    return max(min(count, fitting), 1)


def _memory(vms: t.Iterable[Machine], physical: int) -> t.Iterator[str]:
    """Yield by how much memory is short: vmm(4) wires what guests touch, and nothing is swapped."""
    present = [vm for vm in vms if vm.state == "present"]
    total = sum(vm.memory for vm in present)
    usable = max(physical - RESERVE, 0)
    if total > usable:
        yield (
            f"{len(present)} VMs have {mib(total)} of memory, {mib(total - usable)} more than "
            f"the server has for them ({mib(physical)} less {mib(RESERVE)} for itself); move "
            "VMs to another server, or set vmm_memory_limit to what they may have in all"
        )


class _Image(t.NamedTuple):
    """An image of a VM, in bytes: what it may come to need, and has by now; new is a new system."""

    vm: str
    directory: str
    size: int
    used: int
    new: bool = False


def _disks(
    vms: t.Iterable[Machine], new: t.Collection[str], facts: t.Mapping[str, VmFacts]
) -> t.Iterator[_Image]:
    for machine in vms:
        name, now = machine.name, facts[machine.name]
        again = name in new
        used = 0 if again else now.image_bytes
        yield _Image(name, machine.directory, machine.disk, used, again)
        for disk, there in zip(machine.disks, now.disks, strict=True):
            yield _Image(name, disk.directory, disk.bytes, there.bytes)


def _disk(
    images: t.Sequence[_Image],
    directory: str,
    free: int,
    obstacles: list[str],
    warnings: list[str],
) -> None:
    fresh = [image for image in images if image.new]
    needed = sum(min(image.size, _SYSTEM) for image in fresh)
    if needed > free:
        obstacles.append(
            f"{directory} has {mib(free)} free, and {len(fresh)} new VMs need {mib(needed)} "
            "for their systems alone; make room"
        )
        return
    growth = sum(max(image.size - image.used, 0) for image in images)
    vms = len({image.vm for image in images})
    if growth > free:
        warnings.append(
            f"{directory} has {mib(free)} free, and the disks of {vms} VMs "
            f"may grow by {mib(growth)}: watch it, or set vmm_disk_limit"
        )


def mib(size: int) -> str:
    """Return a number of bytes as VM files have it: 2310M."""
    return f"{size >> 20}M"
