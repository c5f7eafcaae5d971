# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The VMs' network of a server: its switch, its addresses, and what leads out."""

from __future__ import annotations

import re
import typing as t
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_interface,
)
from itertools import chain, count

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.presets import host_interface
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.look.machines import Candidate
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.look.seen import Seen
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.read import dhcpd_conf
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.read.notes import Notes
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.read.vm_conf import PATH, Switch
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.text.ifconfig import Interface

# Interfaces in a switch that lead to the server itself, or to a VM.
_INWARD: t.Final = ("tap", "vether", "vport", "pair", "bridge", "veb")


@dataclass(frozen=True)
class Network:
    """An IPv4 network of VMs, with the subnet of dhcpd.conf(5) if it has one.

    switch is the name of the one that it is on; interface has the server's own address there.
    """

    network: IPv4Network
    subnet: dhcpd_conf.Subnet | None = None
    interface: str | None = None
    server: IPv4Address | None = None
    switch: str = ""
    name: str = ""

    @property
    def gateway(self) -> str | None:
        if self.subnet and self.subnet.gateway:
            return self.subnet.gateway
        return str(self.server) if self.server else None


def first_switch(candidates: Iterable[Candidate], switches: Sequence[Switch]) -> Switch | None:
    """Return the switch that most VMs' first interfaces are on, or else the file's first."""
    known = {switch.name: switch for switch in switches}
    best = Counter(vm.switch for vm in candidates if vm.switch in known).most_common(1)
    return known[best[0][0] or ""] if best else next(iter(switches), None)


def network_of(
    candidates: Iterable[Candidate],
    switch: Switch,
    dhcp: dhcpd_conf.Conf | None,
    seen: Seen,
) -> Network | None:
    """Return the network of most VMs of a switch, or else the server's own there."""
    subnets = {subnet.network: subnet for subnet in (dhcp.subnets if dhcp else ())}
    on_switch = [vm for vm in candidates if vm.switch == switch.name]
    used = Counter(network for vm in on_switch for network in subnets if vm.inside(network))
    own = (
        address.network
        for link in _behind(switch.block.interface or "", seen.links)
        for text in link.addresses
        if isinstance(address := ip_interface(text), IPv4Interface)
    )
    network = next((network for network, _count in used.most_common(1)), next(own, None))
    if network is None:
        return None
    interface, server = _own_address(network, switch, seen)
    return Network(network, subnets.get(network), interface, server, switch.name)


def further_networks(
    candidates: Iterable[Candidate],
    first: Network,
    switches: Iterable[Switch],
    dhcp: dhcpd_conf.Conf | None,
    seen: Seen,
) -> tuple[Network, ...]:
    """Return the first network and the others that VMs have addresses of, each with a name.

    The others are subnets of dhcpd.conf(5) with a router and no range: the role has one range, in
    the first network.
    """
    known = {switch.name: switch for switch in switches if switch.block.interface}
    routed = [subnet for subnet in (dhcp.subnets if dhcp else ()) if subnet.gateway]
    networks = [replace(first, name=_name(first.switch or "lan", ()))]
    for vm in candidates:
        switch = known.get(vm.switch or "")
        subnet = next((subnet for subnet in routed if vm.inside(subnet.network)), None)
        if switch is None or subnet is None or subnet.ranges:
            continue
        if vm.reasons or switch_problem(switch):
            continue
        if not any(subnet.network.overlaps(other.network) for other in networks):
            interface, server = _own_address(subnet.network, switch, seen)
            name = _name(switch.name, [other.name for other in networks])
            networks.append(Network(subnet.network, subnet, interface, server, switch.name, name))
    return tuple(networks)


def _name(switch: str, taken: Collection[str]) -> str:
    """Return a name for a network, after its switch."""
    base = re.sub("[^a-z0-9]+", "-", switch.lower()).strip("-")[:24] or "lan"
    base = base if base[0].isalpha() else f"net-{base}"
    names = chain([base], (f"{base}-{number}" for number in count(2)))
    return next(name for name in names if name not in taken)


