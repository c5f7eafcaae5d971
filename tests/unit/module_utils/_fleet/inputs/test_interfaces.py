# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Further network interfaces of VMs, their switches, MACs and groups."""

from __future__ import annotations

import re

import pytest
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.interfaces import derived_mac
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.model import server_variables
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.addresses import mac, mac_text
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.interfaces import (
    default_group,
    group,
)
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Refused
from hypothesis import given
from hypothesis import strategies as st
from unit.fleets import SERVERS, build, ledger, ledger_texts, problems, server, vm

SWITCHES = [{"name": "backup", "interface": "veb1"}]
WITH_BACKUP = {**SERVERS, "server6": server(switches=SWITCHES)}
MACS = st.integers(1, 2**48 - 1).filter(lambda number: not number >> 40 & 1).map(mac_text)


def test_interfaces_are_listed_after_the_first() -> None:
    text = vm(
        "number: 7",
        "group: customer-web",
        "interfaces: [{switch: backup, group: backup}, {switch: uplink, mac: 'FA:00:00:00:00:01'}]",
    )
    fleet = build({"web1.yml": text}, servers=WITH_BACKUP)
    described = server_variables(fleet, "server6")
    (web1,) = described["vmm_vms"]
    addresses = {"network": "default", "ipv4": "203.0.113.16", "ipv6": "2001:db8:6::16"}
    none: dict[str, object] = {"network": None, "ipv4": None, "ipv6": None}
    assert web1["interfaces"] == [
        {"switch": "uplink", "mac": "fe:e1:bb:d1:c8:07", "group": "customer-web", **addresses},
        {"switch": "backup", "mac": "fa:e1:bb:d1:c8:07", "group": "backup", **none},
        {"switch": "uplink", "mac": "fa:00:00:00:00:01", "group": None, **none},
    ]
    assert described["vmm_host"]["switches"] == [
        {"name": "uplink", "interface": "veb0", "group": "vmswitch"},
        {"name": "backup", "interface": "veb1", "group": None},
    ]
    assert described["vmm_host"]["tap_count"] == 13
    assert (
        "other_macs: [fa:e1:bb:d1:c8:07, fa:00:00:00:00:01]}" in ledger_texts(fleet)["server6.yml"]
    )


def test_no_interface_more_can_be_written_too() -> None:
    (web1,) = build({"web1.yml": vm("interfaces: []")}).vms
    assert len(web1.interfaces) == 1


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("interfaces: backup", "'backup' is not a list; give a list of interfaces, as in "
         "[{switch: backup}]"),
        ("interfaces: [backup]", "item 1: 'backup' is not a mapping; give switch, mac, group, "
         "network, ipv4 and ipv6, as in {switch: backup}"),
        ("interfaces: [{mac: fa:e1:bb:d1:c8:07}]", "item 1: switch is missing; give it, as in "
         "{switch: backup}"),
        ("interfaces: [{switch: backup, ip: 192.0.2.1}]", "item 1: 'ip' is unknown; give "
         "switch, mac, group, network, ipv4 and ipv6, as in {switch: backup}"),
        ("interfaces: [{switch: backup, network: LAN}]", "item 1: network: 'LAN' is not a name for "
         "a network; use a-z, 0-9 and hyphens, a letter first, at most 31 characters"),
        ("interfaces: [{switch: backup, network: lan}]", "network: 'lan' is not a network of "
         "server6; use one of default, or add it to vmm_networks"),
        ("interfaces: [{switch: backup, network: default}]", "the network default is on the switch "
         "uplink, and the interface on backup; name the same switch for both"),
        ("interfaces: [{switch: backup, ipv4: 192.0.2.1}]", "192.0.2.1 is not a usable address of "
         "any network of server6"),
        ("interfaces: [{switch: 'a\" b'}]", "item 1: switch: 'a\" b' is not a name for a switch; "
         "use letters, digits, _ . and -"),
        ("interfaces: [{switch: backup, mac: 'ff:e1:bb:d1:c8:07'}]", "item 1: mac: "
         "'ff:e1:bb:d1:c8:07' is a multicast address; the second digit of a VM's MAC is even"),
        ("interfaces: [{switch: backup, group: egress}]", "item 1: group: 'egress' is a group or "
         "word that OpenBSD uses itself; choose another"),
        ("interfaces: [{switch: a}, {switch: a}, {switch: a}, {switch: a}]", "are 4; vmd(8) gives "
         "a VM at most 4, so list at most 3 besides the first"),
        ("interfaces: [{switch: storage}]", "'storage' is not a switch of server6; use one of "
         "uplink, backup, or add it to vmm_switches"),
        ("interfaces: [{switch: backup, mac: 'fe:e1:bb:d1:c8:01'}]", "the MAC fe:e1:bb:d1:c8:01 "
         "belongs to another interface of this VM; give the interface another one with mac"),
        ("interfaces: [{switch: a.b, mac: 'fe:e1:bb:d1:c8:02'}]", "fe:e1:bb:d1:c8:02 is also the "
         "MAC of web2 (vms/web2.yml); every VM needs its own"),
    ],
)  # fmt: skip
def test_what_interfaces_do_not_take(line: str, complaint: str) -> None:
    switches = [*SWITCHES, {"name": "a.b", "interface": "veb2"}]
    servers = {"server6": server(switches=switches if "a.b" in line else SWITCHES)}
    vms = {"web1.yml": vm("number: 1", line), "web2.yml": vm("number: 2", "mac: fe:e1:bb:d1:c8:02")}
    complaints = problems(vms, servers=servers)
    # Until web1's MACs are known, no other VM is given any.
    waiting = [
        line for line in complaints if line.startswith("server6: web2 waits for addresses: ")
    ]
    assert [line for line in complaints if line not in waiting] == [
        f"vms/web1.yml: interfaces: {complaint}"
    ]


