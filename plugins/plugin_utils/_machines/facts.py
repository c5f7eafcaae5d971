# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What a server knows of virtual machines: their images, and vmd(8)'s view of them."""

from __future__ import annotations

import base64
import re
import typing as t
from dataclasses import dataclass
from pathlib import PurePosixPath

from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.programs import TOOLS
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.marker import Marker

# What vmd(8) boots a VM with that is given no kernel: VM_DEFAULT_BIOS of usr.sbin/vmd/vmd.h.
BIOS: t.Final = "/etc/firmware/vmm-bios"
# An image that vmctl(8) just made has a few clusters at most; a system has hundreds of MiB.
_BLANK_BYTES: t.Final = 1 << 20
_BLOCK: t.Final = 512
_HEADER: t.Final = re.compile(r"\s*ID\s+PID\s")


# Names of VMs that run with an older definition than vm.conf's, a line each.
PENDING_FILE: t.Final = "/var/db/puffy.vmm.pending"


@dataclass(frozen=True)
class Names:
    """Paths that belong to one VM: its image, the image in its other roles, their directory."""

    image: str
    installing: str
    archived: str
    load: str
    installed: str
    console: str
    directory: str

    @classmethod
    def of(cls, vm: t.Mapping[str, t.Any]) -> Names:
        """The names for a VM as the inventory describes it."""
        image = PurePosixPath(vm["image"]["path"])

        def other(word: str) -> str:
            return str(image.with_name(f"{image.stem}.{word}{image.suffix}"))

        load = str(image.with_name(f".{image.stem}.install.conf"))
        done, console = (
            str(image.with_name(f".{image.stem}.{word}")) for word in ("installed", "console")
        )
        images = (str(image), other("installing"), other("archived"))
        return cls(*images, load, done, console, str(image.parent))


@dataclass(frozen=True)
class VmStatus:
    """A line of vmctl(8) status; `pid` is None for a VM that does not run."""

    pid: int | None
    state: str
    memory: str
    owner: str
    tty: str = "-"


@dataclass(frozen=True)
class VmFacts:
    """Images are "absent", "blank" (nothing was ever written to it) or "data".

    `marker` is there while it is being installed, and after that was cut off; `installed` says that
    this is done, and that the VM has not answered from its disk yet.
    """

    image: str
    installing: str
    archived: str
    marker: Marker | None
    installed: bool
    status: VmStatus | None
    disk_bytes: int = 0
    written: int = 0
    directory: bool = True

    @property
    def begun(self) -> bool:
        """Whether it is being installed, or an installation was cut off."""
        return self.marker is not None

    @property
    def running(self) -> bool:
        return self.status is not None and self.status.pid is not None


class Silent(OperatorError):
    """vmd(8) lives and did not tell what it runs: no VM may be taken for one that rests."""

    def __init__(self) -> None:
        super().__init__(
            "vmctl status told nothing within its time, so nobody knows which VMs run; run again, "
            "and look into /var/log/daemon on the server if that does not help"
        )


def refuse_silence(status: t.Mapping[str, t.Any], check: t.Mapping[str, t.Any]) -> None:
    """Raises Silent unless vmctl status told something, or rcctl check said that vmd is down."""
    if not has_told(status["stdout"]) and check["rc"] != 1:
        raise Silent


def has_told(text: str) -> bool:
    """Whether vmctl status got its answer: the header is there without a VM as well."""
    return bool(_HEADER.match(text))


def status_lines(text: str) -> dict[str, VmStatus]:
    """vmctl status by the VM's name; columns shift with long values, so they are counted."""
    found = {}
    for line in text.splitlines()[1:]:
        words = line.split()
        if len(words) >= 9:
            pid = int(words[1]) if words[1].isdigit() else None
            found[words[-1]] = VmStatus(pid, words[-2], words[3], words[-3], words[-4])
    return found


def questions(vms: t.Sequence[t.Mapping[str, t.Any]]) -> dict[str, t.Any]:
    """The probe request for these VMs."""
    paths = []
    for vm in vms:
        names = Names.of(vm)
        for path in (names.image, names.installing, names.archived, names.installed):
            paths.append({"path": path, "hash": 0})
        paths.append({"path": names.load, "read": 1})
        paths.append({"path": names.directory, "hash": 0})
    paths.append({"path": BIOS, "hash": 0})
    paths.append({"path": PENDING_FILE, "read": 1})
    runs = [
        {"name": "status", "argv": [TOOLS["vmctl"], "status"], "timeout": 20},
        {"name": "check", "argv": [TOOLS["rcctl"], "check", "vmd"], "timeout": 60},
    ]
    return {"paths": paths, "run": runs}


def parse(
    answer: t.Mapping[str, t.Any], vms: t.Sequence[t.Mapping[str, t.Any]]
) -> dict[str, VmFacts]:
    """The answer to questions() by the VM's name. Raises Silent."""
    paths = answer["paths"]
    refuse_silence(answer["run"]["status"], answer["run"]["check"])
    status = status_lines(answer["run"]["status"]["stdout"])
    found = {}
    for vm in vms:
        names = Names.of(vm)
        image = vm["image"]["format"]
        main = paths.get(names.image) or paths.get(names.archived)
        new = paths.get(names.installing)
        found[vm["name"]] = VmFacts(
            image=_image(paths.get(names.image), image),
            installing=_image(paths.get(names.installing), image),
            archived=_image(paths.get(names.archived), image),
            marker=_marker(names.load, answer),
            installed=paths.get(names.installed) is not None,
            status=status.get(vm["name"]),
            disk_bytes=main["blocks"] * _BLOCK if main else 0,
            written=new["blocks"] * _BLOCK if new else 0,
            directory=paths.get(names.directory) is not None,
        )
    return found


def pending(answer: t.Mapping[str, t.Any]) -> list[str]:
    """Names of VMs that run with an older definition than vm.conf's."""
    content = base64.b64decode(answer["read"].get(PENDING_FILE, ""))
    return content.decode("ascii", "replace").split()


def _marker(path: str, answer: t.Mapping[str, t.Any]) -> Marker | None:
    content = answer["read"].get(path)
    return None if content is None else Marker.parse(base64.b64decode(content))


def _image(facts: t.Mapping[str, t.Any] | None, image_format: str) -> str:
    if facts is None:
        return "absent"
    used = facts["size"] if image_format == "qcow2" else facts["blocks"] * _BLOCK
    return "blank" if used <= _BLANK_BYTES else "data"
