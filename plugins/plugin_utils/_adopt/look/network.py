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

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.presets import host_interface
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.look.machines import Candidate
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.look.seen import Seen
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.read import dhcpd_conf
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.read.notes import Notes
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.read.vm_conf import PATH, Switch
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.text.ifconfig import Interface

# What is in a switch and leads to the server itself, or to a VM.
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
    """The one that the first interface of most VMs is on, or else the first of the file."""
    known = {one.name: one for one in switches}
    used = Counter(
        one.interfaces[0].switch
        for one in candidates
        if one.interfaces and one.interfaces[0].switch in known
    )
    best = used.most_common(1)
    return known[best[0][0] or ""] if best else next(iter(switches), None)


def network_of(
    candidates: Iterable[Candidate],
    switch: Switch,
    dhcp: dhcpd_conf.Conf | None,
    seen: Seen,
) -> Network | None:
    """The network of most VMs of a switch."""
    subnets = dhcp.subnets if dhcp else ()
    used: Counter[IPv4Network] = Counter()
    for one in candidates:
        on_switch = bool(one.interfaces) and one.interfaces[0].switch == switch.name
        inside = [x.network for x in subnets if one.ipv4 is not None and one.ipv4 in x.network]
        used.update(inside if on_switch else ())
    behind = _behind(switch.block.interface or "", seen.links)
    own = [
        (link.name, found.network, found.ip)
        for link in behind
        for text in link.addresses
        if isinstance(found := ip_interface(text), IPv4Interface)
    ]
    best = used.most_common(1)
    if best:
        network = best[0][0]
    elif own:
        network = own[0][1]
    else:
        return None
    subnet = next((x for x in subnets if x.network == network), None)
    interface, address = _own_address(network, switch, seen)
    return Network(network, subnet, interface, address, switch.name)


def further_networks(
    candidates: Iterable[Candidate],
    first: Network,
    switches: Iterable[Switch],
    dhcp: dhcpd_conf.Conf | None,
    seen: Seen,
) -> tuple[Network, ...]:
    """The first network and the others that VMs have addresses of, each with a name.

    Those are subnets of dhcpd.conf(5) with a router and no range: the role has one of the first.
    """
    known = {one.name: one for one in switches if one.block.interface}
    found = [replace(first, name=_name(first.switch or "lan", ()))]
    for one in candidates:
        switch = known.get(one.interfaces[0].switch or "") if one.interfaces else None
        if switch is None or one.ipv4 is None or one.reasons or switch_problem(switch):
            continue
        subnet = next(
            (x for x in (dhcp.subnets if dhcp else ()) if one.ipv4 in x.network and x.gateway), None
        )
        if subnet is None or subnet.ranges:
            continue
        if not any(subnet.network.overlaps(other.network) for other in found):
            interface, address = _own_address(subnet.network, switch, seen)
            name = _name(switch.name, [other.name for other in found])
            found.append(Network(subnet.network, subnet, interface, address, switch.name, name))
    return tuple(found)


def _name(switch: str, taken: Collection[str]) -> str:
    """A name for a network, after its switch."""
    base = re.sub("[^a-z0-9]+", "-", switch.lower()).strip("-")[:24] or "lan"
    name = base if base[0].isalpha() else f"net-{base}"
    number = 2
    while name in taken:
        name = f"{base if base[0].isalpha() else f'net-{base}'}-{number}"
        number += 1
    return name


def _own_address(
    network: IPv4Network, switch: Switch, seen: Seen
) -> tuple[str | None, IPv4Address | None]:
    """The interface of the server that has an address of a network, and the address."""
    for link in (*_behind(switch.block.interface or "", seen.links), *seen.links.values()):
        for text in link.addresses:
            found = ip_interface(text)
            if isinstance(found, IPv4Interface) and found.ip in network:
                return link.name, found.ip
    return None, None


