# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The defaults that go together.

bridge has those of OpenBSD Amsterdam in 2019, veb those of today; nat those of a server with one
public address, whose VMs have a private network behind it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ansible_collections.puffy.vmm.plugins.module_utils._grammar.server import Switch


@dataclass(frozen=True)
class Preset:
    switch: Switch
    disk_format: str
    sysctl: Mapping[str, str]


NAT = "nat"

PRESETS: Mapping[str, Preset] = {
    "bridge": Preset(Switch("uplink", "bridge0"), "raw", {"net.inet.ip.arpq.maxlen": "1024"}),
    "veb": Preset(Switch("uplink", "veb0"), "qcow2", {"net.inet.ip.arpq.maxlen": "256"}),
    NAT: Preset(
        Switch("private", "veb0"),
        "qcow2",
        {"net.inet.ip.arpq.maxlen": "256", "net.inet.ip.forwarding": "1"},
    ),
}

DEFAULT_PRESET = "veb"
DEFAULT_IMAGE_DIRECTORY = "/var/vmm"
DEFAULT_TIMEZONE = "UTC"
DEFAULT_SETS = ("-x*", "+xb*", "+xf*", "+site*")


def host_interface(preset: str, switch_interface: str, vlan: int | None) -> str:
    """Return the interface that has the server's address on the VMs' network.

    A veb(4) has the second of two pair(4) interfaces, a bridge(4) a vether(4); with the preset
    bridge and an uplink in a VLAN, the vlan(4) itself has the address.
    """
    if preset == "bridge" and vlan is not None:
        return f"vlan{vlan}"
    if switch_interface.startswith("veb"):
        return f"pair{2 * int(switch_interface.removeprefix('veb')) + 1}"
    return f"vether{switch_interface.removeprefix('bridge')}"


def host_port(interface: str) -> str | None:
    """Return the port of the switch that leads to the server's pair(4), None for other interfaces.

    The two are numbers 2n and 2n + 1, whichever has the address, so that the pairs of two switches
    have no interface in common.
    """
    number = interface.removeprefix("pair")
    return f"pair{int(number) ^ 1}" if number != interface else None


def other_host_interface(host: str, switch_interface: str) -> str | None:
    """Return what had the server's address before the host of a veb(4) was another kind.

    That is the vport(4) for a pair(4), and the other way round.
    """
    if not switch_interface.startswith("veb"):
        return None
    if host.startswith("pair"):
        return f"vport{switch_interface.removeprefix('veb')}"
    return host_interface("veb", switch_interface, None)
