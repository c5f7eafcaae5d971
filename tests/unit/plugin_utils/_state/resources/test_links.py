# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Network interfaces: the text of ifconfig(8) and hostname.if(5) files in, steps out."""

from __future__ import annotations

import typing as t
from dataclasses import replace

import pytest
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import PlanError, digest
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.document import (
    Document,
    DocumentError,
    Link,
    Tap,
    check,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.plan import Plan, plan
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.probe import Current, PathFacts
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.resources import (
    ifconfig as interface_listing,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.resources.links import warnings
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.resources.taps import strangers

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

UPLINK = Link("em0", create=False)
VLAN = Link("vlan42", vnetid=42, parent="em0")
VPORT = Link("vport42", addresses=("203.0.113.2/24", "2001:db8:6::2/64"))
VEB = Link("veb42", members=("vlan42", "vport42"), taps=(Tap("web1"),))
LINKS = (UPLINK, VLAN, VPORT, VEB)
OWN = {
    "em0": "",
    "vlan42": "vnetid 42 parent em0\nup\n",
    "vport42": "inet alias 203.0.113.2/24\ninet6 alias 2001:db8:6::2 64\nup\n",
    "veb42": "add vlan42\nadd vport42\nup\n",
}


def marked(text: str, name: str = "network") -> str:
    return f"# begin of puffy.vmm {name}\n{text}# end of puffy.vmm {name}\n" if text else ""


FILES = {name: marked(text) for name, text in OWN.items()} | {"em0": "inet autoconf\n"}


def now(ifconfig: str, files: t.Mapping[str, str] = FILES, mode: str = "0640") -> Current:
    read = {f"/etc/hostname.{name}": text.encode() for name, text in files.items()}
    paths: dict[str, PathFacts | None] = {
        path: PathFacts("file", mode, "root", "wheel", len(text), digest(text))
        for path, text in read.items()
    }
    paths["/etc"] = PathFacts("directory", "0755", "root", "wheel", 512)
    return Current(paths=paths, read=read, links=interface_listing.parse(ifconfig))


def planned(ifconfig: str, *links: Link, files: t.Mapping[str, str] = FILES) -> Plan:
    document = Document("network", links=links or LINKS)
    check([document])
    return plan([document], now(ifconfig, files))


def commands(made: Plan) -> list[str]:
    return [
        " ".join(step.fields["argv"]).removeprefix("/sbin/")
        for step in made.steps
        if step.do == "run"
    ]


def undos(made: Plan) -> list[str]:
    return [
        " ".join(back["argv"]).removeprefix("/sbin/")
        for step in reversed(made.steps)
        for back in step.fields.get("undo", ())
    ]


def written(made: Plan, name: str) -> str:
    (step,) = (x for x in made.steps if x.do == "stage" and x.fields["path"].endswith(f".{name}"))
    return (step.content or b"").decode()


def without(text: str, *lines: str) -> str:
    """A listing without a line that begins so, and the detail line that may follow it."""
    for line in lines:
        assert f"\t{line}" in text
        before, _line, after = text.partition(f"\t{line}")
        after = after.partition("\n")[2]
        text = before + (after.partition("\n")[2] if after.startswith("\t\t") else after)
    return text


def test_what_ifconfig_tells() -> None:
    found = interface_listing.parse(ALL + AGGR0)
    assert list(found) == ["em0", "lo0", "veb42", "vport42", "vlan42", "tap0", "aggr0"]
    assert found["em0"].addresses == ("192.0.2.10/24",)
    assert found["em0"].flags >= {"UP", "RUNNING"}
    assert (found["vlan42"].vnetid, found["vlan42"].parent) == (42, "em0")
    assert found["veb42"].members == ("vlan42", "vport42", "tap0")
    assert found["veb42"].description == "switch1-uplink"
    assert found["vport42"].addresses[-1] == "2001:db8:6::2/64"
    assert (found["tap0"].description, found["tap0"].groups) == ("vm3-if0-web1", ("tap",))
    assert (found["aggr0"].ports, found["aggr0"].protocol) == (("em1", "em2"), "lacp")


def test_a_server_without_anything_gets_it_all_and_a_way_back() -> None:
    made = planned(EM0, files={"em0": "inet autoconf\n"})
    assert commands(made) == [
        "ifconfig vlan42 create",
        "ifconfig vlan42 vnetid 42 parent em0 up",
        "ifconfig vport42 create",
        "ifconfig vport42 inet 203.0.113.2/24 alias",
        "ifconfig vport42 inet6 2001:db8:6::2 prefixlen 64 alias",
        "ifconfig vport42 up",
        "ifconfig veb42 create",
        "ifconfig veb42 add vlan42",
        "ifconfig veb42 add vport42",
        "ifconfig veb42 up",
    ]
    assert undos(made) == [
        "ifconfig veb42 down",
        "ifconfig veb42 del vport42",
        "ifconfig veb42 del vlan42",
        "ifconfig veb42 destroy",
        "ifconfig vport42 down",
        "ifconfig vport42 inet6 2001:db8:6::2 -alias",
        "ifconfig vport42 inet 203.0.113.2 -alias",
        "ifconfig vport42 destroy",
        "ifconfig vlan42 destroy",
    ]
    for name in ("vlan42", "vport42", "veb42"):
        assert written(made, name) == FILES[name]
    modes = {step.fields["mode"] for step in made.steps if step.do == "stage"}
    assert modes == {"0640"}
    destroys = [
        back
        for step in made.steps
        for back in step.fields.get("undo", ())
        if "destroy" in back["argv"]
    ]
    assert all(back["unless"]["argv"] == back["argv"][:2] for back in destroys)


def test_nothing_is_done_where_all_is_there() -> None:
    assert planned(ALL).steps == ()


BRIDGE42 = """bridge42: flags=41<UP,RUNNING> mtu 1500
\tindex 7 llprio 3
\tgroups: bridge
\tpriority 32768 hellotime 2 fwddelay 15 maxage 20 holdcnt 6 proto rstp
\tdesignated: id 00:00:00:00:00:00 priority 0
\tvlan42 flags=3<LEARNING,DISCOVER>
\t\tport 8 ifpriority 0 ifcost 0
\tAddresses (max cache: 100, timeout: 240):
"""
ADDRESS = "\tinet 198.51.100.2 netmask 0xffffff00 broadcast 198.51.100.255\n"
BRIDGE = (
    UPLINK,
    replace(VLAN, addresses=("198.51.100.2/24",)),
    Link("bridge42", members=("vlan42",)),
)
BRIDGE_FILES = {
    "em0": "up\n",
    "vlan42": marked("vnetid 42 parent em0\ninet alias 198.51.100.2/24\nup\n"),
    "bridge42": marked("add vlan42\nup\n"),
}


def test_a_bridge_leaves_its_members_their_addresses() -> None:
    text = EM0 + VLAN42 + ADDRESS + BRIDGE42
    assert planned(text, *BRIDGE, files=BRIDGE_FILES).steps == ()
    made = planned(EM0 + VLAN42 + ADDRESS, *BRIDGE, files=BRIDGE_FILES)
    assert commands(made) == [
        "ifconfig bridge42 create",
        "ifconfig bridge42 add vlan42",
        "ifconfig bridge42 up",
    ]


AGGR = (
    Link("em1", create=False),
    Link("em2", create=False),
    Link("aggr0", ports=("em1", "em2")),
    Link("vlan42", vnetid=42, parent="aggr0"),
)

DRIFT: dict[str, tuple[str, list[str]]] = {
    "a member was taken out": (
        without(ALL, "vlan42 flags=3"), ["ifconfig veb42 add vlan42"],
    ),
    "the address is gone": (
        without(ALL, "inet 203.0.113.2"), ["ifconfig vport42 inet 203.0.113.2/24 alias"],
    ),
    "the address has another netmask": (
        ALL.replace("inet 203.0.113.2 netmask 0xffffff00", "inet 203.0.113.2 netmask 0xffff0000"),
        ["ifconfig vport42 inet 203.0.113.2/24 alias"],
    ),
    "the IPv6 address is gone": (
        without(ALL, "inet6 2001:db8:6::2"),
        ["ifconfig vport42 inet6 2001:db8:6::2 prefixlen 64 alias"],
    ),
    "the switch is down": (
        ALL.replace("veb42: flags=8843<UP,", "veb42: flags=8802<"), ["ifconfig veb42 up"],
    ),
    "the uplink is down": (ALL.replace("em0: flags=808843<UP,", "em0: flags=8802<"),
                           ["ifconfig em0 up"]),
    "the vlan has another parent": (
        ALL.replace("vnetid 42 parent em0", "vnetid 42 parent em1"),
        ["ifconfig vlan42 down vnetid 42 parent em0 up"],
    ),
    "the vlan is new and has none": (
        ALL.replace("vnetid 42 parent em0", "vnetid none parent none"),
        ["ifconfig vlan42 down vnetid 42 parent em0 up"],
    ),
    "the switch was destroyed: a running VM's tap goes back into the new one": (
        EM0 + VPORT42 + VLAN42 + TAP0,
        ["ifconfig veb42 create", "ifconfig veb42 add vlan42", "ifconfig veb42 add vport42",
         "ifconfig veb42 add tap0", "ifconfig veb42 up"],
    ),
    "foreign members, addresses, flags and taps of unknown VMs are left alone": (
        EM0 + EM1 + VLAN42 + TAP0 + TAP0.replace("tap0", "tap7").replace("web1", "lab")
        + VPORT42 + "\tinet 198.51.100.7 netmask 0xffffff00 broadcast 198.51.100.255\n"
        + VEB42.replace("MULTICAST>", "LINK0,MULTICAST>")
        + "\tem1 flags=3<LEARNING,DISCOVER>\n\t\tport 2 ifpriority 0 ifcost 0\n",
        [],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DRIFT)
def test_drift_is_repaired_by_single_commands(name: str) -> None:
    text, wanted = DRIFT[name]
    assert commands(planned(text)) == wanted


def test_no_carrier_is_told() -> None:
    current = now(EM0 + EM1 + VLAN42)
    links = (UPLINK, Link("em1", create=False), VLAN)
    (text,) = warnings(Document("network", links=links), current)
    assert text == "network: em1 has no carrier: look at its cable and its switch"


def test_ports_of_an_aggregated_uplink() -> None:
    made = planned(EM0 + EM1 + EM2, *AGGR, files={})
    assert commands(made) == [
        "ifconfig em1 up",
        "ifconfig em2 up",
        "ifconfig aggr0 create",
        "ifconfig aggr0 trunkport em1",
        "ifconfig aggr0 trunkport em2",
        "ifconfig aggr0 up",
        "ifconfig vlan42 create",
        "ifconfig vlan42 vnetid 42 parent aggr0 up",
    ]
    assert written(made, "aggr0") == marked("trunkport em1\ntrunkport em2\nup\n")
    assert written(made, "em1") == marked("up\n")
    trunk = replace(AGGR[2], name="trunk0", protocol="failover")
    made = planned(EM1 + EM2, *AGGR[:2], trunk, files={})
    assert "ifconfig trunk0 trunkproto failover" in commands(made)
    assert written(made, "trunk0").splitlines()[1] == "trunkproto failover"


def test_what_our_lines_put_there_is_taken_away_and_nothing_else() -> None:
    vport = replace(VPORT, addresses=("203.0.113.3/24",))
    veb = replace(VEB, members=("vport42",))
    text = ALL.replace("inet6 2001", "inet 198.51.100.7 netmask 0xffffff00\n\tinet6 2001")
    made = planned(text, UPLINK, vport, veb)
    assert commands(made) == [
        "ifconfig vport42 inet 203.0.113.3/24 alias",
        "ifconfig vport42 inet 203.0.113.2 -alias",
        "ifconfig vport42 inet6 2001:db8:6::2 -alias",
        "ifconfig veb42 del vlan42",
    ]
    assert undos(made)[0] == "ifconfig veb42 add vlan42"
    # The same without our lines in the files: somebody else put them there.
    foreign = {"em0": "up\n", "vport42": OWN["vport42"], "veb42": OWN["veb42"]}
    assert commands(planned(text, UPLINK, vport, veb, files=foreign)) == [
        "ifconfig vport42 inet 203.0.113.3/24 alias"
    ]


ADOPTED = {
    "vlan42": ("vnetid 42 parent em0\nup\n", ""),
    "vport42": (
        "# by hand\ninet 203.0.113.2 255.255.255.0\ninet6 2001:db8:6::2 64\n"
        "inet alias 198.51.100.7/24\nup\n",
        "# by hand\ninet alias 198.51.100.7/24\n",
    ),
    "veb42": (
        'add vport42\nadd em5\nadd vlan42\ndescription "x; $y"\nup',
        'add em5\ndescription "x; $y"\n',
    ),
}


def test_a_network_that_is_there_is_taken_over_without_touching_it() -> None:
    files = {"em0": "inet autoconf\n"} | {name: old for name, (old, _new) in ADOPTED.items()}
    made = planned(ALL, files=files)
    assert commands(made) == []
    for name, (_old, rest) in ADOPTED.items():
        assert written(made, name) == rest + FILES[name]
    # Once taken over, our lines stay where they are, and other people's around them.
    after = {name: written(made, name) + "!echo $if\n" for name in ADOPTED}
    assert planned(ALL, files={"em0": "inet autoconf\n"} | after).steps == ()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("inet autoconf\n", False),
        ("dhcp\n", False),
        ("inet 192.0.2.10 255.255.255.0 192.0.2.255 description 'x'\n", False),
        ("mtu 9000 up\n", False),
        ("mtu 9000\n", True),
        ("# up\n", True),
        ("mtu 9000", True),
    ],
)
def test_an_uplink_is_brought_up_at_boot_if_nothing_else_does(text: str, line: bool) -> None:
    made = planned(ALL, files=FILES | {"em0": text})
    if not line:
        assert made.steps == ()
        return
    expected = text.rstrip("\n") + "\n" + marked("up\n")
    assert written(made, "em0") == expected
    assert planned(ALL, files=FILES | {"em0": expected}).steps == ()


def test_a_file_that_others_could_read_is_closed() -> None:
    document = Document("network", links=LINKS)
    made = plan([document], now(ALL, mode="0644"))
    assert {step.fields["mode"] for step in made.steps} == {"0640"}
    assert {step.do for step in made.steps} == {"attributes"}
    assert plan([document], now(ALL, mode="0600")).steps == ()


PF_VEB = Link(
    "veb42",
    create=False,
    up=False,
    flags=("link1",),
    known=("vlan42",),
    taps=(Tap("web1", "vm1nic"), Tap("db1", "vm2nic")),
)


def test_a_running_vm_gets_its_group_before_pf_looks() -> None:
    document = Document("pf", links=(PF_VEB,))
    made = plan([document], now(ALL))
    assert commands(made) == ["ifconfig tap0 group vm1nic", "ifconfig veb42 link1"]
    assert written(made, "veb42") == FILES["veb42"] + marked("link1\n", "pf")
    text = ALL.replace("groups: tap", "groups: tap vm2nic vm1nic other")
    made = plan([document], now(text.replace("veb42: flags=8843<", "veb42: flags=8843<LINK1,")))
    assert commands(made) == ["ifconfig tap0 -group vm2nic"]


def test_a_look_at_a_new_server_takes_the_switch_for_granted() -> None:
    current = replace(now(EM0, files={}), interfaces=frozenset({"veb42"}))
    made = plan([Document("pf", links=(PF_VEB,), interfaces=("veb42",))], current)
    assert commands(made) == ["ifconfig veb42 link1"]
    with pytest.raises(PlanError, match="there is no interface veb42 on this server"):
        plan([Document("pf", links=(PF_VEB,), interfaces=("veb42",))], now(EM0, files={}))


def test_pf_does_not_look_at_a_port_that_no_rule_is_for() -> None:
    text = ALL.replace("web1", "stranger")
    with pytest.raises(PlanError, match=r"its member tap0 \(vm3-if0-stranger\) is of no VM"):
        plan([Document("pf", links=(PF_VEB,))], now(text))
    # Once it looks, a stranger does not stop a run.
    text = text.replace("veb42: flags=8843<", "veb42: flags=8843<LINK1,")
    assert commands(plan([Document("pf", links=(PF_VEB,))], now(text))) == []


def test_a_long_name_is_cut_in_a_description() -> None:
    name = "w" * 63
    text = TAP0.replace("vm3-if0-web1", f"vm3-if0-{name}"[:63])
    link = replace(VEB, members=(), taps=(Tap(name),))
    assert "ifconfig veb42 add tap0" in commands(
        planned(VEB42.partition("\tvlan42")[0] + text, link)
    )


REFUSED: dict[str, tuple[str, tuple[Link, ...], str]] = {
    "a wrong parent": (
        EM0 + LO0 + EM1, (Link("em9", create=False), replace(VLAN, parent="em9")),
        "network: em9: there is no interface em9 on this server; it has em0, em1: correct",
    ),
    "no uplink at all": (LO0, (UPLINK,), "it has none that leads out"),
    "a member that is elsewhere": (
        ALL.replace("veb42", "veb7"), LINKS, "vlan42 is in veb7 already; take it out there first",
    ),
    "a port that is elsewhere": (
        EM1 + EM2 + AGGR0.replace("aggr0", "trunk1"), AGGR, "em1 is in trunk1 already",
    ),
    "an interface in use, which a veb would take away from the server": (
        EM0, (UPLINK, Link("veb42", members=("em0",))),
        "em0 has the address 192.0.2.10/24, which the server could not use any more",
    ),
    "one that waits for an address": (
        "".join(EM0.partition("\tinet ")[:1]), (UPLINK, Link("veb42", members=("em0",))),
        "em0 has addresses by autoconf, which the server could not use any more",
    ),
    "the same of a port": (
        EM0, (UPLINK, Link("aggr0", ports=("em0",))), "em0 has the address 192.0.2.10/24",
    ),
    "an address that is somewhere else on the server": (
        EM0.replace("192.0.2.10", "203.0.113.2"), LINKS, "em0 has the address 203.0.113.2 already",
    ),
    "a VLAN that somebody else has": (
        EM0 + VLAN42.replace("vlan42", "vlan7"), LINKS, "VLAN 42 of em0 is vlan7 already",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_said_before_anything_is_done(name: str) -> None:
    text, links, message = REFUSED[name]
    with pytest.raises(PlanError) as caught:
        planned(text, *links, files={})
    assert message in str(caught.value)


def test_a_bridge_may_have_an_interface_in_use_as_a_member() -> None:
    made = planned(EM0, UPLINK, Link("bridge0", members=("em0",)), files={})
    assert "ifconfig bridge0 add em0" in commands(made)


@pytest.mark.parametrize(
    "text",
    [
        "# begin of puffy.vmm network\nup\n",
        "up\n# end of puffy.vmm network\n",
        "# end of puffy.vmm network\n# begin of puffy.vmm network\n",
        marked("up\n") + marked("up\n"),
    ],
)
def test_damaged_marks_are_not_guessed_at(text: str) -> None:
    with pytest.raises(PlanError, match="the marks of our lines are damaged"):
        planned(ALL, files=FILES | {"veb42": text})


@pytest.mark.parametrize(
    "link",
    [
        Link("veb0;reboot"),
        Link("veb0", members=("em0 up;id",)),
        Link("aggr0", ports=("$(id)",)),
        Link("vlan1", vnetid=1, parent="em0`id`"),
        Link("vlan1", vnetid=4095, parent="em0"),
        Link("vlan1", vnetid=1),
        Link("vport0", addresses=("203.0.113.1",)),
        Link("vport0", addresses=("203.0.113.1/24;id",)),
        Link("vport0", addresses=("2001:DB8::1/64",)),
        Link("trunk0", protocol="lacp;id"),
        Link("veb0", flags=("up;id",)),
        Link("veb0", taps=(Tap("web1", "vm1"),)),
        Link("veb0", taps=(Tap("web1", "a;id"),)),
    ],
)
def test_what_a_shell_would_read_is_names_and_addresses_only(link: Link) -> None:
    with pytest.raises(DocumentError):
        check([Document("network", links=(link,))])


# A veb(4) of a server that had a vport(4) before: what the fleet model wants of it now.
ADDRESSES = ("203.0.113.2/24", "2001:db8:6::2/64")
PORT = Link("pair84")
SWITCH = Link("veb42", members=("vlan42", "pair84"), without=("vport42",), taps=(Tap("web1"),))
FORMER = Link("vport42", create=False, up=False, retired=True, addresses=ADDRESSES)
HOST = Link("pair85", patch="pair84", addresses=ADDRESSES)
PAIR = (UPLINK, VLAN, PORT, SWITCH, FORMER, HOST)
MOVED = [
    "ifconfig pair84 create",
    "ifconfig pair84 up",
    "ifconfig veb42 add pair84",
    "ifconfig veb42 del vport42",
    "ifconfig vport42 inet 203.0.113.2 -alias",
    "ifconfig vport42 inet6 2001:db8:6::2 -alias",
    "ifconfig pair85 create",
    "ifconfig pair85 patch pair84",
    "ifconfig pair85 inet 203.0.113.2/24 alias",
    "ifconfig pair85 inet6 2001:db8:6::2 prefixlen 64 alias",
    "ifconfig pair85 up",
]


@pytest.mark.parametrize("whose", ["ours", "by hand"])
def test_the_server_moves_from_a_vport_to_a_pair_in_one_change(whose: str) -> None:
    by_hand = {**FILES, **{name: OWN[name] for name in ("vport42", "veb42")}}
    made = planned(ALL, *PAIR, files=by_hand if whose == "by hand" else FILES)
    assert commands(made) == MOVED
    # The way back begins with what was done last.
    assert undos(made)[-6:] == [
        "ifconfig vport42 inet6 2001:db8:6::2 prefixlen 64 alias",
        "ifconfig vport42 inet 203.0.113.2/24 alias",
        "ifconfig veb42 add vport42",
        "ifconfig veb42 del pair84",
        "ifconfig pair84 down",
        "ifconfig pair84 destroy",
    ]
    assert written(made, "vport42") == ""
    assert "vport42" not in written(made, "veb42")
    assert "patch pair84\ninet alias 203.0.113.2/24\n" in written(made, "pair85")
    # No tap is touched.
    assert not any("tap" in command for command in commands(made))


def test_a_vport_of_somebody_else_keeps_its_lines() -> None:
    """It has none of the addresses; that it is up is none of our business."""
    text = ALL.replace("203.0.113.2 ", "198.51.100.2 ").replace("2001:db8:6::2", "2001:db8:7::2")
    made = planned(text, FORMER, files={"vport42": "inet 198.51.100.2/24\nup\n"})
    assert made.steps == ()


def test_further_addresses_are_not_cut_off_with_the_vport() -> None:
    text = ALL.replace(
        "\tinet 203.0.113.2 ", "\tinet 198.51.100.9 netmask 0xffffff00\n\tinet 203.0.113.2 "
    )
    with pytest.raises(PlanError, match=r"vport42: it has the address 198\.51\.100\.9/24 too"):
        planned(text, *PAIR)


@pytest.mark.parametrize("patched", ["pair84", "pair85"])
def test_a_pair_of_somebody_else_is_not_taken(patched: str) -> None:
    text = ALL + "".join(
        f"{name}: flags=8843<UP> mtu 1500\n\tindex {50 + number}\n"
        + ("\tpatch: pair7\n" if name == patched else "")
        for number, name in enumerate(("pair84", "pair85"))
    )
    with pytest.raises(PlanError, match=f"{patched} is patched to pair7 already; set vmm_host_int"):
        planned(text, *PAIR)


def test_a_pair_that_is_there_stays() -> None:
    text = without(ALL, "inet 203.0.113.2", "inet6 2001:db8:6::2")
    text = text.replace("\tvport42 flags=3", "\tpair84 flags=3")
    text += "pair84: flags=8943<UP> mtu 1500\n\tpatch: pair85\n"
    text += (
        "pair85: flags=8843<UP> mtu 1500\n\tpatch: pair84\n"
        "\tinet6 2001:db8:6::2 prefixlen 64\n\tinet 203.0.113.2 netmask 0xffffff00\n"
    )
    own = {"vlan42": OWN["vlan42"], "veb42": "add vlan42\nadd pair84\nup\n", "pair84": "up\n"}
    own["pair85"] = "patch pair84\n" + OWN["vport42"]
    files = {name: marked(line) for name, line in own.items()} | {"em0": "inet autoconf\n"}
    assert planned(text, *PAIR, files=files).steps == ()


STRANGER = ALL.replace("web1", "stranger")
GROUP = replace(PF_VEB, flags=(), tap_group="vmswitch")


def of_pf(ifconfig: str, link: Link) -> Plan:
    return plan([Document("pf", links=(link,))], now(ifconfig))


def test_every_tap_of_the_switch_is_put_into_its_group() -> None:
    assert commands(of_pf(STRANGER, GROUP)) == ["ifconfig tap0 group vmswitch"]
    grouped = STRANGER.replace("\tgroups: tap", "\tgroups: tap vmswitch")
    assert commands(of_pf(grouped, GROUP)) == []


def test_who_is_in_the_switch_without_a_vm_file_is_told() -> None:
    told, _of_the_vport = warnings(Document("pf", links=(PF_VEB,)), now(STRANGER))
    assert told.startswith("pf: veb42: tap0 (vm3-if0-stranger) is of no VM of the fleet")
    known = replace(PF_VEB, other_vms=("stranger",))
    assert len(list(warnings(Document("pf", links=(known,)), now(STRANGER)))) == 1
    assert commands(of_pf(STRANGER, known)) == ["ifconfig veb42 link1"]
    found = strangers(interface_listing.parse(STRANGER), "veb42", ["web1"])
    assert [one.name for one in found] == ["tap0"]


def test_a_vport_with_pf_on_the_ports_is_told() -> None:
    told = list(warnings(Document("pf", links=(PF_VEB,)), now(ALL)))
    assert len(told) == 1
    assert "vport42 has an IPv4 address of this server, and with link1 veb(4)" in told[0]


@pytest.mark.parametrize("name", ["tap0", "tap", "tap9"])
def test_a_tap_is_no_interface_that_leads_out(name: str) -> None:
    with pytest.raises(
        DocumentError, match="is a VM's and may be another VM's after the next boot"
    ):
        check([Document("pf", links=(Link("veb42", known=("em1", name)),))])


def test_a_change_of_the_switch_ends_with_its_proof() -> None:
    proven = replace(PF_VEB, taps=(Tap("web1"),), prove="203.0.113.2")
    made = of_pf(ALL + "pair9999: flags=8843<UP> mtu 1500\n", proven)
    assert commands(made) == [
        "ifconfig veb42 link1",
        "ifconfig pair9998 create",
        "ifconfig pair9997 create",
        "ifconfig pair9998 patch pair9997 up",
        "ifconfig pair9997 up",
        "ifconfig veb42 add pair9997",
        "ifconfig pair9997 destroy",
        "ifconfig pair9998 destroy",
    ]
    (hears,) = [step for step in made.steps if step.do == "hear"]
    assert hears.fields["argv"][-10:] == [
        "pair9998", "icmp", "and", "src", "host", "203.0.113.2", "and", "dst", "host", "224.0.0.1"
    ]  # fmt: skip
    assert made.changes == ("change /etc/hostname.veb42", "set link1 of veb42")
    there = ALL.replace("veb42: flags=8843<", "veb42: flags=8843<LINK1,")
    assert commands(of_pf(there, proven)) == []
