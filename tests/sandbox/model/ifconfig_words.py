# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""ifconfig(8)'s words that are only counted, and what it makes of addresses."""

from __future__ import annotations

import ipaddress

# Words that are taken and have no effect here, by the number of their arguments.
_IGNORED = {
    0: "arp -arp debug -debug staticarp -staticarp autoconf -autoconf temporary -temporary monitor "
    "-monitor mpls -mpls tso -tso lro -lro wol -wol eui64 "
    "anycast -anycast tentative -tentative -priority flush flushall addr -tunnel -vnetflowid",
    1: "metric priority llprio media mediaopt -mediaopt instance mode -mode maxaddr timeout maxage "
    "fwddelay hellotime holdcnt spanpriority proto stp -stp edge -edge autoedge -autoedge ptp -ptp "
    "autoptp -autoptp discover -discover learn -learn blocknonip -blocknonip addspan delspan "
    "flushrule txprio rxprio rtlabel pltime vltime lacpmode "
    "lacptimeout -protected",
    2: "ifpriority ifcost protected tunnel static endpoint",
}
IGNORED = {word: count for count, words in _IGNORED.items() for word in words.split()}
TRUNK_PROTOCOLS = ("roundrobin", "failover", "lacp", "loadbalance", "none", "broadcast")
USAGE = (
    "usage: ifconfig [-AaC] [-M lladdr] [interface] [address_family]\n"
    "\t[address [dest_address]] [parameters]\n"
)


def class_length(address: ipaddress.IPv4Address) -> int:
    first = int(address) >> 24
    return 8 if first < 128 else 16 if first < 192 else 24


def link_local(lladdr: str) -> ipaddress.IPv6Address:
    octets = [int(octet, 16) for octet in lladdr.split(":")]
    octets[0] ^= 2
    return ipaddress.IPv6Address(
        bytes([0xFE, 0x80, *[0] * 6, *octets[:3], 0xFF, 0xFE, *octets[3:]])
    )
