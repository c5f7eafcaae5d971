# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""A pair(4) in the place of a vport(4), strangers in a switch, and the proof of a change."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import (
    EVERYBODYS,
    NOBODYS,
    PlanError,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.arguments import DocumentError
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.parts.taps import strangers
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.plan import Plan
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.text import (
    ifconfig as interface_listing,
)
from unit.plugin_utils._state.resources.switches import (
    ALL,
    FILES,
    OWN,
    UPLINK,
    VLAN,
    VPORT42,
    Link,
    marked,
    now,
    pf,
    planned,
    without,
    written,
)
from unit.plugin_utils._state.servers import change, changes, commands, notices, plan_on, undos

# A veb(4) of a server that had a vport(4) before: what the fleet model wants of it now.
ADDRESSES = ["203.0.113.2/24", "2001:db8:6::2/64"]
PORT: Link = {"name": "pair84"}
SWITCH: Link = {"name": "veb42", "members": ["vlan42", "pair84"], "without": ["vport42"]}
FORMER: Link = {
    "name": "vport42",
    "create": False,
    "up": False,
    "retired": True,
    "addresses": ADDRESSES,
}
HOST: Link = {"name": "pair85", "patch": "pair84", "addresses": ADDRESSES}
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
GROUP: Link = {"flags": [], "tap_group": "vmswitch"}


ADDRESS = "\tinet {} netmask 0xffffff00 broadcast {}.255\n"
A, B, NEW, OTHER = "203.0.113.2", "198.51.100.2", "203.0.113.9", "192.0.2.7"


def readdressed(live: str, *addresses: str, foreign: str = "", first: str = "") -> Plan:
    """A plan for pair85 with these addresses, where our lines have A and B."""
    files = {"pair85": foreign + marked(f"inet alias {A}/24\ninet alias {B}/24\nup\n")}
    host: Link = {"name": "pair85", "addresses": [f"{text}/24" for text in addresses]}
    host["first_address"] = first or addresses[0]
    return planned(live, host, files=files)


def shown(*addresses: str) -> str:
    lines = "".join(ADDRESS.format(text, text.rpartition(".")[0]) for text in addresses)
    head, _inet, _rest = (
        VPORT42.replace("vport42", "pair85").replace("vport", "pair").partition("\tinet ")
    )
    return head + lines


def alias(address: str) -> str:
    return f"ifconfig pair85 inet {address}/24 alias"


@pytest.mark.parametrize(
    ("live", "desired", "does", "undoes"),
    [
        # Another address, and a network that comes first from now on.
        ((A, B), (NEW, B), [alias(NEW), f"ifconfig pair85 inet {A} -alias", alias(B)],
         [alias(A), f"ifconfig pair85 inet {NEW} -alias", alias(A), alias(B)]),
        ((A, B), (NEW, A, B), [alias(NEW), alias(A), alias(B)],
         [f"ifconfig pair85 inet {NEW} -alias", alias(A), alias(B)]),
        ((A,), (NEW, A), [alias(NEW), alias(A)], [f"ifconfig pair85 inet {NEW} -alias"]),
        # Somebody else's address, which stays.
        ((OTHER, A, B), (A, B), [alias(OTHER)], [alias(OTHER), alias(A), alias(B)]),
        ((A, OTHER), (NEW,), [alias(NEW), f"ifconfig pair85 inet {A} -alias", alias(OTHER)],
         [alias(A), f"ifconfig pair85 inet {NEW} -alias", alias(A), alias(OTHER)]),
        # The first is the first.
        ((A, OTHER), (A, B), [alias(B)], [f"ifconfig pair85 inet {B} -alias"]),
        ((A, OTHER, B), (A, B), [], []),
    ],
)  # fmt: skip
def test_the_servers_first_address_is_the_first_there_is(
    live: t.Sequence[str], desired: t.Sequence[str], does: list[str], undoes: list[str]
) -> None:
    """dhcpd(8) answers from it, and a ping to all hosts comes from it."""
    made = readdressed(shown(*live), *desired)
    assert commands(made) == does
    assert undos(made) == undoes


