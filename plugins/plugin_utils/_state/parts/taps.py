# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Plans the tap(4) interfaces of running VMs: that they are in their switch, and in their group.

vmd(8) does both when it starts a VM, and never again: a switch that was destroyed and made anew
has lost its taps, and a VM that runs since before it got a group has none.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.programs import TOOLS
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import (
    EVERYBODYS,
    NOBODYS,
    Change,
    Step,
    run,
    undo,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.parts.link import Link, Tap
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.text.ifconfig import Interface

_IFCONFIG: t.Final = TOOLS["ifconfig"]
_SECONDS: t.Final = 30
# IFDESCRSIZE of sys/net/if.h is 64, with the NUL byte: vmd's description may be cut.
_DESCRIPTION: t.Final = 63


def of_vm(one: Interface, vm: str, place: int | None = 0) -> bool:
    """Whether vmd(8) made this tap(4) for the VM's interface number `place`, None for any.

    It gives each a description of the VM's id and name (usr.sbin/vmd/priv.c).
    """
    said = re.fullmatch(r"(vm[0-9]+-if)([0-9]+)-(.+)", one.description)
    if one.driver != "tap" or not said or place not in (None, int(said[2])):
        return False
    return said[3] == vm[: _DESCRIPTION - len(said[1]) - len(said[2]) - 1]


def strangers(
    links: t.Mapping[str, Interface], switch: str, vms: t.Iterable[str]
) -> list[Interface]:
    """The taps in a switch that are of none of these VMs: somebody's whom the fleet does not know.

    `links` are the interfaces as ifconfig.parse() reads them from `ifconfig -A`.
    """
    names = tuple(vms)
    members = (
        links.get(name, Interface(name)) for name in links.get(switch, Interface(switch)).members
    )
    return [
        one
        for one in members
        if one.driver == "tap" and not any(of_vm(one, name, None) for name in names)
    ]


def all_in_group(title: str, link: Link, links: t.Mapping[str, Interface]) -> t.Iterator[Step]:
    """Puts each tap in the switch into its group, as vmd(8) does with VMs that it starts now.

    It does not with a switch that got the group since vmd(8) started. A VM of the fleet has rules
    that come before those of the group, so for it nothing changes; a stranger is cut off.
    """
    if not link.tap_group or link.name not in links:
        return
    for name in links[link.name].members:
        one = links.get(name, Interface(name))
        if one.driver == "tap" and link.tap_group not in one.groups:
            back = undo(_IFCONFIG, name, "-group", link.tap_group, timeout=_SECONDS)
            ours = any(of_vm(one, tap.vm, tap.place) for tap in link.taps)
            whose = NOBODYS if ours else EVERYBODYS
            change = Change("put", name, f"into the group {link.tap_group}", vms=whose)
            argv = [_IFCONFIG, name, "group", link.tap_group]
            yield run(title, argv, change=change, undo=[back], timeout=_SECONDS)


def steps(title: str, link: Link, links: t.Mapping[str, Interface]) -> t.Iterator[Step]:
    """Puts taps of running VMs back into a switch that lost them, and into their groups."""
    inside = {name for one in links.values() for name in (*one.members, *one.ports)}
    groups = {tap.group for tap in link.taps if tap.group}
    for tap in link.taps:
        for one in links.values():
            if not of_vm(one, tap.vm, tap.place):
                continue
            whose = f"{one.name} of {tap.vm}"
            if one.name not in inside:
                back = undo(_IFCONFIG, link.name, "del", one.name, timeout=_SECONDS)
                argv = [_IFCONFIG, link.name, "add", one.name]
                change = Change("put", whose, f"back into {link.name}", vms=frozenset({tap.vm}))
                yield run(title, argv, change=change, undo=[back], timeout=_SECONDS)
            if tap.group:
                yield from _groups(title, one, tap, groups)


def _groups(title: str, one: Interface, tap: Tap, groups: t.Collection[str]) -> t.Iterator[Step]:
    wanted = tap.group or ""
    stale = [name for name in one.groups if name in groups and name != wanted]
    words = [] if wanted in one.groups else [("group", wanted)]
    for word, group in [*words, *(("-group", name) for name in stale)]:
        reverse = "-group" if word == "group" else "group"
        back = undo(_IFCONFIG, one.name, reverse, group, timeout=_SECONDS)
        verb = "put" if word == "group" else "take"
        where = "into" if verb == "put" else "out of"
        whose = f"{one.name} of {tap.vm}"
        change = Change(verb, whose, f"{where} the group {group}", vms=frozenset({tap.vm}))
        argv = [_IFCONFIG, one.name, word, group]
        yield run(title, argv, change=change, undo=[back], timeout=_SECONDS)