def _behind(switch: str, links: Mapping[str, Interface]) -> list[Interface]:
    """The interfaces of a switch, and the far ends of its pair(4) interfaces."""
    members = links[switch].members if switch in links else ()
    names = [*members, *(links[one].patch or "" for one in members if one in links)]
    return [links[name] for name in names if name in links]


def uplink_of(switch: str, seen: Seen, notes: Notes) -> dict[str, t.Any] | None:
    """vmm_uplink, where exactly one interface of the switch leads out."""
    links = seen.links
    outward = [
        one
        for one in (links[switch].members if switch in links else ())
        if one.rstrip("0123456789") not in _INWARD
    ]
    if not outward:
        return None
    if len(outward) > 1:
        why = "vmm_uplink is one interface, so none is written"
        notes.report(f"/etc/hostname.{switch}", 0, f"add {', '.join(outward)}", why)
        return None
    link = links[outward[0]]
    found: dict[str, t.Any] = {}
    if link.vnetid is not None and link.parent:
        if link.name != f"vlan{link.vnetid}":
            why = f"vmm_uplink would have the VLAN on vlan{link.vnetid}, so none is written"
            notes.report(f"/etc/hostname.{link.name}", 0, f"vnetid {link.vnetid}", why)
            return None
        found["vlan"] = link.vnetid
        link = links.get(link.parent, Interface(link.parent))
    found["parent"] = link.name
    if link.ports:
        found["members"] = list(link.ports)
        if link.driver == "trunk" and link.protocol:
            found["protocol"] = link.protocol
    return found


_OF_A_NETWORK: t.Final = (
    "ipv4_network", "ipv4_gateway", "ipv4_range", "server_ipv4", "ipv6_network", "ipv6_gateway",
    "server_ipv6",
)  # fmt: skip


def listed(variables: Mapping[str, t.Any], networks: Sequence[Network]) -> dict[str, t.Any]:
    """The same variables with a list of networks, in the place of those that describe one."""
    own = {f"vmm_{key}": key for key in _OF_A_NETWORK}
    first = {own[name]: value for name, value in variables.items() if name in own}
    found: list[dict[str, t.Any]] = [{"name": networks[0].name, **first}]
    if networks[0].server:
        found[0]["server_ipv4"] = str(networks[0].server)
    for one in networks[1:]:
        part = {"name": one.name, "ipv4_network": str(one.network), "ipv4_gateway": one.gateway}
        part |= {"server_ipv4": str(one.server)} if one.server else {}
        part |= {"switch": one.switch} if one.switch != networks[0].switch else {}
        found.append(part)
    rest = {name: value for name, value in variables.items() if name not in own}
    return {**rest, "vmm_networks": found}


def settings(
    networks: Sequence[Network],
    switch: Switch,
    further: Iterable[Switch],
    seen: Seen,
    notes: Notes,
) -> dict[str, t.Any]:
    """The variables of the switches, the VMs' first IPv4 network and what leads out."""
    network = networks[0]
    device = switch.block.interface or ""
    preset = "bridge" if device.startswith("bridge") else "veb"
    found: dict[str, t.Any] = {
        "vmm_preset": preset,
        "vmm_switch": {"name": switch.name, "interface": device},
    }
    more = [_further_switch(one, networks, seen, notes) for one in further]
    if more:
        found["vmm_switches"] = more
    uplink = uplink_of(device, seen, notes)
    if uplink:
        found["vmm_uplink"] = uplink
    usual = host_interface(preset, device, uplink.get("vlan") if uplink else None)
    if network.interface and network.interface != usual:
        found["vmm_host_interface"] = network.interface
    found["vmm_ipv4_network"] = str(network.network)
    if network.gateway:
        found["vmm_ipv4_gateway"] = network.gateway
    if network.server and (uplink or str(network.server) != network.gateway):
        found["vmm_server_ipv4"] = str(network.server)
    return found


