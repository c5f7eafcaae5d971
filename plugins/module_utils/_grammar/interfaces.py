# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The grammar of a VM's network interfaces and of their groups. All raise Refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from ansible_collections.puffy.vmm.plugins.module_utils._grammar.addresses import ipv4, ipv6, mac
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.further import further
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.plain.values import (
    Parse,
    matching,
    record,
)
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Refused, shown

NETWORK_NAME_PATTERN = "[a-z][a-z0-9-]{0,30}"

SWITCH_NAME_PATTERN = "[A-Za-z0-9][A-Za-z0-9_.-]{0,62}"

# priv_validgroup() of usr.sbin/vmd/priv.c and if_addgroup() of sys/net/if.c: fewer than IF_NAMESIZE
# characters, no digit last. Of the rest, pf.conf(5) and ifconfig(8) take these as one word.
GROUP_PATTERN = "[a-z](?:[a-z0-9_-]{0,13}[a-z])?"

# What an interface without a group of its own gets; see default_group().
_DEFAULT_GROUP = re.compile("vm[0-9]+nic[b-d]?")

# Groups that the kernel itself puts interfaces into: if_addgroup() in sys/net and sys/net80211,
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

# vmd(8) puts the tap(4) of every VM of a switch with networks into it, whoever the VM belongs to.
SWITCH_GROUP = "vmswitch"


@dataclass(frozen=True)
class FurtherInterface:
    """A network interface of a VM besides its first, as its file gives it.

    One without network, ipv4 and ipv6 has no address.
    """

    switch: str
    mac: str | None = None
    group: str | None = None
    network: str | None = None
    ipv4: IPv4Address | None = None
    ipv6: IPv6Address | None = None

    @property
    def addresses(self) -> list[IPv4Address | IPv6Address]:
        """The addresses that it declares."""
        return [address for address in (self.ipv4, self.ipv6) if address is not None]

    @property
    def addressed(self) -> bool:
        """Whether it has addresses, and rules of pf(4)."""
        return self.network is not None or bool(self.addresses)


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


def network_name(value: object) -> str:
    """Return the name of a network of a server."""
    return matching(
        value,
        NETWORK_NAME_PATTERN,
        "is not a name for a network; use a-z, 0-9 and hyphens, a letter first, at most 31 "
        "characters",
    )


def default_group(number: int, place: int = 0) -> str:
    """Return the group of an interface that is given none, unique on its server.

    place counts the interfaces of a VM from 0.
    """
    return f"vm{number}nic{('', 'b', 'c', 'd')[place]}"


def further_interfaces(value: object) -> tuple[FurtherInterface, ...]:
    """Return a VM's interfaces besides its first; there may be none."""
    return further(value, _interface, "interfaces, as in [{switch: backup}]")


def _interface(value: object) -> FurtherInterface:
    return FurtherInterface(**record(value, _PARSERS, "{switch: backup}", required=["switch"]))


_PARSERS: Mapping[str, Parse] = {
    "switch": switch_name,
    "mac": mac,
    "group": group,
    "network": network_name,
    "ipv4": ipv4,
    "ipv6": ipv6,
}
