# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Routes to what is behind VMs: live by route(8), and in hostname.if(5) files."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import PlanError
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.arguments import DocumentError
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.parts.hostname_if import read
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.plan import Plan
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.text.routes import parse
from unit.plugin_utils._state.resources.switches import EM0, LO0, VPORT42, now
from unit.plugin_utils._state.servers import changes, commands, plan_on, staged, undos, wants

# As show.c of OpenBSD 7.8 prints them: IPv4 networks without octets that are 0 at their end.
TABLE = """Routing tables

Internet:
Destination        Gateway            Flags   Refs      Use   Mtu  Prio Iface
default            192.0.2.1          UGS        5       12     -     8 em0
10.0.2/24          10.0.2.15          UCn        1        0     -     4 em0
198.51.100.48/29   link#6             UCS        0        0     -     8 vport42
203.0.113.9        fe:e1:bb:d1:c8:07  UHLc       0        0     -     3 vport42

Internet6:
Destination   Gateway   Flags   Refs   Use   Mtu  Prio Iface
::/96   ::1   UGRS   0   0 32768   8 lo0
2001:db8:100:7::/64   2001:db8:6::16   UGS   0   0   -   8 vport42
fe80::%vport42/64   fe80::fce1:baff:fed0:2737%vport42  UCn   0   0   -   4 vport42
"""
WEB1 = {"to": "2001:db8:100:7::/64", "by": "2001:db8:6::16", "vm": "web1"}
DB1 = {"to": "2001:db8:100:8::/64", "by": "2001:db8:6::17", "vm": "db1"}
BLOCK = {"to": "198.51.100.48/29"}
OURS = """# begin of puffy.vmm rad
# VM web1
!route -q add -inet6 2001:db8:100:7::/64 2001:db8:6::16
# end of puffy.vmm rad
"""


# A single address that is routed to vport42, as the kernel lists it once somebody asked by ARP.
SINGLE = {"to": "198.51.100.241/32", "vm": "web1"}
OUR_SINGLE = """# begin of puffy.vmm rad
# VM web1
!route -q add -inet 198.51.100.241/32 -cloning -link -iface vport42
# end of puffy.vmm rad
"""
ENTRY = "198.51.100.241     fe:e1:bb:d1:c8:07  UHLc       0        3     -     7 vport42\n"
ROUTE = "198.51.100.241     link#6             UHCS       0        3     -     8 vport42\n"


def planned(*routes: dict[str, str], file: str = "", table: str = TABLE) -> Plan:
    return planned_on({"vport42": file} if file else {}, table, vport42=routes)


def planned_on(files: dict[str, str], table: str, **links: t.Sequence[dict[str, str]]) -> Plan:
    wanted = [
        {"name": name, "create": False, "up": False, "routes": list(routes)}
        for name, routes in links.items()
    ]
    server = now(LO0 + EM0 + VPORT42, files).plus(outputs={"route -n show": (0, table)})
    return plan_on(wants("rad", links={"interfaces": wanted}), server)


def whose(plan: Plan) -> set[frozenset[str]]:
    return {change.vms for _name, change in plan.changes}


def test_a_table_of_routes() -> None:
    more = """192.0.2.9          00:00:5e:00:53:07  UHLS       0        0     -     8 em0
192.0.2.10         fe:e1:bb:d1:c8:00  UHLl       0        0     -     1 em0
192.0.2.11         192.0.2.10         UHS        0        0     -     8 em0
192.0.2.255        192.0.2.10         UHb        0        0     -     1 em0
"""
    assert parse(TABLE + ENTRY + ROUTE + more) == {
        "10.0.2.0/24": ("the network of em0",),
        "192.0.2.11/32": ("192.0.2.10",),
        "198.51.100.48/29": ("vport42",),
        "198.51.100.241/32": ("vport42",),
        "::/96": ("::1",),
        "2001:db8:100:7::/64": ("2001:db8:6::16",),
    }


@pytest.mark.parametrize(
    "entry",
    [
        ENTRY,
        # Where the address is one of the server's own network outside: ARP, answered or not.
        ENTRY.replace("vport42", "em0"),
        ENTRY.replace("vport42", "em0").replace("UHLc ", "UHRLc"),
    ],
)
def test_an_entry_of_arp_is_not_a_route(entry: str) -> None:
    add = "route -n add -inet 198.51.100.241/32 -cloning -link -iface vport42"
    assert commands(planned(SINGLE, file=OUR_SINGLE, table=entry)) == [add]
    assert commands(planned(SINGLE, file=OUR_SINGLE, table=entry + ROUTE)) == []
    # It is gone with what it followed from.
    assert commands(planned(file=OUR_SINGLE, table=entry)) == []


def test_a_single_address_that_goes_away() -> None:
    """Without its priority, route(8) would delete the entry of ARP and leave the route."""
    plan = planned(file=OUR_SINGLE, table=ENTRY + ROUTE)
    delete = "route -n delete -inet 198.51.100.241/32 -priority static"
    assert commands(plan) == [delete]
    assert undos(planned(SINGLE, table="")) == [delete]


