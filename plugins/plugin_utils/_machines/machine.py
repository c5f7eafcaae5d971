# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""A VM as playbooks handle it: typed, and made once from what the inventory has."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import PurePosixPath

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.fields import (
    AUTOINSTALL,
    ISO,
    NONE,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.installed import (
    IMAGE_SUFFIXES,
    Installed,
    read_installed,
)
from ansible_collections.puffy.vmm.plugins.module_utils._grammar import images
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.sizes import DISK, MEMORY
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Refused


class State(StrEnum):
    """What a VM file wants of its VM."""

    PRESENT = "present"
    SUSPENDED = "suspended"
    ARCHIVED = "archived"


@dataclass(frozen=True)
class Interface:
    """A network interface: the switch of vm.conf(5) that it is on, its MAC, its interface group."""

    switch: str
    mac: str
    group: str

    @classmethod
    def of(cls, interface: t.Mapping[str, t.Any]) -> Interface:
        return cls(interface["switch"], interface["mac"], interface["group"])


class Install(StrEnum):
    """What makes the system of a VM."""

    AUTOINSTALL = AUTOINSTALL
    NONE = NONE
    ISO = ISO


@dataclass(frozen=True)
class Disk:
    """A further disk. size is as it is written, bytes what that amounts to.

    recorded says that the ledger has it: it was there once.
    """

    image: str
    format: str
    size: str
    recorded: bool

    @classmethod
    def of(cls, disk: t.Mapping[str, t.Any]) -> Disk:
        return cls(disk["path"], disk["format"], disk["size"], disk["recorded"])

    @property
    def bytes(self) -> int:
        return DISK.parse(self.size).bytes

    @property
    def directory(self) -> str:
        return str(PurePosixPath(self.image).parent)

    @property
    def archived(self) -> str:
        """Its image while the VM is archived."""
        return images.in_role(self.image, "archived")


@dataclass(frozen=True)
class Moving:
    """A move that is under way: the servers, and whether the VM ran before."""

    source: str
    to: str
    ran: bool


@dataclass(frozen=True)
class Machine:
    """A VM. memory and disk are in bytes, size is the disk's as it is written.

    image is the path of its disk's image. record is the ledger's, of its installation; image and
    image_format come from it if there is one; seen says that the fleet has host keys or a hand-over
    sheet of it. refusal says why nothing may be done with it, moving that it is being moved to
    another server. variables are the inventory's own, for templates. disks are those after the
    first, detached the images of those that it had; made says that its image was there once,
    installed or not. cdrom and boot are paths, of a CD's image and a kernel.
    """

    name: str
    server: str
    number: int
    mac: str
    ipv4: str
    ipv6: str | None
    owner: str
    state: State
    autostart: bool
    memory: int
    disk: int
    size: str
    image: str
    image_format: str
    interfaces: tuple[Interface, ...] = ()
    disks: tuple[Disk, ...] = ()
    made: bool = False
    detached: tuple[str, ...] = ()
    install_by: Install = Install.AUTOINSTALL
    cdrom: str | None = None
    boot: str | None = None
    record: Installed | None = None
    seen: bool = False
    refusal: str | None = None
    moving: Moving | None = None
    variables: t.Mapping[str, t.Any] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(cls, vm: t.Mapping[str, t.Any]) -> Machine:
        """Return the VM that the inventory describes in vmm_vms or vmm_archived.

        Raises KeyError where something is missing, and Refused for what does not fit its grammar.
        """
        image, record = vm["image"], vm["installed"]
        return cls(
            name=vm["name"],
            server=vm["server"],
            number=vm["number"],
            mac=vm["mac"],
            ipv4=vm["ipv4"],
            ipv6=vm["ipv6"],
            owner=vm["owner"],
            state=State(vm["state"]),
            autostart=vm["autostart"],
            memory=MEMORY.parse(vm["memory"]).bytes,
            disk=DISK.parse(image["size"]).bytes,
            size=image["size"],
            image=image["path"],
            image_format=image["format"],
            interfaces=tuple(map(Interface.of, vm["interfaces"])),
            disks=tuple(Disk.of(disk) for disk in vm["disks"]),
            made=vm["made"],
            detached=tuple(vm["detached"]),
            install_by=Install(vm["install_by"]),
            cdrom=vm["cdrom"],
            boot=vm["boot"],
            record=read_installed(record) if record else None,
            seen=vm["seen"],
            refusal=vm["refusal"],
            moving=Moving(**vm["moving"]) if vm["moving"] else None,
            variables=vm,
        )

    @classmethod
    def all_of(cls, vms: t.Iterable[t.Mapping[str, t.Any]]) -> list[Machine]:
        """Return the VMs that a task is given.

        Raises Refused if one is not as the inventory has it.
        """
        try:
            return [cls.of(vm) for vm in vms]
        except KeyError as missing:
            raise Refused(
                f"vms: one has no {missing}; give VMs as the inventory has them in vmm_vms"
            ) from missing

    @property
    def was_installed(self) -> bool:
        """Whether the fleet knows that it was installed once."""
        return self.record is not None or self.seen

    @property
    def autoinstalled(self) -> bool:
        """Whether autoinstall(8) installs it, and OpenBSD is what runs in it."""
        return self.install_by == Install.AUTOINSTALL

    @property
    def from_cdrom(self) -> bool:
        """Whether somebody is to install it from its CD and has not said yet that this is done."""
        return self.install_by == Install.ISO and self.record is None

    @property
    def macs(self) -> frozenset[str]:
        """The MACs of all its interfaces."""
        return frozenset({self.mac, *(interface.mac for interface in self.interfaces)})

    @property
    def directory(self) -> str:
        """The directory of its image."""
        return str(PurePosixPath(self.image).parent)

    @property
    def installing(self) -> str:
        """Its image while it is being installed."""
        return self._image("installing")

    @property
    def archived(self) -> str:
        """Its image while it is archived."""
        return self._image("archived")

    def replaced(self, stamp: str) -> str:
        """Return where an image is kept that another installation has replaced."""
        return self._image(f"replaced-{stamp}")

    @property
    def stem(self) -> str:
        """The name of its image without the format, with which its other files' names begin."""
        return PurePosixPath(images.stem(self.image)).name

    @property
    def other_images(self) -> tuple[str, ...]:
        """Where its image would be in other formats; nothing if its file names the image."""
        if self.stem != self.name:
            return ()
        paths = (f"{self.directory}/{self.name}.{suffix}" for suffix in IMAGE_SUFFIXES.values())
        return tuple(other for other in paths if other != self.image)

    @property
    def load(self) -> str:
        """The note of its installation, which is the vm.conf(5) that vmd(8) loads for it."""
        return self._note("install.conf")

    @property
    def installed(self) -> str:
        """The note that it was installed and has not answered yet."""
        return self._note("installed")

    @property
    def console(self) -> str:
        """What was recorded of its console."""
        return self._note("console")

    def _image(self, role: str) -> str:
        return images.in_role(self.image, role)

    def _note(self, word: str) -> str:
        return f"{self.directory}/.{self.stem}.{word}"
