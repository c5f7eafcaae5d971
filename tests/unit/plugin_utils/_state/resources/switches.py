# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""A server's switch as ifconfig(8) of OpenBSD 7.8 lists it, and documents that want one."""

from __future__ import annotations

import typing as t

from ansible_collections.puffy.vmm.plugins.plugin_utils._state.document import Document
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.plan import Plan
from unit.plugin_utils._state.servers import Content, Server, plan_on, staged, wants

# As OpenBSD 7.8 prints them.
LO0 = """lo0: flags=2008049<UP,LOOPBACK,RUNNING,MULTICAST,LRO> mtu 32768
\tindex 3 priority 0 llprio 3
\tgroups: lo
\tinet6 ::1 prefixlen 128
\tinet6 fe80::1%lo0 prefixlen 64 scopeid 0x3
\tinet 127.0.0.1 netmask 0xff000000
"""
EM0 = """em0: flags=808843<UP,BROADCAST,RUNNING,SIMPLEX,MULTICAST,AUTOCONF4> mtu 1500
\tlladdr 52:54:00:12:34:56
\tindex 1 priority 0 llprio 3
\tgroups: egress
\tmedia: Ethernet autoselect (1000baseT full-duplex)
\tstatus: active
\tinet 192.0.2.10 netmask 0xffffff00 broadcast 192.0.2.255
"""
EM1 = """em1: flags=8802<BROADCAST,SIMPLEX,MULTICAST> mtu 1500
\tlladdr 52:54:00:12:34:57
\tindex 2 priority 0 llprio 3
\tmedia: Ethernet autoselect (none)
\tstatus: no carrier
"""
EM2 = EM1.replace("em1", "em2")
VLAN42 = """vlan42: flags=8943<UP,BROADCAST,RUNNING,PROMISC,SIMPLEX,MULTICAST> mtu 1500
\tlladdr 52:54:00:12:34:56
\tindex 8 priority 0 llprio 3
\tencap: vnetid 42 parent em0 txprio packet rxprio outer
\tgroups: vlan
\tmedia: Ethernet autoselect (1000baseT full-duplex)
\tstatus: active
"""
VPORT42 = """vport42: flags=8943<UP,BROADCAST,RUNNING,PROMISC,SIMPLEX,MULTICAST> mtu 1500
\tlladdr fe:e1:ba:d0:27:37
\tindex 6 priority 0 llprio 3
\tgroups: vport
\tinet 203.0.113.2 netmask 0xffffff00 broadcast 203.0.113.255
\tinet6 fe80::fce1:baff:fed0:2737%vport42 prefixlen 64 scopeid 0x6
\tinet6 2001:db8:6::2 prefixlen 64
"""
VEB42 = """veb42: flags=8843<UP,BROADCAST,RUNNING,SIMPLEX,MULTICAST>
\tdescription: switch1-uplink
\tindex 5 llprio 3
\tgroups: veb
\tvlan42 flags=3<LEARNING,DISCOVER>
\t\tport 8 ifpriority 0 ifcost 0
\tvport42 flags=3<LEARNING,DISCOVER>
\t\tport 6 ifpriority 0 ifcost 0
\ttap0 flags=3<LEARNING,DISCOVER>
\t\tport 12 ifpriority 0 ifcost 0
\tAddresses (max cache: 100, timeout: 240):
\t\tfe:e1:bb:d1:c8:07 tap0 1 flags=0<>
"""
TAP0 = """tap0: flags=8943<UP,BROADCAST,RUNNING,PROMISC,SIMPLEX,MULTICAST> mtu 1500
\tlladdr fe:e1:ba:d2:71:98
\tdescription: vm3-if0-web1
\tindex 12 priority 0 llprio 3
\tgroups: tap
\tstatus: active
"""
AGGR0 = """aggr0: flags=8843<UP,BROADCAST,RUNNING,SIMPLEX,MULTICAST> mtu 1500
\tlladdr fe:e1:ba:d3:00:01
\tindex 20 priority 0 llprio 7
\ttrunk: trunkproto lacp
\ttrunk id: [(8000,fe:e1:ba:d3:00:01,0001,0000,0000),
\t\t (FFFF,d4:20:b0:c1:00:01,00C1,0000,0000)]
\t\tem1 lacp actor system pri 0x8000 mac fe:e1:ba:d3:00:01, key 0x1, port pri 0x8000 number 0x2
\t\tem1 lacp actor state activity,aggregation,sync,collecting,distributing
\t\tem1 port active,collecting,distributing
\t\tem2 port\x20
\tgroups: aggr
\tmedia: Ethernet autoselect
\tstatus: active
"""
ALL = EM0 + LO0 + VEB42 + VPORT42 + VLAN42 + TAP0

