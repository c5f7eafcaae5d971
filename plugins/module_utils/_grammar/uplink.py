# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The grammar of vmm_uplink: how a switch reaches the world. All raise Refused."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from ansible_collections.puffy.vmm.plugins.module_utils._grammar.plain.values import (
    choice,
    matching,
    record,
    sequence,
    whole_number,
)
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Refused

# The name of an interface: IFNAMSIZ of OpenBSD's sys/net/if.h is 16, with the NUL byte.
INTERFACE_PATTERN = "(?=.{2,15}$)[a-z]+(?:0|[1-9][0-9]*)"

# Interfaces that are switches, or on a switch, and so lead nowhere.
_INWARD = ("bridge", "veb", "vport", "vether", "tap", "lo", "vlan")
_NO_UPLINK = (*(kind for kind in _INWARD if kind != "vlan"), "enc", "pflog", "tun", "wg")
# trunkproto of ifconfig(8); aggr(4) speaks LACP and nothing else.
PROTOCOLS = ("lacp", "failover", "loadbalance", "roundrobin", "broadcast")


@dataclass(frozen=True)
class Uplink:
    """What connects a switch to the world: an interface, a VLAN on it, or several as one.

    With members, parent is an aggr(4) or trunk(4) and they are its ports; protocol is that of the
    trunk(4).
    """

    parent: str
    vlan: int | None = None
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
    made = Uplink(**record(value, _PARSERS, "{vlan: 42, parent: em0}", required=["parent"]))
    driver = re.sub("[0-9]", "", made.parent)
    if made.members and driver not in ("aggr", "trunk"):
        raise Refused(
            f"members belong to an aggr(4) or trunk(4), and parent is {made.parent}; name it, as "
            f"in {{parent: aggr0, members: [em0, em1]}}"
        )
    of_trunk = bool(made.members) and driver == "trunk"
    if made.protocol is not None and not of_trunk:
        raise Refused("protocol is for members of a trunk(4); aggr(4) only has LACP")
    return replace(made, protocol=made.protocol or PROTOCOLS[0]) if of_trunk else made


def pf_uplink(value: object) -> str:
    """Return an interface of a switch that leads out, for rules of pf(4).

    A switch, an interface of the server's own and a VM's tap(4) lead nowhere. After the next boot
    a tap(4) may be another VM's, for which the rules of an uplink would let everything pass.
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


_PARSERS = {
    "vlan": lambda number: whole_number(number, 1, 4094),
    "parent": _outward,
    "members": lambda names: sequence(names, _outward, "interfaces, as in [em0, em1]"),
    "protocol": lambda word: choice(word, PROTOCOLS),
}
