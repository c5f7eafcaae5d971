# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The grammar of a VM's network interfaces and of their groups. All raise Refused."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ansible_collections.puffy.vmm.plugins.module_utils._grammar.addresses import mac
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.further import further
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.plain.values import (
    known_keys,
    matching,
    part,
)
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Refused, shown

# The name of an interface: IFNAMSIZ of OpenBSD's sys/net/if.h is 16, with the NUL byte.
INTERFACE_PATTERN = "(?=.{2,15}$)[a-z]+(?:0|[1-9][0-9]*)"

SWITCH_NAME_PATTERN = "[A-Za-z0-9][A-Za-z0-9_.-]{0,62}"

# priv_validgroup() of usr.sbin/vmd/priv.c and if_addgroup() of sys/net/if.c: fewer than IF_NAMESIZE
# characters, no digit last. Of the rest, pf.conf(5) and ifconfig(8) take these as one word.
GROUP_PATTERN = "[a-z](?:[a-z0-9_-]{0,13}[a-z])?"

# What a VM without a group of its own gets; see default_group().
_DEFAULT_GROUP = re.compile("vm[0-9]+nic")

# Groups that the kernel joins interfaces to by itself: if_addgroup() in sys/net and sys/net80211,
# and the name of each kind of interface that ifconfig(8) can create (ifconfig -C).
_KERNEL_GROUPS = frozenset(
    """
    aggr all bpe bridge carp egre egress enc eoip erspan etherip gif gre lo mgre mpe mpip mpw
    netboot nvgre pair pflog pflow pfsync ppp pppoe pppx rport sec svlan tap tpmr trunk tun veb
    vether vlan vport vxlan wg wlan
    """.split()
)
# Words that mean something else where pf.conf(5) has an interface.
_PF_WORDS = frozenset({"any", "none", "rdomain", "self"})
REFUSED_GROUPS = _KERNEL_GROUPS | _PF_WORDS

# vmd(8) puts the tap(4) of each VM of a server's first switch into it, whosever VM it is.
SWITCH_GROUP = "vmswitch"


@dataclass(frozen=True)
class FurtherInterface:
    """A network interface of a VM next to its first, as its file gives it."""

    switch: str
    mac: str | None = None
    group: str | None = None


def switch_name(value: object) -> str:
    """Return the name of a switch of vm.conf(5)."""
    return matching(
        value, SWITCH_NAME_PATTERN, "is not a name for a switch; use letters, digits, _ . and -"
    )


def group(value: object) -> str:
    """Return the name of an interface group."""
    text = matching(
        value,
        GROUP_PATTERN,
        "is not an interface group; use a-z, 0-9, _ and hyphens, a letter first and last, at most "
        "15 characters",
    )
    if text in REFUSED_GROUPS:
        raise Refused(f"{shown(text)} is a group or word that OpenBSD uses itself; choose another")
    if text == SWITCH_GROUP:
        raise Refused(f"{shown(text)} is the group of all VMs of a switch; choose another")
    if _DEFAULT_GROUP.fullmatch(text):
        raise Refused(f"{shown(text)} is the group of a VM that is given none; choose another")
    return text


def default_group(number: int) -> str:
    """Return the group of a VM that is given none: another one for each VM of a server."""
    return f"vm{number}nic"


def further_interfaces(value: object) -> tuple[FurtherInterface, ...]:
    """Return a VM's interfaces next to its first; there may be none."""
    return further(value, _interface, "interfaces, as in [{switch: backup}]")


def _interface(value: object) -> FurtherInterface:
    keys = ("switch", "mac", "group")
    given = known_keys(value, keys, "switch, mac and group, as in {switch: backup}")
    if "switch" not in given:
        raise Refused("switch is missing; give the name of a switch of the server")
    return FurtherInterface(
        part("switch", given, switch_name),
        part("mac", given, mac) if "mac" in given else None,
        part("group", given, group) if "group" in given else None,
    )