def test_a_number_whose_further_macs_are_taken_is_not_handed_out() -> None:
    vms = {
        "a.yml": vm("number: 9", "interfaces: [{switch: backup, mac: 'fa:e1:bb:d1:c8:01'}]"),
        "b.yml": vm("interfaces: [{switch: backup}]"),
        "c.yml": vm(),
    }
    fleet = build(vms, servers=WITH_BACKUP)
    assert {machine.name: machine.number for machine in fleet.vms} == {"a": 9, "b": 2, "c": 1}


def test_derived_macs_of_two_prefixes_can_clash() -> None:
    servers = {**WITH_BACKUP, "server7": {**SERVERS["server7"], "vmm_mac_prefix": "fa:e1:bb:d1:c8"}}
    vms = {
        "a.yml": vm("number: 7", server="server7"),
        "b.yml": vm("number: 7", "interfaces: [{switch: backup}]"),
    }
    assert problems(vms, servers=servers) == [
        "vms/b.yml: interfaces: the MAC fa:e1:bb:d1:c8:07 belongs to a (vms/a.yml); give the "
        "interface another one with mac"
    ]


def test_reserved_macs_are_not_derived() -> None:
    servers = {"server6": server(switches=SWITCHES, reserved=["fa:e1:bb:d1:c8:07"])}
    vms = {"a.yml": vm("number: 7", "interfaces: [{switch: backup}]")}
    assert problems(vms, servers=servers) == [
        "vms/a.yml: interfaces: the MAC fa:e1:bb:d1:c8:07 is reserved by vmm_reserved of server6; "
        "give the interface another one with mac"
    ]


def test_the_macs_of_interfaces_that_are_gone_stay_taken() -> None:
    first = build({"a.yml": vm("interfaces: [{switch: backup}]")}, servers=WITH_BACKUP)
    texts = ledger_texts(first)
    assert ledger_texts(build({"a.yml": vm()}, texts, WITH_BACKUP)) == texts
    thief = vm("interfaces: [{switch: backup, mac: 'fa:e1:bb:d1:c8:01'}]")
    assert problems({"b.yml": thief}, texts, WITH_BACKUP) == [
        "vms/b.yml: interfaces: fa:e1:bb:d1:c8:01 is also the MAC of a (allocations/server6.yml); "
        "a no longer exists but keeps it while its line is there, so use another"
    ]
    assert problems({"a.yml": vm(), "b.yml": vm("mac: fa:e1:bb:d1:c8:01")}, texts) == [
        "vms/b.yml: mac: fa:e1:bb:d1:c8:01 is also the MAC of a (allocations/server6.yml); every "
        "VM needs its own"
    ]


