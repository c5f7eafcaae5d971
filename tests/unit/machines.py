# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""VMs as the inventory has them, and what servers show of them, for tests."""

from __future__ import annotations

import typing as t
from dataclasses import replace
from datetime import UTC, datetime

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.installed import Installed
from ansible_collections.puffy.vmm.plugins.module_utils._formats.vm_conf import (
    Disk,
    Interface,
    VmBlock,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.facts import VmFacts, VmStatus
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.machine import Machine
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.marker import Marker

MAC = "fe:e1:bb:d1:c8:07"
IMAGE = "/var/vmm/web1.qcow2"
RECORD = Installed(datetime(2026, 11, 29, 3, tzinfo=UTC), IMAGE, "qcow2")


def variables(**changes: t.Any) -> dict[str, t.Any]:
    """A VM of vmm_vms."""
    return {
        "name": "web1",
        "server": "server1",
        "number": 7,
        "mac": MAC,
        "ipv4": "203.0.113.16",
        "ipv6": None,
        "owner": "puffy",
        "state": "present",
        "autostart": True,
        "memory": "1G",
        "disk": "50G",
        "image": {"path": IMAGE, "format": "qcow2", "size": "50G"},
        "disks": [],
        "made": False,
        "detached": [],
        "install_by": "autoinstall",
        "cdrom": None,
        "boot": None,
        "interfaces": [{"switch": "uplink", "mac": MAC, "group": "vm7nic"}],
        "installed": None,
        "seen": False,
        "refusal": None,
        "moving": None,
        **changes,
    }


def machine(**changes: t.Any) -> Machine:
    """The same, typed."""
    return Machine.of(variables(**changes))


def defined(mac: str = MAC, image: str = IMAGE) -> VmBlock:
    """What vm.conf(5) has of it."""
    interface = Interface("uplink", mac, locked=True)
    return VmBlock("web1", False, "puffy", "1G", (Disk(image, "qcow2"),), (interface,))


NOTE = Marker({}, "0" * 64, "mira@desk, process 7")
RUNS = VmStatus(123, "running")
NOTHING = VmFacts("absent", "absent", "absent", None, installed=False, status=None)


def shown(**changes: t.Any) -> VmFacts:
    """What a server shows of a VM: nothing but these."""
    return replace(NOTHING, **changes)
