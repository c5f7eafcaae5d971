# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Network interfaces: the text of ifconfig(8) and hostname.if(5) files in, steps out."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import EVERYBODYS, PlanError
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.arguments import DocumentError
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.text import (
    ifconfig as interface_listing,
)
from unit.plugin_utils._state.resources.switches import (
    AGGR0,
    ALL,
    EM0,
    EM1,
    EM2,
    FILES,
    LINKS,
    LO0,
    OWN,
    TAP0,
    UPLINK,
    VEB,
    VEB42,
    VLAN,
    VLAN42,
    VPORT,
    VPORT42,
    Link,
    marked,
    network,
    now,
    pf,
    planned,
    without,
    written,
)
from unit.plugin_utils._state.servers import (
    change,
    commands,
    notices,
    plan_on,
    staged,
    undos,
    wants,
)


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


def test_addresses_of_an_interface_with_one_other_end() -> None:
    """in_alias() and in6_alias() of sbin/ifconfig/ifconfig.c."""
    text = """gif0: flags=8051<UP,POINTOPOINT,RUNNING,MULTICAST> mtu 1280
\tindex 9 priority 0 llprio 6
\tencap: txprio payload rxprio payload
\tgroups: gif
\ttunnel: inet 192.0.2.1 --> 192.0.2.2 ttl 64 nodf ecn
\tinet 198.51.100.1 --> 198.51.100.2 netmask 0xffffffff
\tinet6 fe80::fce1:baff:fed0:2737%gif0 -->  prefixlen 64 scopeid 0x9
\tinet6 2001:db8:7::1 --> 2001:db8:7::2 prefixlen 128
"""
    assert interface_listing.parse(text)["gif0"].addresses == (
        "198.51.100.1/32",
        "fe80::fce1:baff:fed0:2737/64",
        "2001:db8:7::1/128",
    )


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
    assert {found.vms for _name, found in made.changes} == {EVERYBODYS}
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
BRIDGE: tuple[Link, ...] = (
    UPLINK,
    VLAN | {"addresses": ["198.51.100.2/24"]},
    {"name": "bridge42", "members": ["vlan42"]},
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


AGGR: tuple[Link, ...] = (
    {"name": "em1", "create": False},
    {"name": "em2", "create": False},
    {"name": "aggr0", "ports": ["em1", "em2"]},
    {"name": "vlan42", "vnetid": 42, "parent": "aggr0"},
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
    text, desired = DRIFT[name]
    assert commands(planned(text)) == desired


def test_no_carrier_is_shown() -> None:
    made = planned(EM0 + EM1 + VLAN42, UPLINK, {"name": "em1", "create": False}, VLAN)
    assert notices(made) == ["network: em1: has no carrier: look at its cable and its switch"]


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
    trunk = AGGR[2] | {"name": "trunk0", "protocol": "failover"}
    made = planned(EM1 + EM2, *AGGR[:2], trunk, files={})
    assert "ifconfig trunk0 trunkproto failover" in commands(made)
    assert written(made, "trunk0").splitlines()[1] == "trunkproto failover"


def test_packets_that_hardware_has_joined_reach_no_switch() -> None:
    """netstart(8) leads an aggr(4) to its ports only after a switch has it: LRO would stay on."""
    em1 = EM1.replace("8802<", "2008802<").replace("MULTICAST>", "MULTICAST,LRO>")
    ports = tuple({**port, "lro": False} for port in AGGR[:2])
    made = planned(em1 + EM2, *ports, *AGGR[2:], files={"em2": "inet autoconf\n"})
    assert commands(made)[:3] == ["ifconfig em1 -tcplro", "ifconfig em1 up", "ifconfig em2 up"]
    assert undos(made)[-1] == "ifconfig em1 tcplro"
    assert written(made, "em1") == marked("-tcplro\nup\n")
    assert written(made, "em2") == "inet autoconf\n" + marked("-tcplro\n")
    files = {name: written(made, name) for name in ("em1", "em2")}
    assert staged(planned(EM1 + EM2, *ports, files=files)) == {}


def test_what_our_lines_put_there_is_taken_away_and_nothing_else() -> None:
    vport = VPORT | {"addresses": ["203.0.113.3/24"]}
    veb = VEB | {"members": ["vport42"]}
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
    made = plan_on(network(), now(ALL, mode="0644"))
    assert {step.fields["mode"] for step in made.steps} == {"0640"}
    assert {step.do for step in made.steps} == {"attributes"}
    assert plan_on(network(), now(ALL, mode="0600")).steps == ()


def test_a_running_vm_gets_its_group_before_pf_looks() -> None:
    made = plan_on(pf(), now(ALL))
    assert commands(made) == ["ifconfig tap0 group vm1nic", "ifconfig veb42 link1"]
    assert written(made, "veb42") == FILES["veb42"] + marked("link1\n", "pf")
    assert change(made, "put tap0 of web1 into the group vm1nic").vms == {"web1"}
    text = ALL.replace("groups: tap", "groups: tap vm2nic vm1nic other")
    made = plan_on(pf(), now(text.replace("veb42: flags=8843<", "veb42: flags=8843<LINK1,")))
    assert commands(made) == ["ifconfig tap0 -group vm2nic"]
    assert change(made, "take tap0 of web1 out of the group vm2nic").vms == {"web1"}


def test_a_tap_that_goes_back_into_its_switch_is_its_vms() -> None:
    made = planned(EM0 + VPORT42 + VLAN42 + TAP0)
    assert change(made, "put tap0 of web1 back into veb42").vms == {"web1"}


def test_a_new_server_has_the_switch_that_an_earlier_document_makes() -> None:
    server = now(EM0, files={}).plus(outputs={"ifconfig veb42": (1, "")})
    second = pf(interfaces=["veb42"])
    made = plan_on([network(), second], server)
    assert commands(made)[-1] == "ifconfig veb42 link1"
    assert [part.name for part in made.parts] == ["network", "pf"]
    assert written(made, "veb42") == FILES["veb42"] + marked("link1\n", "pf")
    with pytest.raises(PlanError, match="interface veb42: does not exist on this server"):
        plan_on([second], server)


def test_pf_does_not_look_at_a_port_that_no_rule_is_for() -> None:
    text = ALL.replace("web1", "stranger")
    with pytest.raises(PlanError, match=r"its member tap0 \(vm3-if0-stranger\) belongs to no VM"):
        plan_on(pf(), now(text))
    # Once it looks, a stranger does not stop a run.
    text = text.replace("veb42: flags=8843<", "veb42: flags=8843<LINK1,")
    assert commands(plan_on(pf(), now(text))) == []


def test_a_member_that_an_earlier_document_takes_out_is_a_stranger_to_nobody() -> None:
    files = FILES | {"veb42": marked("add em1\n" + OWN["veb42"])}
    text = ALL.replace(VEB42, VEB42 + "\tem1 flags=3<LEARNING,DISCOVER>\n\t\tport 2 ifpriority 0\n")
    made = plan_on([network(web1="vm1nic"), pf()], now(EM1 + text, files))
    assert "ifconfig veb42 del em1" in commands(made)
    assert commands(made)[-1] == "ifconfig veb42 link1"


def test_a_flag_that_an_earlier_document_unsets_is_set_again() -> None:
    first: Link = {"name": "veb42", "create": False, "up": False}
    documents = [
        wants("first", links={"interfaces": [first]}),
        wants("second", links={"interfaces": [first | {"flags": ["link1"]}]}),
    ]
    text = ALL.replace("veb42: flags=8843<", "veb42: flags=8843<LINK1,")
    files = FILES | {"veb42": marked("link1\n", "first")}
    made = plan_on(documents, now(text, files))
    assert commands(made) == ["ifconfig veb42 -link1", "ifconfig veb42 link1"]


def test_what_an_earlier_document_makes_is_not_made_again() -> None:
    aggr = {"name": "trunk0", "ports": ["em1"], "protocol": "failover"}
    documents = [network(VLAN, VPORT, aggr), network(VLAN, VPORT, aggr, name="more")]
    made = plan_on(documents, now(EM0 + EM1, files={}))
    assert len(commands(made)) == len(commands(plan_on(documents[:1], now(EM0 + EM1, files={}))))


def test_a_long_name_is_cut_in_a_description() -> None:
    name = "w" * 63
    text = TAP0.replace("vm3-if0-web1", f"vm3-if0-{name}"[:63])
    groups: dict[str, t.Any] = {name: None}
    document = network(VEB | {"members": []}, **groups)
    made = plan_on(document, now(VEB42.partition("\tvlan42")[0] + text))
    assert "ifconfig veb42 add tap0" in commands(made)


REFUSED: dict[str, tuple[str, tuple[Link, ...], str]] = {
    "a wrong parent": (
        EM0 + LO0 + EM1, ({"name": "em9", "create": False}, VLAN | {"parent": "em9"}),
        "network: em9: there is no interface em9 on this server; it has em0, em1: correct",
    ),
    "no uplink at all": (LO0, (UPLINK,), "it has none that leads out"),
    "a member that is elsewhere": (
        ALL.replace("veb42", "veb7"), LINKS, "vlan42 is in veb7 already; remove it there first",
    ),
    "a port that is elsewhere": (
        EM1 + EM2 + AGGR0.replace("aggr0", "trunk1"), AGGR, "em1 is in trunk1 already",
    ),
    "an interface in use, which a veb would take away from the server": (
        EM0, (UPLINK, {"name": "veb42", "members": ["em0"]}),
        "em0 has the address 192.0.2.10/24, which the server could not use any more",
    ),
    "one that waits for an address": (
        "".join(EM0.partition("\tinet ")[:1]), (UPLINK, {"name": "veb42", "members": ["em0"]}),
        "em0 has addresses by autoconf, which the server could not use any more",
    ),
    "the same of a port": (
        EM0, (UPLINK, {"name": "aggr0", "ports": ["em0"]}), "em0 has the address 192.0.2.10/24",
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
    made = planned(EM0, UPLINK, {"name": "bridge0", "members": ["em0"]}, files={})
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
        {"name": "veb0;reboot"},
        {"name": "veb0", "members": ["em0 up;id"]},
        {"name": "aggr0", "ports": ["$(id)"]},
        {"name": "vlan1", "vnetid": 1, "parent": "em0`id`"},
        {"name": "vlan1", "vnetid": 4095, "parent": "em0"},
        {"name": "vlan1", "vnetid": 1},
        {"name": "vport0", "addresses": ["203.0.113.1"]},
        {"name": "vport0", "addresses": ["203.0.113.1/24;id"]},
        {"name": "vport0", "addresses": ["2001:DB8::1/64"]},
        {"name": "trunk0", "protocol": "lacp;id"},
        {"name": "veb0", "flags": ["up;id"]},
    ],
)
def test_what_a_shell_would_read_is_names_and_addresses_only(link: Link) -> None:
    with pytest.raises(DocumentError):
        network(link)


@pytest.mark.parametrize("group", ["vm1", "a;id", "x" * 16])
def test_groups_that_vmd_would_not_take(group: str) -> None:
    with pytest.raises(DocumentError, match="is not an interface group"):
        network(VEB, web1=group)


def test_no_interfaces_ask_nothing() -> None:
    assert wants(links={"interfaces": []}).wants == {}