@given(MACS, MACS, st.integers(1, 3), st.integers(1, 3))
def test_derived_macs(first: str, other: str, place: int, second: int) -> None:
    derived = derived_mac(first, place)
    assert mac(derived) == derived != first
    assert int(derived[:2], 16) & 3 == 2
    assert (derived == derived_mac(first, second)) == (place == second)
    if int(first[:2], 16) & int(other[:2], 16) & 2:
        assert (derived == derived_mac(other, place)) == (first == other)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("vm7", "is not an interface group; use a-z, 0-9, _ and hyphens, a letter first and last, "
         "at most 15 characters"),
        ("abcdefghijklmnop", "is not an interface group; use a-z, 0-9, _ and hyphens, a letter "
         "first and last, at most 15 characters"),
        ("tap", "is a group or word that OpenBSD uses itself; choose another"),
        ("all", "is a group or word that OpenBSD uses itself; choose another"),
        ("self", "is a group or word that OpenBSD uses itself; choose another"),
        ("vm8nic", "is the group of a VM that is given none; choose another"),
    ],
)  # fmt: skip
def test_what_is_no_group(text: str, complaint: str) -> None:
    assert problems({"a.yml": vm(f"group: {text}")}) == [f"vms/a.yml: group: '{text}' {complaint}"]


def test_a_group_belongs_to_one_vm_of_a_server() -> None:
    vms = {
        "a.yml": vm("group: web"),
        "b.yml": vm("group: web"),
        "c.yml": vm("interfaces: [{switch: uplink, group: web}]"),
        "d.yml": vm("group: web", server="server7"),
        "e.yml": vm("interfaces: [{switch: uplink, group: lan}, {switch: uplink, group: lan}]"),
    }
    assert problems(vms) == [
        "vms/b.yml: group: web is also the group of a on server6 (vms/a.yml); every VM needs its "
        "own",
        "vms/c.yml: interfaces: web is the group of a's first interface; use another",
    ]


@given(st.text(max_size=17) | st.from_regex("[a-z0-9_-]{1,17}", fullmatch=True))
def test_a_group_is_one_that_vmd_takes(text: str) -> None:
    """priv_validgroup() of vmd and if_addgroup() of the kernel: 1 to 15 bytes, no digit last."""
    try:
        taken = group(text)
    except Refused:
        return
    assert taken == text
    assert len(text.encode()) < 16
    assert not re.search("[0-9]$", text)


@given(st.integers(1, 65535))
def test_a_default_group_is_no_group_that_can_be_given(number: int) -> None:
    with pytest.raises(Refused):
        group(default_group(number))
    assert len(default_group(number)) < 16
    assert not default_group(number)[-1].isdigit()


@pytest.mark.parametrize(
    ("switches", "complaint"),
    [
        ("veb1", "'veb1' is not a list; give a list of switches, as in [{name: backup, interface: "
         "veb1}]"),
        ([{"name": "backup"}], "item 1: interface is missing; give it, as in {name: backup, "
         "interface: veb1}"),
        ([{"name": "backup", "interface": "em0"}], "item 1: interface: 'em0' is not a switch; use "
         "one such as veb0 or bridge0"),
        ([{"name": "uplink", "interface": "veb1"}], "uplink belongs to two switches, vmm_switch "
         "counted; use another one"),
        ([{"name": "backup", "interface": "veb0"}], "veb0 belongs to two switches, vmm_switch "
         "counted; use another one"),
    ],
)  # fmt: skip
def test_what_switches_do_not_take(switches: object, complaint: str) -> None:
    assert problems({}, servers={"server6": server(switches=switches)}) == [
        f"server6: vmm_switches: {complaint}"
    ]


def test_there_may_be_no_further_switch() -> None:
    assert problems({}, servers={"server6": server(switches=[])}) == []


def test_a_ledger_is_told_what_it_does_not_take() -> None:
    lines = ledger("web1: {number: 7, other_macs: [fe:e1:bb:d1:c8]}")
    assert problems({"web1.yml": vm()}, {"server6.yml": lines}) == [
        "allocations/server6.yml: web1: other_macs: item 1: 'fe:e1:bb:d1:c8' is not a MAC address; "
        "use two hexadecimal digits per octet and colons, such as fe:e1:bb:d1:c8:07"
    ]