Link = dict[str, t.Any]

UPLINK: Link = {"name": "em0", "create": False}
VLAN: Link = {"name": "vlan42", "vnetid": 42, "parent": "em0"}
VPORT: Link = {"name": "vport42", "addresses": ["203.0.113.2/24", "2001:db8:6::2/64"]}
VEB: Link = {"name": "veb42", "members": ["vlan42", "vport42"]}
LINKS = (UPLINK, VLAN, VPORT, VEB)
SWITCHES = [{"name": "uplink", "interface": "veb42"}]
OWN = {
    "em0": "",
    "vlan42": "vnetid 42 parent em0\nup\n",
    "vport42": "inet alias 203.0.113.2/24\ninet6 alias 2001:db8:6::2 64\nup\n",
    "veb42": "add vlan42\nadd vport42\nup\n",
}


def marked(text: str, name: str = "network") -> str:
    return f"# begin of puffy.vmm {name}\n{text}# end of puffy.vmm {name}\n" if text else ""


FILES = {name: marked(text) for name, text in OWN.items()} | {"em0": "inet autoconf\n"}


def now(ifconfig: str, files: t.Mapping[str, str] = FILES, mode: str = "0640") -> Server:
    things = {f"/etc/hostname.{name}": Content(x.encode(), mode) for name, x in files.items()}
    return Server(things, {"ifconfig -A": (0, ifconfig)})


def vms(**groups: str | None) -> list[dict[str, t.Any]]:
    """VMs, each with one interface in the switch, in this group."""
    return [
        {"name": name, "interfaces": [{"switch": "uplink", "group": group}]}
        for name, group in groups.items()
    ]


def network(*links: Link, name: str = "network", **groups: str | None) -> Document:
    desired = {"interfaces": list(links or LINKS), "switches": SWITCHES, "vms": vms(**groups)}
    return wants(name, links=desired)


def planned(ifconfig: str, *links: Link, files: t.Mapping[str, str] = FILES) -> Plan:
    return plan_on(network(*links, web1=None), now(ifconfig, files))


def written(made: Plan, name: str) -> str:
    return staged(made)[f"/etc/hostname.{name}"]


def without(text: str, *lines: str) -> str:
    """A listing without a line that begins so, and the detail line that may follow it."""
    for line in lines:
        assert f"\t{line}" in text
        before, _line, after = text.partition(f"\t{line}")
        after = after.partition("\n")[2]
        text = before + (after.partition("\n")[2] if after.startswith("\t\t") else after)
    return text


PF_VEB: Link = {
    "name": "veb42",
    "create": False,
    "up": False,
    "flags": ["link1"],
    "known": ["vlan42"],
}


def pf(interfaces: t.Sequence[str] = (), **more: t.Any) -> Document:
    """Options of the role pf on its veb(4), and what must be there for it."""
    links = {
        "interfaces": [{**PF_VEB, **more}],
        "switches": SWITCHES,
        "vms": vms(web1="vm1nic", db1="vm2nic"),
    }
    return wants("pf", links=links, interfaces=list(interfaces))
