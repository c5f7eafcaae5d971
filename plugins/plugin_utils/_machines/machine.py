# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""A VM as playbooks deal with it: typed, and made once from what the inventory has."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import PurePosixPath

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.installed import (
    IMAGE_SUFFIXES,
    Installed,
    read_installed,
)
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


@dataclass(frozen=True)
class Machine:
    """A VM. memory and disk are in bytes, size is the disk's as it is written.

    image is the path of its disk's image. record is the ledger's, of its installation; image and
    image_format come from it where it is; seen says that the fleet has host keys or a hand-over
    sheet of it. refusal says why the fleet wants nothing done with it. variables are the
    inventory's own, for templates.
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
    record: Installed | None = None
    seen: bool = False
    refusal: str | None = None
    variables: t.Mapping[str, t.Any] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(cls, vm: t.Mapping[str, t.Any]) -> Machine:
        """The VM that the inventory describes in vmm_vms or vmm_archived.

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
            interfaces=tuple(Interface(**interface) for interface in vm["interfaces"]),
            record=read_installed(record) if record else None,
            seen=vm["seen"],
            refusal=vm["refusal"],
            variables=vm,
        )

    @classmethod
    def all_of(cls, vms: t.Iterable[t.Mapping[str, t.Any]]) -> list[Machine]:
        """The VMs that a task is given. Raises Refused where one is not as the inventory has it."""
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
        """Where an image is kept that another installation took the place of."""
        return self._image(f"replaced-{stamp}")

    @property
    def other_images(self) -> tuple[str, ...]:
        """Where its image would be with another format."""
        path = PurePosixPath(self.image)
        paths = (str(path.with_suffix(f".{suffix}")) for suffix in IMAGE_SUFFIXES.values())
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
        path = PurePosixPath(self.image)
        return str(path.with_name(f"{path.stem}.{role}{path.suffix}"))

    def _note(self, word: str) -> str:
        path = PurePosixPath(self.image)
        return str(path.with_name(f".{path.stem}.{word}"))