def test_a_route_that_moves_to_another_interface() -> None:
    """The kernel takes no second route of the same priority."""
    files = {"vport42": OUR_SINGLE}
    plan = planned_on(files, ENTRY + ROUTE, em0=[SINGLE], vport42=[])
    assert commands(plan) == [
        "route -n delete -inet 198.51.100.241/32 -priority static",
        "route -n add -inet 198.51.100.241/32 -cloning -link -iface em0",
    ]


def test_an_address_takes_its_routes_with_it() -> None:
    """rt_ifa_purge() of sys/net/route.c deletes them when the address goes."""
    delete = "route -n delete -inet 198.51.100.241/32 -priority static"
    add = "route -n add -inet 198.51.100.241/32 -cloning -link -iface vport42"
    own = OUR_SINGLE.replace("# VM", "inet alias 203.0.113.2/24\n# VM")
    link = {"name": "vport42", "create": False, "up": False, "routes": [SINGLE]}
    link["addresses"] = ["203.0.113.9/24"]
    server = now(LO0 + EM0 + VPORT42, {"vport42": own})
    server = server.plus(outputs={"route -n show": (0, ENTRY + ROUTE)})
    plan = plan_on(wants("rad", links={"interfaces": [link]}), server)
    give = "ifconfig vport42 inet 203.0.113.9/24 alias"
    take = "ifconfig vport42 inet 203.0.113.2 -alias"
    assert commands(plan) == [delete, give, take, add]
    # The address is there again before the route is.
    assert undos(plan)[0] == delete
    assert undos(plan)[-1] == add
    # What belongs to other families stays.
    link["routes"] = [WEB1]
    server = now(
        LO0 + EM0 + VPORT42, {"vport42": OURS.replace("# VM", "inet alias 203.0.113.2/24\n# VM")}
    )
    server = server.plus(outputs={"route -n show": (0, TABLE)})
    plan = plan_on(wants("rad", links={"interfaces": [link]}), server)
    assert commands(plan) == [give, take]


@pytest.mark.parametrize(
    ("entry", "by"),
    [
        (ROUTE.replace("vport42", "em0"), "em0"),
        (ROUTE.replace("vport42", "em0").replace("UHCS", "UCn "), "the network of em0"),
        (ROUTE.replace("link#6", "192.0.2.9").replace("UHCS", "UGHS"), "192.0.2.9"),
    ],
)
def test_a_route_of_somebody_else_to_a_single_address(entry: str, by: str) -> None:
    with pytest.raises(PlanError, match=f"a route to 198.51.100.241/32 by {by} already; delete"):
        planned(SINGLE, table=ENTRY + entry)


def test_what_is_lacking_is_added() -> None:
    plan = planned(WEB1, DB1, BLOCK)
    # The others are there already.
    assert commands(plan) == ["route -n add -inet6 2001:db8:100:8::/64 2001:db8:6::17"]
    (text,) = staged(plan).values()
    assert text.splitlines() == [
        "# begin of puffy.vmm rad",
        "# VM web1",
        "!route -q add -inet6 2001:db8:100:7::/64 2001:db8:6::16",
        "# VM db1",
        "!route -q add -inet6 2001:db8:100:8::/64 2001:db8:6::17",
        "!route -q add -inet 198.51.100.48/29 -cloning -link -iface vport42",
        "# end of puffy.vmm rad",
    ]


def test_nothing_is_left_to_do() -> None:
    assert changes(planned(WEB1, file=OURS)) == []


def test_a_route_belongs_to_its_vm() -> None:
    """A run for one VM touches no other, not even in a file that several have lines in."""
    plan = planned(WEB1, DB1, file=OURS)
    assert whose(plan) == {frozenset({"db1"})}
    plan = planned(file=OURS)
    assert whose(plan) == {frozenset({"web1"})}
    assert commands(plan) == ["route -n delete -inet6 2001:db8:100:7::/64 2001:db8:6::16"]


def test_a_vm_with_another_address() -> None:
    plan = planned({**WEB1, "by": "2001:db8:6::99"}, file=OURS)
    assert commands(plan) == [
        "route -n delete -inet6 2001:db8:100:7::/64 2001:db8:6::16",
        "route -n add -inet6 2001:db8:100:7::/64 2001:db8:6::99",
    ]


def test_a_route_of_somebody_else_stays() -> None:
    with pytest.raises(PlanError, match="there is a route to 2001:db8:100:7::/64 by 2001:db8:6::16 "
                       "already; delete it"):  # fmt: skip
        planned({**WEB1, "by": "2001:db8:6::99"})
    # It was taken away by hand, and so is nobody's business any more.
    assert commands(planned(file=OURS, table="")) == []


@pytest.mark.parametrize(
    "route",
    [
        {"to": "2001:db8:100:7::/64", "by": "203.0.113.1"},
        {"to": "2001:db8:100:7::1/64", "by": "2001:db8:6::16"},
        {"to": "203.0.113.0/24; reboot"},
        {"to": "203.0.113.0/24", "by": "$(reboot)"},
        {"to": "203.0.113.0/24", "by": "192.0.2.1", "vm": "a\nreboot"},
    ],
)
def test_what_netstart_may_not_read(route: dict[str, t.Any]) -> None:
    with pytest.raises(DocumentError, match="is not a route"):
        planned(route)


def test_other_lines_are_not_taken_for_routes() -> None:
    assert read("!route add -inet 192.0.2.0/24 203.0.113.9") is None
