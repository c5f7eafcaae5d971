# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The network interfaces that a server's switch is made of, from its settings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.networks import Wire
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.presets import (
    host_port,
    other_host_interface,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.server import ServerSettings
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.vm import Vm
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.server import Switch
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.uplink import Uplink

Link = dict[str, Any]


def links(server: ServerSettings) -> list[Link]:
    """Return the interfaces as host_state takes its links, in the order in which they are needed.

    What leads out must exist and is only brought up; the rest is made where it is missing. A switch
    with networks has the server's own interface, and an uplink where one is declared; other
    switches only connect VMs.
    """
    wires = {wire.switch.name: wire for wire in server.wires}
    links: list[Link] = []
    for switch in server.switches:
        wire = wires.get(switch.name)
        for link in _wired(switch, wire) if wire else _unwired(switch):
            # The role's own default is the address on the first switch.
            if wire and switch is not server.switch and link["name"] == switch.interface:
                link["prove"] = str(wire.server_ipv4)
            # The parent of two VLANs comes twice.
            if link not in links:
                links.append(link)
    return links


def ipv6_routes(server: ServerSettings, vms: Sequence[Vm]) -> list[Link]:
    """Return the server's own interfaces with routes to the prefixes of these VMs.

    There are some only where the server is the router of a network, and maybe no VM with a prefix.
    """
    links: list[Link] = []
    for wire in server.wires:
        routed = [net.name for net in wire.networks if net.routes_ipv6 and net.ipv6_prefixes]
        routes = [
            {"to": str(vm.ipv6_prefix), "by": str(vm.ipv6), "vm": vm.name}
            for vm in vms
            if vm.network in routed and vm.ipv6_prefix
        ]
        if routed:
            link = {"name": wire.host_interface, "create": False, "up": False, "routes": routes}
            links.append(link)
    return links


def _wired(switch: Switch, wire: Wire) -> list[Link]:
    uplink = list(_uplink(switch.uplink))
    members = [switch.uplink.interface] if switch.uplink else []
    if wire.host_interface in members:
        uplink[-1] |= _own(wire)
        host: list[Link] = []
    else:
        host = list(_host(wire))
    port = host_port(wire.host_interface)
    if port:
        uplink.append({"name": port})
    own = [port] if port else [each["name"] for each in host if not each.get("retired")]
    link: Link = {"name": switch.interface, "members": [*members, *own]}
    former = [each["name"] for each in host if each.get("retired")]
    if former and port:
        link["without"] = former
    # A switch needs its ports. A pair(4) gets its address last, when the switch already leads to
    # it, and what had the address before has lost it.
    return [*uplink, link, *host] if port else [*uplink, *host, link]


def _unwired(switch: Switch) -> list[Link]:
    uplink = list(_uplink(switch.uplink))
    members = {"members": [switch.uplink.interface]} if switch.uplink else {}
    return [*uplink, {"name": switch.interface, **members}]


def _own(wire: Wire) -> Link:
    """Return the server's addresses on a switch, and routes to networks that lack one."""
    routes = [{"to": str(network.ipv4.network)} for network in wire.routed()]
    return {"addresses": list(wire.own_addresses())} | ({"routes": routes} if routes else {})


def _host(wire: Wire) -> Iterator[Link]:
    """Yield the interface with the addresses, after the one that may have had them before."""
    host, own = wire.host_interface, _own(wire)
    if not host.startswith(("pair", "vport", "vether")):
        return
    if former := other_host_interface(host, wire.switch.interface):
        retired = {"name": former, "create": False, "up": False, "retired": True}
        yield {**retired, "addresses": own["addresses"]}
    port = host_port(host)
    # On a veb(4), pf(4) sees what the server sends, and knows this address only.
    first = {} if host.startswith("vether") else {"first_address": str(wire.server_ipv4)}
    yield {"name": host, **own, **first} | ({"patch": port} if port else {})


def _uplink(uplink: Uplink | None) -> Iterator[Link]:
    if uplink is None:
        return
    for name in uplink.members or (uplink.parent,):
        yield {"name": name, "create": False, "lro": False}
    if uplink.members:
        link: Link = {"name": uplink.parent, "ports": list(uplink.members)}
        yield link | ({"protocol": uplink.protocol} if uplink.protocol else {})
    if uplink.vlan is not None:
        yield {"name": uplink.interface, "vnetid": uplink.vlan, "parent": uplink.parent}
