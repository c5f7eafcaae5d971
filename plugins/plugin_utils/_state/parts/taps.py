# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Plans the tap(4) interfaces of running VMs: they belong in their switch and in their group.

vmd(8) does both when it starts a VM, and never again: a switch that was destroyed and created again
has lost its taps, and a VM that started before it had a group is not in it.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import (
    EVERYBODYS,
    NOBODYS,
    Change,
    Step,
    change_of,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.parts.ifconfig import ifconfig
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.parts.link import Link
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.text.ifconfig import Interface

# IFDESCRSIZE of sys/net/if.h is 64, with the NUL byte: vmd's description may be cut.
_DESCRIPTION: t.Final = 63


def of_vm(interface: Interface, vm: str, place: int | None = 0) -> bool:
    """Return whether vmd(8) made this tap(4) for the VM's interface number `place`, None for any.

    It gives each a description of the VM's id and name (usr.sbin/vmd/priv.c).
    """
    match = re.fullmatch(r"(vm[0-9]+-if)([0-9]+)-(.+)", interface.description)
    if interface.driver != "tap" or not match or place not in (None, int(match[2])):
        return False
    return match[3] == vm[: _DESCRIPTION - len(match[1]) - len(match[2]) - 1]


def strangers(
    links: t.Mapping[str, Interface], switch: str, vms: t.Iterable[str]
) -> list[Interface]:
    """Return the taps in a switch that belong to none of these VMs: the fleet does not know them.

    `links` are the interfaces as ifconfig.parse() reads them from `ifconfig -A`.
    """
    names = tuple(vms)
    members = (
        links.get(name, Interface(name)) for name in links.get(switch, Interface(switch)).members
    )
    return [
        interface
        for interface in members
        if interface.driver == "tap" and not any(of_vm(interface, name, None) for name in names)
    ]


def all_in_group(title: str, link: Link, links: t.Mapping[str, Interface]) -> t.Iterator[Step]:
    """Put each tap in the switch into the switch's group, as vmd(8) does when it starts a VM.

    It does not where the switch got the group after vmd(8) started. A VM of the fleet has rules
    that come before those of the group, so nothing changes for it; a stranger is cut off.
    """
    group = link.tap_group
    if not group or link.name not in links:
        return
    for name in links[link.name].members:
        interface = links.get(name, Interface(name))
        if interface.driver == "tap" and group not in interface.groups:
            ours = any(of_vm(interface, tap.vm, tap.place) for tap in link.taps)
            vms = NOBODYS if ours else EVERYBODYS
            change = Change("put", name, f"into the group {group}", vms=vms)
            yield ifconfig(title, name, ["group", group], ["-group", group], change=change)


def steps(title: str, link: Link, links: t.Mapping[str, Interface]) -> t.Iterator[Step]:
    """Put taps of running VMs back into a switch that lost them, and into their groups."""
    inside = {
        name for interface in links.values() for name in (*interface.members, *interface.ports)
    }
    groups = {tap.group for tap in link.taps if tap.group}
    for tap in link.taps:
        for interface in links.values():
            if not of_vm(interface, tap.vm, tap.place):
                continue
            name = interface.name
            if name not in inside:
                change = change_of(tap.vm, "put", f"{name} of {tap.vm}", f"back into {link.name}")
                yield ifconfig(title, link.name, ["add", name], ["del", name], change=change)
            if tap.group:
                yield from _groups(title, interface, tap.vm, tap.group, groups)


def _groups(
    title: str, interface: Interface, vm: str, own: str, groups: t.Collection[str]
) -> t.Iterator[Step]:
    name, whose = interface.name, f"{interface.name} of {vm}"
    if own not in interface.groups:
        change = change_of(vm, "put", whose, f"into the group {own}")
        yield ifconfig(title, name, ["group", own], ["-group", own], change=change)
    for group in interface.groups:
        if group in groups and group != own:
            change = change_of(vm, "take", whose, f"out of the group {group}")
            yield ifconfig(title, name, ["-group", group], ["group", group], change=change)
