# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What a server knows of virtual machines: their images, and vmd(8)'s view of them."""

from __future__ import annotations

import base64
import re
import typing as t
from dataclasses import dataclass
from enum import StrEnum

from ansible_collections.puffy.vmm.plugins.module_utils._formats.vm_conf import (
    Unreadable,
    VmBlock,
    VmConf,
    parse_vm_conf,
)
from ansible_collections.puffy.vmm.plugins.module_utils._grammar import images
from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.answers import read, stat
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.programs import TOOLS, runfile
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.machine import Disk, Machine
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.marker import Marker

# What vmd(8) boots a VM with that is given no kernel: VM_DEFAULT_BIOS of usr.sbin/vmd/vmd.h.
BIOS: t.Final = "/etc/firmware/vmm-bios"
# An image that vmctl(8) just made has a few clusters at most; a system has hundreds of MiB.
BLANK_BYTES: t.Final = 1 << 20
BLOCK: t.Final = 512
_HEADER: t.Final = re.compile(r"\s*ID\s+PID\s")

# Names of VMs that run with an older definition than vm.conf's, a line each; see since_start().
PENDING_FILE: t.Final = "/var/db/puffy.vmm.pending"
_STARTED: t.Final = runfile("vmd")

VM_CONF: t.Final = "/etc/vm.conf"
DHCPD_CONF: t.Final = "/etc/dhcpd.conf"


class Image(StrEnum):
    """What an image's name stands for: nothing, an image that was never written to, or a system."""

    ABSENT = "absent"
    BLANK = "blank"
    DATA = "data"


@dataclass(frozen=True)
class DiskFacts:
    """A further disk: whether its image is there, or was put away with the VM.

    bytes is what it occupies on the server's own disk.
    """

    there: bool = False
    archived: bool = False
    bytes: int = 0

    @classmethod
    def of(cls, paths: t.Mapping[str, t.Any], disk: Disk) -> DiskFacts:
        """Read what a probe says of paths."""
        image, archived = paths.get(disk.image), paths.get(disk.archived)
        blocks = (image or archived or {"blocks": 0})["blocks"]
        return cls(image is not None, archived is not None, blocks * BLOCK)

    @property
    def gone(self) -> bool:
        return not self.there and not self.archived


@dataclass(frozen=True)
class VmStatus:
    """A line of vmctl(8) status; `pid` is None for a VM that does not run."""

    pid: int | None
    state: str
    tty: str = "-"


@dataclass(frozen=True)
class VmFacts:
    """What a server shows of a VM.

    marker is there while it is being installed, and after that was interrupted; installed says that
    this is done, and that the VM has not answered from its disk yet. others are images of it that
    were written to, under the names that other formats would give. definition is what vm.conf(5)
    says of it, rivals are other VMs there with one of its MACs. files are the paths in its images'
    directories whose names begin like theirs. disks are those after the first, in their order,
    detached the paths of those that it had; lacking are the paths of its CD and of its kernel that
    are missing.
    """

    image: Image | str
    installing: Image | str
    archived: Image | str
    marker: Marker | None
    installed: bool
    status: VmStatus | None
    image_bytes: int = 0
    written: int = 0
    directory: bool = True
    others: tuple[str, ...] = ()
    definition: VmBlock | None = None
    rivals: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    disks: tuple[DiskFacts, ...] = ()
    detached: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()

    @property
    def bytes(self) -> tuple[int, ...]:
        """What its images take on the server's disks, the first disk's first."""
        return (self.image_bytes, *(disk.bytes for disk in self.disks))

    @property
    def disk_bytes(self) -> int:
        return sum(self.bytes)

    @property
    def begun(self) -> bool:
        """Whether there is the note of an installation, which may never have begun."""
        return self.marker is not None

    @property
    def under_way(self) -> bool:
        """Whether an installation really began, and continues or was interrupted.

        A note alone says nothing if no image was made for it: the run that wrote it failed before
        that. What vmd(8) runs then is the VM's own system, if it has one.
        """
        runs_installer = self.running and self.image != Image.DATA
        return self.begun and (self.installing != Image.ABSENT or runs_installer)

    @property
    def running(self) -> bool:
        return self.status is not None and self.status.pid is not None


