# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Whether the interfaces of a server's VMs are on its switches, and in groups of their own."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.checks.claims import (
    GROUP,
    Claim,
    Claims,
    oldest_first,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.interfaces import network_of
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.server import ServerSettings
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.vm import VmFile
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.address_plan import usable
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Report, shown


def check_interfaces(
    server: ServerSettings, files: Sequence[VmFile], known: Collection[str], report: Report
) -> None:
    """Report switches and networks that a server does not have, and groups of other interfaces.

    files are those of its VMs, known the names of VMs that were there before. pf(4) binds the
    addresses of an interface to its group, so no other interface may be in it. The default of a
    group is never a group that a file can name.
    """
    claims = Claims()
    claims.add_all(_groups(files, server.name, known), report)
    names = [switch.name for switch in server.switches]
    for file in files:
        about = report.about(vms=[file.name])
        _check_networks(server, file, about)
        bound = [file.values.get("group")]
        for interface in file.interfaces:
            if interface.switch not in names:
                about.add(
                    file.source,
                    "interfaces",
                    f"{shown(interface.switch)} is not a switch of {server.name}; use one of "
                    f"{', '.join(names)}, or add it to vmm_switches",
                )
            holder = claims.holder(GROUP, server.name, interface.group)
            if holder is not None and (holder.vm != file.name or interface.group in bound):
                which = "first interface" if holder.field == "group" else "interface in a network"
                about.add(
                    file.source,
                    "interfaces",
                    f"{interface.group} is the group of {holder.vm}'s {which}; use another",
                )
            bound += [interface.group] if interface.group and interface.addressed else []


def _check_networks(server: ServerSettings, file: VmFile, report: Report) -> None:
    """Report networks that a server does not have, or that are on another switch."""
    name = file.values.get("network")
    if name is not None and server.network(name) is None:
        report.add(file.source, "network", _unknown_network(server, name))
    for interface in file.interfaces:
        if not interface.addressed:
            continue
        if interface.network is not None and server.network(interface.network) is None:
            text = _unknown_network(server, interface.network)
            report.add(file.source, "interfaces", f"network: {text}")
            continue
        network = network_of(interface, server.networks)
        for address in interface.addresses:
            plan = network.plan(f"ipv{address.version}") if network else None
            if plan is None or not usable(plan.network, address):
                where = f"the network {network.name}" if network else "any network"
                text = f"{address} is not a usable address of {where} of {server.name}"
                report.add(file.source, "interfaces", text)
        if network is not None and network.switch != interface.switch:
            report.add(
                file.source,
                "interfaces",
                f"the network {network.name} is on the switch {network.switch}, and the interface "
                f"on {interface.switch}; name the same switch for both",
            )


def _unknown_network(server: ServerSettings, name: str) -> str:
    names = ", ".join(network.name for network in server.networks)
    return (
        f"{shown(name)} is not a network of {server.name}; use one of {names}, or add it to "
        f"vmm_networks"
    )


def _groups(files: Sequence[VmFile], server: str, known: Collection[str]) -> Iterator[Claim]:
    for file in oldest_first(files, known):
        addressed = [interface for interface in file.interfaces if interface.addressed]
        groups = [(file.values.get("group"), "group")]
        groups += [(interface.group, "interfaces") for interface in addressed]
        for group, field in groups:
            if group:
                kept = file.name in known
                yield Claim(GROUP, group, file.name, server, file.source, field, kept)
