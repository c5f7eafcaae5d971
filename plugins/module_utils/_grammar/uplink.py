# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The grammar of vmm_uplink: how a switch reaches the world. All raise Refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from ansible_collections.puffy.vmm.plugins.module_utils._grammar.plain.values import (
    choice,
    known_keys,
    matching,
    part,
    sequence,
    whole_number,
)
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Refused

T = TypeVar("T")

# The name of an interface: IFNAMSIZ of OpenBSD's sys/net/if.h is 16, with the NUL byte.
INTERFACE_PATTERN = "(?=.{2,15}$)[a-z]+(?:0|[1-9][0-9]*)"

# Interfaces that are switches, or on a switch, and so lead nowhere.
_INWARD = ("bridge", "veb", "vport", "vether", "tap", "lo", "vlan")
_NO_UPLINK = (*(kind for kind in _INWARD if kind != "vlan"), "enc", "pflog", "tun", "wg")
# trunkproto of ifconfig(8); aggr(4) speaks LACP and nothing else.
PROTOCOLS = ("lacp", "failover", "loadbalance", "roundrobin", "broadcast")
_KEYS = ("vlan", "parent", "members", "protocol")
_WANTED = "vlan, parent, members and protocol, as in {vlan: 42, parent: em0}"


@dataclass(frozen=True)
class Uplink:
    """What connects a switch to the world: an interface, a VLAN on it, or several as one.

    members are the ports of the aggr(4) or trunk(4) that parent names then, protocol is that of
    the trunk(4).
    """

    vlan: int | None
    parent: str
    members: tuple[str, ...] = ()
    protocol: str | None = None

    @property
    def interface(self) -> str:
        """The interface that is put into the switch."""
        return self.parent if self.vlan is None else f"vlan{self.vlan}"


def interface(value: object) -> str:
    """Return the name of a network interface."""
    return matching(
        value,
        INTERFACE_PATTERN,
        "is not an interface; use a driver's name and a number, such as vport42",
    )


def uplink(value: object) -> Uplink:
    """Return an uplink; all but its parent may be left out."""
    given = known_keys(value, _KEYS, _WANTED)
    vlan = _part(given, "vlan", lambda number: whole_number(number, 1, 4094))
    parent = _part(given, "parent", _outward)
    if parent is None:
        raise Refused("parent is missing; give the physical interface, as in {parent: em0}")
    members = _part(given, "members", _members) or ()
    protocol = _part(given, "protocol", lambda word: choice(word, PROTOCOLS))
    driver = re.sub("[0-9]", "", parent)
    if members and driver not in ("aggr", "trunk"):
        raise Refused(
            f"members are of an aggr(4) or trunk(4), and parent is {parent}; name it, as in "
            f"{{parent: aggr0, members: [em0, em1]}}"
        )
    if protocol is not None and not (members and driver == "trunk"):
        raise Refused("protocol is for members of a trunk(4); aggr(4) has LACP alone")
    if members and driver == "trunk":
        protocol = protocol or PROTOCOLS[0]
    return Uplink(vlan, parent, members, protocol)


def pf_uplink(value: object) -> str:
    """Return an interface of a switch that leads out, for rules of pf(4).

    What is a switch, the server's own, or a VM's tap(4) leads nowhere. A tap(4) has another VM at
    the next boot, which would then be the one that rules for an uplink let everything pass for.
    """
    name = interface(value)
    if re.sub("[0-9]", "", name) in _NO_UPLINK:
        raise Refused(
            f"{name} is not an uplink; name an interface that leads out, such as em1, and give a "
            f"VM outside of the fleet rules of its own (pf_other_vms)"
        )
    return name


def _outward(value: object) -> str:
    name = matching(value, INTERFACE_PATTERN, "is not an interface; use one such as em0")
    if re.sub("[0-9]", "", name) in _INWARD:
        raise Refused(f"{name} leads nowhere; use an interface that leads out, such as em0")
    return name


def _members(value: object) -> tuple[str, ...]:
    return sequence(value, _outward, "interfaces, as in [em0, em1]")


def _part(given: Mapping[str, object], key: str, parse: Callable[[object], T]) -> T | None:
    return None if given.get(key) is None else part(key, given, parse)
