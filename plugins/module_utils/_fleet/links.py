# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The network interfaces that a server's switch is made of, from its settings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.presets import (
    host_port,
    other_host_interface,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.server import ServerSettings

Link = dict[str, Any]


def links(server: ServerSettings) -> list[Link]:
    """Return the interfaces, those first that others need, as host_state takes its links.

    What leads out must be there already and is only brought up; the rest is made where it is
    missing. Without an uplink there is the switch with the server's own interface; further switches
    connect VMs alone.
    """
    uplink = list(_uplink(server))
    members = [server.uplink.interface] if server.uplink else []
    if server.host_interface in members:
        uplink[-1]["addresses"] = _addresses(server)
        host: list[Link] = []
    else:
        host = list(_host(server))
    port = host_port(server.host_interface)
    if port:
        uplink.append({"name": port})
    own = [port] if port else [one["name"] for one in host if not one.get("retired")]
    switch: Link = {"name": server.switch.interface, "members": [*members, *own]}
    former = [one["name"] for one in host if one.get("retired")]
    if former and port:
        switch["without"] = former
    further: list[Link] = [{"name": one.interface} for one in server.switches[1:]]
    # A switch needs its ports. The address of a pair(4) is there last: the switch already leads to
    # it then, and what had the address before has lost it.
    return [*uplink, switch, *host, *further] if port else [*uplink, *host, switch, *further]


def _addresses(server: ServerSettings) -> list[str]:
    """The server's own addresses on the VMs' network."""
    found = [f"{server.server_ipv4}/{server.ipv4.network.prefixlen}"]
    if server.ipv6 and server.server_ipv6:
        length = 64 if server.server_ipv6.is_link_local else server.ipv6.network.prefixlen
        found.append(f"{server.server_ipv6}/{length}")
    return found


def _host(server: ServerSettings) -> Iterator[Link]:
    """The interface with the addresses, after the one that may have had them before."""
    host, addresses = server.host_interface, _addresses(server)
    if not host.startswith(("pair", "vport", "vether")):
        return
    former = other_host_interface(host, server.switch.interface)
    if former:
        yield {
            "name": former,
            "create": False,
            "up": False,
            "retired": True,
            "addresses": addresses,
        }
    port = host_port(host)
    yield {"name": host, "addresses": addresses} | ({"patch": port} if port else {})


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
