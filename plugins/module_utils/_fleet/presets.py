# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The defaults that go together: those of OpenBSD Amsterdam in 2019, and those of today."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ansible_collections.puffy.vmm.plugins.module_utils._grammar.server import Switch


@dataclass(frozen=True)
class Preset:
    switch: Switch
    disk_format: str
    sysctl: Mapping[str, str]


PRESETS: Mapping[str, Preset] = {
    "bridge": Preset(Switch("uplink", "bridge0"), "raw", {"net.inet.ip.arpq.maxlen": "1024"}),
    "veb": Preset(Switch("uplink", "veb0"), "qcow2", {"net.inet.ip.arpq.maxlen": "256"}),
}

DEFAULT_PRESET = "veb"
DEFAULT_IMAGE_DIRECTORY = "/var/vmm"
DEFAULT_TIMEZONE = "UTC"
DEFAULT_SETS = ("-x*", "+xb*", "+xf*", "+site*")

IMAGE_SUFFIXES: Mapping[str, str] = {"raw": "img", "qcow2": "qcow2"}


def host_interface(preset: str, switch_interface: str, vlan: int | None) -> str:
    """Return the interface that has the server's address on the VMs' network.

    A veb(4) has a vport(4), a bridge(4) a vether(4); with the preset bridge and an uplink in a
    VLAN, the vlan(4) itself has the address.
    """
    if preset == "bridge" and vlan is not None:
        return f"vlan{vlan}"
    if switch_interface.startswith("veb"):
        return f"vport{switch_interface.removeprefix('veb')}"
    return f"vether{switch_interface.removeprefix('bridge')}"