class Silent(OperatorError):
    """vmd(8) is up and did not say what it runs: no VM may be taken for a stopped one."""

    def __init__(self) -> None:
        super().__init__(
            "vmctl status did not answer in time, so nobody knows which VMs run; run again, and "
            "look into /var/log/daemon on the server if that does not help"
        )


class UnreadableConf(OperatorError):
    """vm.conf(5) cannot be understood: nobody knows which VMs it has."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"{VM_CONF} on the server cannot be understood: {reason}; correct it there (vmd -n "
            "shows what vmd(8) makes of it), or move the file away if nothing in it is needed"
        )


def refuse_silence(status: t.Mapping[str, t.Any], check: t.Mapping[str, t.Any]) -> None:
    """Raise Silent unless vmctl status answered, or rcctl check said that vmd is down."""
    if not has_answered(status["stdout"]) and check["rc"] != 1:
        raise Silent


def has_answered(text: str) -> bool:
    """Return whether vmctl status got its answer: there is a header even without VMs."""
    return bool(_HEADER.match(text))


def status_lines(text: str) -> dict[str, VmStatus]:
    """Return vmctl status by VM name; columns shift with long values, so they are counted."""
    statuses = {}
    for line in text.splitlines()[1:]:
        words = line.split()
        if len(words) >= 9:
            pid = int(words[1]) if words[1].isdigit() else None
            statuses[words[-1]] = VmStatus(pid, words[-2], words[-4])
    return statuses


def directories(machines: t.Sequence[Machine]) -> list[str]:
    """Return the directories of the images of these VMs."""
    further = {disk.directory for machine in machines for disk in machine.disks}
    return sorted(further.union(machine.directory for machine in machines))


def questions(machines: t.Sequence[Machine]) -> dict[str, t.Any]:
    """Return what is to be asked for these VMs, as parts of a probe."""
    paths: list[dict[str, t.Any]] = []
    for machine in machines:
        images = (machine.image, machine.installing, machine.archived, *machine.other_images)
        paths += map(stat, (*images, machine.installed))
        paths.append(read(machine.load))
        needed = [path for path in (machine.cdrom, machine.boot) if path]
        needed += [path for disk in machine.disks for path in (disk.image, disk.archived)]
        needed += machine.detached
        paths += map(stat, needed)
    places = directories(machines)
    paths += map(stat, (*places, BIOS, _STARTED))
    paths += map(read, (PENDING_FILE, VM_CONF, DHCPD_CONF))
    runs = [
        {"name": "status", "argv": [TOOLS["vmctl"], "status"], "timeout": 20},
        {"name": "check", "argv": [TOOLS["rcctl"], "check", "vmd"], "timeout": 60},
    ]
    return {"paths": paths, "list": [{"path": path} for path in places], "run": runs}


def parse(answer: t.Mapping[str, t.Any], machines: t.Iterable[Machine]) -> dict[str, VmFacts]:
    """Read the answer to questions(), by VM name. Raises Silent, UnreadableConf."""
    refuse_silence(answer["run"]["status"], answer["run"]["check"])
    status = status_lines(answer["run"]["status"]["stdout"])
    conf = vm_conf(answer)
    return {
        machine.name: _facts(answer, machine, status.get(machine.name), conf)
        for machine in machines
    }


def _facts(
    answer: t.Mapping[str, t.Any], machine: Machine, status: VmStatus | None, conf: VmConf
) -> VmFacts:
    paths = answer["paths"]

    def image(path: str) -> Image:
        return _image(paths.get(path), machine.image_format)

    main = paths.get(machine.image) or paths.get(machine.archived)
    new = paths.get(machine.installing)
    definitions = [block for block in conf.vms if block.name == machine.name]
    stems = [f"{machine.directory}/{machine.stem}."]
    stems += [f"{images.stem(disk.image)}." for disk in machine.disks]
    disks = tuple(DiskFacts.of(paths, disk) for disk in machine.disks)
    return VmFacts(
        image=image(machine.image),
        installing=image(machine.installing),
        archived=image(machine.archived),
        marker=_marker(machine.load, answer),
        installed=paths.get(machine.installed) is not None,
        status=status,
        image_bytes=main["blocks"] * BLOCK if main else 0,
        written=new["blocks"] * BLOCK if new else 0,
        directory=paths.get(machine.directory) is not None,
        others=tuple(path for path in machine.other_images if _written(paths.get(path))),
        definition=definitions[0] if definitions else None,
        rivals=tuple(
            block.name
            for block in conf.vms
            if block.name != machine.name and machine.macs & _macs(block)
        ),
        files=tuple(dict.fromkeys(path for stem in stems for path in _files(answer, stem))),
        disks=disks,
        detached=tuple(path for path in machine.detached if paths.get(path) is not None),
        lacking=tuple(
            path
            for path in (machine.cdrom, machine.boot)
            if path and (paths.get(path) or {"type": ""})["type"] not in ("file", "link")
        ),
    )


def _files(answer: t.Mapping[str, t.Any], stem: str) -> t.Iterator[str]:
    """Yield the paths whose names begin like that, hidden or not."""
    directory, _slash, start = stem.rpartition("/")
    for name in sorted(answer.get("list", {}).get(directory, ())):
        if name.removeprefix(".").startswith(start):
            yield f"{directory}/{name}"


def _macs(block: VmBlock) -> frozenset[str]:
    macs = (interface.lladdr for interface in block.interfaces)
    return frozenset(filter(None, macs))


def vm_conf(answer: t.Mapping[str, t.Any]) -> VmConf:
    """Return vm.conf(5), by the answer to questions(). Raises UnreadableConf."""
    try:
        return parse_vm_conf(text(answer, VM_CONF))
    except Unreadable as error:
        raise UnreadableConf(str(error)) from None


def text(answer: t.Mapping[str, t.Any], path: str) -> str:
    """Return the content of a file, "" if there is none."""
    return base64.b64decode(answer["read"].get(path, "")).decode("utf-8", "replace")


def pending(answer: t.Mapping[str, t.Any]) -> list[str]:
    """Return the names of VMs that run with an older definition than vm.conf's."""
    started, written = (
        (answer["paths"].get(path) or {}).get("mtime") for path in (_STARTED, PENDING_FILE)
    )
    return since_start(text(answer, PENDING_FILE), written, started)


def since_start(note: str, written: int | None, started: int | None) -> list[str]:
    """Return the lines of a note on what vmd(8) does not use yet, without its comments.

    Once vmd has started after it was written, it uses all that its file says, so there are none.
    Both times are in seconds since 1970, or None where there is no such file.
    """
    if started is not None and written is not None and started > written:
        return []
    return [line for line in note.splitlines() if not line.startswith("#")]


def _marker(path: str, answer: t.Mapping[str, t.Any]) -> Marker | None:
    content = answer["read"].get(path)
    return None if content is None else Marker.parse(base64.b64decode(content))


def _image(facts: t.Mapping[str, t.Any] | None, image_format: str) -> Image:
    if facts is None:
        return Image.ABSENT
    if facts.get("type", "file") != "file":
        # A link, perhaps to another volume: it is an operator's, and may lead anywhere.
        return Image.DATA
    used = facts["size"] if image_format == "qcow2" else facts["blocks"] * BLOCK
    return Image.BLANK if used <= BLANK_BYTES else Image.DATA


def _written(facts: t.Mapping[str, t.Any] | None) -> bool:
    """Return whether an image of any format was written to: a raw one has its size at once."""
    return facts is not None and facts["blocks"] * BLOCK > BLANK_BYTES