def _own_address(
    network: IPv4Network, switch: Switch, seen: Seen
) -> tuple[str | None, IPv4Address | None]:
    """Return the server's interface that has an address of a network, and the address."""
    for link in (*_behind(switch.block.interface or "", seen.links), *seen.links.values()):
        for text in link.addresses:
            address = ip_interface(text)
            if isinstance(address, IPv4Interface) and address.ip in network:
                return link.name, address.ip
    return None, None


def _behind(switch: str, links: Mapping[str, Interface]) -> list[Interface]:
    """Return the interfaces of a switch, and the far ends of its pair(4) interfaces."""
    members = links[switch].members if switch in links else ()
    names = [*members, *(links[member].patch or "" for member in members if member in links)]
    return [links[name] for name in names if name in links]


def uplink_of(switch: str, seen: Seen, notes: Notes) -> dict[str, t.Any] | None:
    """Return vmm_uplink, if exactly one interface of the switch leads out."""
    links = seen.links
    outward = [
        member
        for member in (links[switch].members if switch in links else ())
        if member.rstrip("0123456789") not in _INWARD
    ]
    if not outward:
        return None
    if len(outward) > 1:
        why = "vmm_uplink is one interface, so none is written"
        notes.report(f"/etc/hostname.{switch}", 0, f"add {', '.join(outward)}", why)
        return None
    link = links[outward[0]]
    uplink: dict[str, t.Any] = {}
    if link.vnetid is not None and link.parent:
        if link.name != f"vlan{link.vnetid}":
            why = f"vmm_uplink would have the VLAN on vlan{link.vnetid}, so none is written"
            notes.report(f"/etc/hostname.{link.name}", 0, f"vnetid {link.vnetid}", why)
            return None
        uplink["vlan"] = link.vnetid
        link = links.get(link.parent, Interface(link.parent))
    uplink["parent"] = link.name
    if link.ports:
        uplink["members"] = list(link.ports)
        if link.driver == "trunk" and link.protocol:
            uplink["protocol"] = link.protocol
    return uplink


_OF_A_NETWORK: t.Final = (
    "ipv4_network", "ipv4_gateway", "ipv4_range", "server_ipv4", "ipv6_network", "ipv6_gateway",
    "server_ipv6",
)  # fmt: skip


def listed(variables: Mapping[str, t.Any], networks: Sequence[Network]) -> dict[str, t.Any]:
    """Return the same variables with a list of networks instead of those that describe one."""
    own = {f"vmm_{key}": key for key in _OF_A_NETWORK}
    first = {own[name]: value for name, value in variables.items() if name in own}
    rows: list[dict[str, t.Any]] = [{"name": networks[0].name, **first}]
    if networks[0].server:
        rows[0]["server_ipv4"] = str(networks[0].server)
    for network in networks[1:]:
        part = {
            "name": network.name,
            "ipv4_network": str(network.network),
            "ipv4_gateway": network.gateway,
        }
        part |= {"server_ipv4": str(network.server)} if network.server else {}
        part |= {"switch": network.switch} if network.switch != networks[0].switch else {}
        rows.append(part)
    rest = {name: value for name, value in variables.items() if name not in own}
    return {**rest, "vmm_networks": rows}


def settings(
    networks: Sequence[Network],
    switch: Switch,
    further: Iterable[Switch],
    seen: Seen,
    notes: Notes,
) -> dict[str, t.Any]:
    """Return the variables of the switches, the VMs' first IPv4 network and what leads out."""
    network = networks[0]
    device = switch.block.interface or ""
    preset = "bridge" if device.startswith("bridge") else "veb"
    variables: dict[str, t.Any] = {
        "vmm_preset": preset,
        "vmm_switch": {"name": switch.name, "interface": device},
    }
    more = [_further_switch(row, networks, seen, notes) for row in further]
    if more:
        variables["vmm_switches"] = more
    uplink = uplink_of(device, seen, notes)
    if uplink:
        variables["vmm_uplink"] = uplink
    usual = host_interface(preset, device, uplink.get("vlan") if uplink else None)
    if network.interface and network.interface != usual:
        variables["vmm_host_interface"] = network.interface
    variables["vmm_ipv4_network"] = str(network.network)
    if network.gateway:
        variables["vmm_ipv4_gateway"] = network.gateway
    if network.server and (uplink or str(network.server) != network.gateway):
        variables["vmm_server_ipv4"] = str(network.server)
    return variables