def _further_switch(
    switch: Switch, networks: Sequence[Network], seen: Seen, notes: Notes
) -> dict[str, t.Any]:
    """A part of vmm_switches; one with a network has an interface of the server's."""
    found: dict[str, t.Any] = {"name": switch.name, "interface": switch.block.interface}
    host = next((one.interface for one in networks if one.switch == switch.name), None)
    if host:
        found["host_interface"] = host
        if uplink := uplink_of(switch.block.interface or "", seen, notes):
            found["uplink"] = uplink
    return found


def ipv6_settings(
    candidates: Iterable[Candidate],
    network: Network,
    routers: Iterable[str],
    seen: Seen,
    notes: Notes,
) -> dict[str, t.Any]:
    """The VMs' IPv6 network, where response files or the server's own interface show one.

    What of the VMs' addresses is not in it is reported: a prefix for each VM, say.
    """
    found = list(candidates)
    link = seen.links.get(network.interface or "")
    own = [ip_interface(text) for text in (link.addresses if link else ()) if ":" in text]
    own_global = [one for one in own if not one.ip.is_link_local]
    used = Counter(IPv6Network((one.ipv6, 64), strict=False) for one in found if one.ipv6)
    if not used:
        return {}
    prefix = own_global[0].network if own_global else used.most_common(1)[0][0]
    server = own_global[0].ip if own_global else None
    given = [address for text in routers if (address := _router(text, prefix))]
    router = next(iter(given), server)
    settings = {"vmm_ipv6_network": str(prefix), "vmm_ipv6_gateway": str(router)} if router else {}
    if settings and server is not None and router != server:
        settings["vmm_server_ipv6"] = str(server)
    for one in found:
        if one.ipv6 and not (settings and one.ipv6 in prefix):
            notes.report(
                one.defined.file,
                one.defined.statement.line,
                f"vm {one.name}: {one.ipv6}",
                "its IPv6 address is in no network that its router and other VMs are in, and is "
                "not written: what the VM itself has set stays",
            )
            one.ipv6 = None
    return settings


def _router(text: str, prefix: t.Any) -> IPv6Address | None:
    try:
        router = IPv6Address(text)
    except ValueError:
        return None
    return router if router.is_link_local or router in prefix else None


def outside(candidate: Candidate, networks: Sequence[Network]) -> str | None:
    """Why a VM is in no network of its switch; None if it is in one."""
    switch = candidate.interfaces[0].switch if candidate.interfaces else None
    here = [one for one in networks if one.switch == switch]
    if not here:
        return (
            f"its first interface is on the switch {switch}, which has no network: one in "
            f"dhcpd.conf(5) with a router, without a range, and with an address of the VM"
        )
    if candidate.ipv4 is None or any(candidate.ipv4 in one.network for one in here):
        return None
    return (
        f"its address {candidate.ipv4} is not in {', '.join(str(one.network) for one in here)}, "
        f"and dhcpd.conf(5) has no other subnet with a router and without a range for it"
    )


def network_of_vm(candidate: Candidate, networks: Sequence[Network]) -> Network | None:
    """The network of a VM's first interface; of one whose address is not known, its switch's."""
    here = [one for one in networks if one.switch == candidate.interfaces[0].switch]
    inside = [one for one in here if candidate.ipv4 is None or candidate.ipv4 in one.network]
    return next(iter(inside), None)


def switch_problem(switch: Switch) -> str | None:
    """Why no VM of the fleet can be on a switch."""
    if not (switch.block.interface or "").startswith(("veb", "bridge")):
        return f"{PATH}: switch {switch.name}: its interface is neither a veb(4) nor a bridge(4)"
    return None


def problem_of(switch: Switch | None, network: Network | None) -> str | None:
    """What has to be there for any VM of a server to come into the fleet."""
    if switch is None:
        return f"{PATH}: there is no switch, and the fleet's VMs are on one"
    if why := switch_problem(switch):
        return why
    if network is None:
        return (
            f"{PATH}: switch {switch.name}: neither dhcpd.conf(5) nor an address of this server "
            f"shows the IPv4 network of its VMs: give vmm_ipv4_network in the inventory"
        )
    return None