def test_other_interfaces_keep_the_order_of_their_addresses() -> None:
    host = {"name": "pair85", "addresses": [f"{A}/24"]}
    assert commands(planned(shown(OTHER), host, files={})) == [alias(A)]
    # The server has its first address already, from lines of somebody else.
    assert commands(readdressed(shown(OTHER, A), A, B, first=OTHER)) == [alias(B)]
    assert commands(readdressed(shown(A, OTHER), A, B, first=OTHER)) == [alias(B), alias(A)]
    assert commands(readdressed(shown(A), A, B, first=OTHER)) == [alias(B)]


def test_a_line_that_puts_another_address_first_at_the_next_boot() -> None:
    made = readdressed(shown(A, OTHER), A, B, foreign=f"inet {OTHER} 255.255.255.0\n")
    (text,) = notices(made)
    assert text.startswith(
        f"network: /etc/hostname.pair85: gives pair85 the address {OTHER}/24 before {A}, so after "
    )
    assert text.endswith(f"move that line to the end of the file, as inet alias {OTHER}/24")
    lines = marked(f"inet alias {A}/24\nup\n") + f"inet alias {OTHER}/24\n"
    host = {"name": "pair85", "addresses": [f"{A}/24"], "first_address": A}
    after = planned(shown(A, OTHER), host, files={"pair85": lines})
    assert (after.steps, notices(after)) == ((), [])


def test_an_address_with_another_netmask_stays() -> None:
    made = planned(
        shown(A),
        {"name": "pair85", "addresses": [f"{A}/25"]},
        files={"pair85": marked(f"inet alias {A}/24\nup\n")},
    )
    assert commands(made) == [f"ifconfig pair85 inet {A}/25 alias"]
    assert undos(made) == [alias(A)]


def of_pf(ifconfig: str, **more: t.Any) -> Plan:
    return plan_on(pf(**more), now(ifconfig))


def test_every_tap_of_the_switch_is_put_into_its_group() -> None:
    assert commands(of_pf(STRANGER, **GROUP)) == ["ifconfig tap0 group vmswitch"]
    grouped = STRANGER.replace("\tgroups: tap", "\tgroups: tap vmswitch")
    assert commands(of_pf(grouped, **GROUP)) == []


def test_a_run_for_one_vm_may_put_vms_of_the_fleet_into_the_group() -> None:
    """Their rules come before those of the group; a stranger's network ends with it."""
    for listing, whose in ((ALL, NOBODYS), (STRANGER, EVERYBODYS)):
        grouped = listing.replace("\tgroups: tap", "\tgroups: tap vm1nic")
        assert change(of_pf(grouped, **GROUP), "put tap0 into the group vmswitch").vms == whose


def test_who_is_in_the_switch_without_a_vm_file_is_told() -> None:
    looks = STRANGER.replace("veb42: flags=8843<", "veb42: flags=8843<LINK1,")
    told, _of_the_vport = notices(of_pf(looks))
    begin = "pf: veb42: tap0 (vm3-if0-stranger) belongs to no VM of the fleet"
    assert told.startswith(begin)
    known = of_pf(STRANGER, other_vms=["stranger"])
    assert len(notices(known)) == 1
    assert commands(known) == ["ifconfig veb42 link1"]
    found = strangers(interface_listing.parse(STRANGER), "veb42", ["web1"])
    assert [one.name for one in found] == ["tap0"]


def test_a_vport_with_pf_on_the_ports_is_told() -> None:
    told = notices(of_pf(ALL))
    assert len(told) == 1
    assert "vport42 has an IPv4 address of this server, and with link1 veb(4)" in told[0]


@pytest.mark.parametrize("name", ["tap0", "tap", "tap9"])
def test_a_tap_is_no_interface_that_leads_out(name: str) -> None:
    with pytest.raises(
        DocumentError, match="belongs to a VM and may belong to another one after the next boot"
    ):
        pf(known=["em1", name])


def test_a_change_of_the_switch_ends_with_its_proof() -> None:
    proven = {"prove": "203.0.113.2"}
    grouped = ALL.replace("\tgroups: tap", "\tgroups: tap vm1nic")
    made = of_pf(grouped + "pair9999: flags=8843<UP> mtu 1500\n", **proven)
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
    assert changes(made) == ["change /etc/hostname.veb42", "set link1 of veb42"]
    there = grouped.replace("veb42: flags=8843<", "veb42: flags=8843<LINK1,")
    assert commands(of_pf(there, **proven)) == []