def _further_switch(
    switch: Switch, networks: Sequence[Network], seen: Seen, notes: Notes
) -> dict[str, t.Any]:
    """Return an item of vmm_switches; one with a network has an interface of the server's."""
    row: dict[str, t.Any] = {"name": switch.name, "interface": switch.block.interface}
    host = next((network.interface for network in networks if network.switch == switch.name), None)
    if host:
        row["host_interface"] = host
        if uplink := uplink_of(switch.block.interface or "", seen, notes):
            row["uplink"] = uplink
    return row


def ipv6_settings(
    candidates: Iterable[Candidate],
    network: Network,
    routers: Iterable[str],
    seen: Seen,
    notes: Notes,
) -> dict[str, t.Any]:
    """Return the VMs' IPv6 network, if response files or the server's own interface show one.

    VMs' addresses outside of it are reported: perhaps each VM has a prefix of its own.
    """
    vms = list(candidates)
    link = seen.links.get(network.interface or "")
    own = [ip_interface(text) for text in (link.addresses if link else ()) if ":" in text]
    own_global = [address for address in own if not address.ip.is_link_local]
    used = Counter(IPv6Network((vm.ipv6, 64), strict=False) for vm in vms if vm.ipv6)
    if not used:
        return {}
    prefix = own_global[0].network if own_global else used.most_common(1)[0][0]
    server = own_global[0].ip if own_global else None
    shown = (address for text in routers if (address := _router(text, prefix)))
    router = next(shown, server)
    settings = {"vmm_ipv6_network": str(prefix), "vmm_ipv6_gateway": str(router)} if router else {}
    if settings and server is not None and router != server:
        settings["vmm_server_ipv6"] = str(server)
    for vm in vms:
        if vm.ipv6 and not (settings and vm.ipv6 in prefix):
            why = (
                "its IPv6 address is in no network that its router and other VMs are in, and is "
                "not written: what the VM itself has set stays"
            )
            vm.remark(notes, f"vm {vm.name}: {vm.ipv6}", why)
            vm.ipv6 = None
    return settings


def _router(text: str, prefix: t.Any) -> IPv6Address | None:
    try:
        router = IPv6Address(text)
    except ValueError:
        return None
    return router if router.is_link_local or router in prefix else None


def outside(vm: Candidate, networks: Sequence[Network]) -> str | None:
    """Return why a VM is in no network of its switch; None if it is in one."""
    if network_of_vm(vm, networks):
        return None
    here = ", ".join(str(network.network) for network in networks if network.switch == vm.switch)
    if not here:
        return (
            f"its first interface is on the switch {vm.switch}, which has no network: one in "
            f"dhcpd.conf(5) with a router, without a range, and with an address of the VM"
        )
    return (
        f"its address {vm.ipv4} is not in {here}, and dhcpd.conf(5) has no other subnet with a "
        f"router and without a range for it"
    )


def network_of_vm(vm: Candidate, networks: Iterable[Network]) -> Network | None:
    """Return the network of a VM's first interface; without an address, that of its switch."""
    here = (network for network in networks if network.switch == vm.switch)
    return next((net for net in here if vm.ipv4 is None or vm.inside(net.network)), None)


def switch_problem(switch: Switch) -> str | None:
    """Return why no VM of the fleet can be on a switch."""
    if not (switch.block.interface or "").startswith(("veb", "bridge")):
        return f"{PATH}: switch {switch.name}: its interface is neither a veb(4) nor a bridge(4)"
    return None


def problem_of(switch: Switch | None, network: Network | None) -> str | None:
    """Return what is missing so that any VM of a server can come into the fleet."""
    if switch is None:
        return f"{PATH}: it has no switch, and the fleet's VMs are on one"
    if why := switch_problem(switch):
        return why
    if network is None:
        return (
            f"{PATH}: switch {switch.name}: neither dhcpd.conf(5) nor an address of this server "
            f"shows the IPv4 network of its VMs: give vmm_ipv4_network in the inventory"
        )
    return None
