# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The network interfaces that a server's switch is made of, from its settings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.server import ServerSettings

Link = dict[str, Any]


def links(server: ServerSettings) -> list[Link]:
    """Return the interfaces, those first that others need, as host_state takes its links.

    What leads out must be there already and is only brought up; the rest is made where it is
    missing. Without an uplink there is the switch with the server's own interface; further switches
    connect VMs alone.
    """
    host = server.host_interface
    addresses = [f"{server.server_ipv4}/{server.ipv4.network.prefixlen}"]
    if server.ipv6 and server.server_ipv6:
        length = 64 if server.server_ipv6.is_link_local else server.ipv6.network.prefixlen
        addresses.append(f"{server.server_ipv6}/{length}")
    found = list(_uplink(server))
    members = [server.uplink.interface] if server.uplink else []
    if host in members:
        found[-1]["addresses"] = addresses
    elif host.startswith(("vport", "vether")):
        found.append({"name": host, "addresses": addresses})
        members.append(host)
    found.append({"name": server.switch.interface, "members": members})
    found.extend({"name": switch.interface} for switch in server.switches[1:])
    return found


def _uplink(server: ServerSettings) -> Iterator[Link]:
    uplink = server.uplink
    if uplink is None:
        return
    for name in uplink.members or (uplink.parent,):
        yield {"name": name, "create": False}
    if uplink.members:
        link: Link = {"name": uplink.parent, "ports": list(uplink.members)}
        yield link | ({"protocol": uplink.protocol} if uplink.protocol else {})
    if uplink.vlan is not None:
        yield {"name": uplink.interface, "vnetid": uplink.vlan, "parent": uplink.parent}
