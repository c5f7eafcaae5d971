# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Numbers, MACs and addresses: who gets which, and what clashes."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from unit.core.factory import (
    SERVER6,
    SERVER7,
    build,
    ledger,
    ledger_texts,
    problems,
    server,
    vm,
)


def handed_out(
    vms: Mapping[str, str],
    ledgers: Mapping[str, str] | None = None,
    servers: Mapping[str, Mapping[str, object]] | None = None,
) -> dict[str, tuple[int, str, str, str | None]]:
    return {
        one.name: (one.number, one.mac[-2:], str(one.ipv4), str(one.ipv6) if one.ipv6 else None)
        for one in build(vms, ledgers, servers).vms
    }


def numbers(
    vms: Mapping[str, str],
    ledgers: Mapping[str, str] | None = None,
    servers: Mapping[str, Mapping[str, object]] | None = None,
) -> dict[str, int]:
    return {name: values[0] for name, values in handed_out(vms, ledgers, servers).items()}


WEB1 = "web1: {number: 7, mac: fe:e1:bb:d1:c8:07, ipv4: 203.0.113.16, ipv6: 2001:db8:6::16}"


def test_the_lowest_numbers_in_the_order_of_names() -> None:
    assert handed_out({"web2.yml": vm(), "web1.yml": vm(), "db1.yml": vm(server="server7")}) == {
        "web1": (1, "01", "203.0.113.10", "2001:db8:6::10"),
        "web2": (2, "02", "203.0.113.11", "2001:db8:6::11"),
        "db1": (1, "01", "198.51.100.10", None),
    }


def test_the_ledger_comes_first() -> None:
    found = handed_out({"a.yml": vm(), "web1.yml": vm()}, {"server6.yml": ledger(WEB1)})
    assert found["web1"] == (7, "07", "203.0.113.16", "2001:db8:6::16")
    assert found["a"][0] == 1


def test_what_the_ledger_lacks_follows_from_its_number() -> None:
    found = handed_out({"web1.yml": vm()}, {"server6.yml": ledger("web1: {number: 7}")})
    assert found["web1"] == (7, "07", "203.0.113.16", "2001:db8:6::16")


def test_the_ledger_is_the_truth_and_not_the_prefix() -> None:
    servers = {"server6": server(mac_prefix="fe:e1:bb:d1:ff", ipv4_range=None)}
    fleet = build({"web1.yml": vm()}, {"server6.yml": ledger(WEB1)}, servers)
    assert ledger_texts(fleet)["server6.yml"].endswith(f"  {WEB1}\n")


def test_explicit_values_win() -> None:
    explicit = vm(
        "number: 3", "mac: fe:e1:bb:00:00:02", "ipv4: 203.0.113.250", "ipv6: 2001:db8:6::2"
    )
    assert handed_out({"web1.yml": explicit}) == {
        "web1": (3, "02", "203.0.113.250", "2001:db8:6::2")
    }


def test_explicit_values_of_later_files_are_kept_free() -> None:
    vms = {
        "a.yml": vm(),
        "b.yml": vm(),
        "w.yml": vm("ipv6: 2001:db8:6::13"),
        "x.yml": vm("number: 1"),
        "y.yml": vm("mac: fe:e1:bb:d1:c8:02"),
        "z.yml": vm("ipv4: 203.0.113.12"),
    }
    found = numbers(vms)
    assert (found["x"], found["a"], found["b"]) == (1, 5, 6)
    # Each of these stands in its own way for the others only.
    assert (found["w"], found["y"], found["z"]) == (4, 2, 3)


def test_a_number_without_free_values_serves_who_brings_its_own() -> None:
    own = vm("mac: fe:e1:bb:00:00:01", "ipv4: 203.0.113.240", "ipv6: 2001:db8:6::f0")
    servers = {"server6": server(reserved=["203.0.113.10"])}
    assert numbers({"a.yml": vm(), "b.yml": own}, servers=servers) == {"b": 1, "a": 2}


@pytest.mark.parametrize(
    "reserved",
    [
        [1],
        ["1"],
        ["fe:e1:bb:d1:c8:01"],
        ["FE:E1:BB:D1:C8:01"],
        ["203.0.113.10"],
        ["203.0.113.5-203.0.113.10"],
        ["203.0.113.8 - 203.0.113.10"],
        ["203.0.113.8/30", 2],
        ["2001:db8:6::10"],
        ["2001:db8:6::/124", "2001:db8:6::10-2001:db8:6::10"],
    ],
)
def test_what_is_reserved_is_skipped(reserved: list[object]) -> None:
    servers = {"server6": server(reserved=reserved)}
    (number,) = numbers({"a.yml": vm()}, servers=servers).values()
    assert number == (3 if len(reserved) == 2 and 2 in reserved else 2)


def test_gateways_and_servers_are_skipped_over_the_whole_fleet() -> None:
    servers = {
        "server6": server(ipv4_range=None, server_ipv4="203.0.113.2", reserved=["203.0.113.3"]),
        "server7": server(ipv4_range=None, mac_prefix="fe:e1:bb:d1:c9", server_ipv4="203.0.113.4"),
    }
    assert handed_out({"a.yml": vm()}, servers=servers)["a"][2] == "203.0.113.5"


def test_servers_on_one_network_share_it() -> None:
    servers = {"server6": SERVER6, "server7": server(mac_prefix="fe:e1:bb:d1:c9")}
    vms = {
        "a.yml": vm(),
        "b.yml": vm(server="server7"),
        "c.yml": vm(),
        "d.yml": vm(server="server7"),
    }
    assert handed_out(vms, servers=servers) == {
        "a": (1, "01", "203.0.113.10", "2001:db8:6::10"),
        "c": (2, "02", "203.0.113.11", "2001:db8:6::11"),
        "b": (3, "03", "203.0.113.12", "2001:db8:6::12"),
        "d": (4, "04", "203.0.113.13", "2001:db8:6::13"),
    }


def test_servers_with_one_prefix_share_it() -> None:
    servers = {"server6": SERVER6, "server7": {**SERVER7, "vmm_mac_prefix": "fe:e1:bb:d1:c8"}}
    vms = {"a.yml": vm(), "b.yml": vm(server="server7")}
    assert numbers(vms, servers=servers) == {"a": 1, "b": 2}


def test_a_vm_that_is_gone_keeps_its_numbers() -> None:
    old = "old: {number: 1, mac: fe:e1:bb:d1:c8:02, ipv4: 203.0.113.12, ipv6: 2001:db8:6::13}"
    fleet = build({"new.yml": vm()}, {"server6.yml": ledger(old)})
    assert fleet.vms[0].number == 5
    assert f"  {old}\n" in ledger_texts(fleet)["server6.yml"]


def test_a_vm_that_comes_back_has_its_numbers_again() -> None:
    first = build({"a.yml": vm(), "b.yml": vm()})
    second = build({"b.yml": vm()}, ledger_texts(first))
    third = build({"a.yml": vm(), "b.yml": vm(), "c.yml": vm()}, ledger_texts(second))
    assert [(one.name, one.number) for one in third.vms] == [("a", 1), ("b", 2), ("c", 3)]


def test_a_vm_that_moves_leaves_its_old_line_behind() -> None:
    first = build({"web1.yml": vm("number: 7")})
    second = build({"web1.yml": vm(server="server7")}, ledger_texts(first))
    texts = ledger_texts(second)
    assert f"  {WEB1}\n" in texts["server6.yml"]
    assert (
        "  web1: {number: 1, mac: fe:e1:bb:d1:c9:01, ipv4: 198.51.100.10}\n" in texts["server7.yml"]
    )
    third = build({"web1.yml": vm(server="server7"), "new.yml": vm("number: 8")}, texts)
    assert ledger_texts(third)["server7.yml"] == texts["server7.yml"]


def test_a_vm_may_take_its_addresses_along() -> None:
    servers = {"server6": SERVER6, "server7": server(mac_prefix="fe:e1:bb:d1:c9")}
    moved = vm("mac: fe:e1:bb:d1:c8:07", "ipv4: 203.0.113.16", server="server7")
    found = handed_out({"web1.yml": moved}, {"server6.yml": ledger(WEB1)}, servers)
    assert found["web1"][1:3] == ("07", "203.0.113.16")


def test_the_ledger_of_a_server_that_is_gone_still_counts() -> None:
    texts = {"server1.yml": ledger("old: {number: 1, ipv4: 203.0.113.10}")}
    fleet = build({"a.yml": vm()}, texts)
    assert fleet.vms[0].number == 2
    assert "old: {number: 1, ipv4: 203.0.113.10}" in ledger_texts(fleet)["server1.yml"]


def test_small_networks() -> None:
    servers = {
        "server6": server(
            ipv4_network="203.0.113.8/31",
            ipv4_gateway="203.0.113.8",
            ipv4_range=None,
            ipv6_network="2001:db8:6::8/127",
            ipv6_gateway="fe80::1",
        )
    }
    assert handed_out({"a.yml": vm()}, servers=servers) == {
        "a": (2, "02", "203.0.113.9", "2001:db8:6::9")
    }
    servers = {
        "server6": server(ipv4_network="203.0.113.8/32", ipv4_gateway="192.0.2.1", ipv4_range=None)
    }
    assert handed_out({"a.yml": vm()}, servers=servers)["a"][2] == "203.0.113.8"


def test_decimal_numbers() -> None:
    servers = {"server6": server(mac_number_base="decimal")}
    assert handed_out({"a.yml": vm("number: 10")}, servers=servers)["a"][:2] == (10, "10")
    assert problems({"a.yml": vm("number: 100")}, servers=servers) == [
        "vms/a.yml: number: 100 is too high; vmm_mac_prefix fe:e1:bb:d1:c8 holds 99 numbers"
    ]


@pytest.mark.parametrize(
    ("changes", "count", "complaint"),
    [
        (
            {"ipv4_range": ["203.0.113.10", "203.0.113.12"], "reserved": [2]},
            4,
            "server6: vmm_ipv4_range: 203.0.113.10-203.0.113.12 is full: numbers in all 3, of VMs "
            "or kept in the ledger 2, reserved or with values that are taken 1; VMs without a "
            "number 2 (web2, web3); enlarge it, or move VMs to another server",
        ),
        (
            {"ipv6_range": ["2001:db8:6::10", "2001:db8:6::10"]},
            8,
            "server6: vmm_ipv6_range: 2001:db8:6::10-2001:db8:6::10 is full: numbers in all 1, of "
            "VMs or kept in the ledger 1, reserved or with values that are taken 0; VMs without a "
            "number 7 (web1, web2, web3, web4, web5, ...); enlarge it, or move VMs to another "
            "server",
        ),
    ],
)
def test_a_full_range(changes: dict[str, object], count: int, complaint: str) -> None:
    vms = {f"web{number}.yml": vm() for number in range(count)}
    assert problems(vms, servers={"server6": server(**changes)}) == [complaint]


def test_a_full_prefix() -> None:
    vms = {f"web{number}.yml": vm() for number in range(256)}
    servers = {
        "server6": server(ipv4_network="10.0.0.0/8", ipv4_gateway="10.0.0.1", ipv4_range=None)
    }
    (complaint,) = problems(vms, servers=servers)
    # Number 1 would have the gateway's address.
    assert complaint.startswith(
        "server6: vmm_mac_prefix: fe:e1:bb:d1:c8 is full: numbers in all 255, of VMs or kept in "
        "the ledger 254, reserved or with values that are taken 1; VMs without a number 2 (web98, "
        "web99)"
    )


MINE = "every VM needs its own"


@pytest.mark.parametrize(
    ("lines", "other", "complaint"),
    [
        (
            "mac: fe:e1:bb:d1:c8:77",
            vm("mac: FE:E1:BB:D1:C8:77", server="server7"),
            f"mac: fe:e1:bb:d1:c8:77 is also the MAC of a (vms/a.yml); {MINE}",
        ),
        (
            "ipv4: 203.0.113.77",
            vm("ipv4: 203.0.113.77"),
            f"ipv4: 203.0.113.77 is also the IPv4 address of a (vms/a.yml); {MINE}",
        ),
        (
            "ipv6: 2001:db8:6::77",
            vm("ipv6: 2001:db8:6:0::77"),
            f"ipv6: 2001:db8:6::77 is also the IPv6 address of a (vms/a.yml); {MINE}",
        ),
        (
            "number: 7",
            vm("number: 7"),
            f"number: 7 is also the number of a on server6 (vms/a.yml); {MINE}",
        ),
        (
            "ipv4: 203.0.113.16",
            vm("number: 7"),
            "number: 7 gives the IPv4 address 203.0.113.16, which belongs to a (vms/a.yml); use "
            "another number, or give ipv4 in the VM file",
        ),
    ],
)
def test_clashes_of_vm_files(lines: str, other: str, complaint: str) -> None:
    found = problems({"a.yml": vm(lines), "b.yml": other, "c.yml": vm()})
    assert found == [f"vms/b.yml: {complaint}"]


def test_the_same_number_on_two_servers_is_fine() -> None:
    assert problems({"a.yml": vm("number: 7"), "b.yml": vm("number: 7", server="server7")}) == []


def test_derived_values_of_two_servers_can_clash() -> None:
    servers = {"server6": SERVER6, "server7": server(mac_prefix="fe:e1:bb:d1:c9")}
    vms = {"a.yml": vm("number: 7"), "b.yml": vm("number: 7", server="server7")}
    assert problems(vms, servers=servers) == [
        "vms/b.yml: number: 7 gives the IPv4 address 203.0.113.16, which belongs to a (vms/a.yml); "
        "use another number, or give ipv4 in the VM file"
    ]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (
            "web2: {number: 7}",
            f"7 is also the number of web1 on server6 (allocations/server6.yml); {MINE}",
        ),
        (
            "web2: {number: 8, mac: fe:e1:bb:d1:c8:07}",
            f"fe:e1:bb:d1:c8:07 is also the MAC of web1 (allocations/server6.yml); {MINE}",
        ),
        (
            "web2: {number: 8, ipv4: 203.0.113.16}",
            f"203.0.113.16 is also the IPv4 address of web1 (allocations/server6.yml); {MINE}",
        ),
    ],
)
def test_a_ledger_line_edited_to_a_clash(line: str, complaint: str) -> None:
    vms = {"web1.yml": vm(), "web2.yml": vm()}
    assert problems(vms, {"server6.yml": ledger(WEB1, line)}) == [
        f"allocations/server6.yml: web2: {complaint}"
    ]


def test_two_ledgers_can_clash() -> None:
    ledgers = {
        "server6.yml": ledger(WEB1),
        "server7.yml": ledger("db1: {number: 7, mac: fe:e1:bb:d1:c8:07}"),
    }
    vms = {"web1.yml": vm(), "db1.yml": vm(server="server7")}
    assert problems(vms, ledgers) == [
        "allocations/server7.yml: db1: fe:e1:bb:d1:c8:07 is also the MAC of web1 "
        f"(allocations/server6.yml); {MINE}"
    ]


def test_a_vm_file_cannot_take_what_a_vm_that_is_gone_has() -> None:
    assert problems({"new.yml": vm("ipv4: 203.0.113.16")}, {"server6.yml": ledger(WEB1)}) == [
        "vms/new.yml: ipv4: 203.0.113.16 is also the IPv4 address of web1 "
        "(allocations/server6.yml); web1 is not there any more but keeps it while its line is, so "
        "use another"
    ]


@pytest.mark.parametrize(
    ("field", "own", "kept"),
    [
        ("number", "8", "7"),
        ("mac", "fe:e1:bb:d1:c8:08", "fe:e1:bb:d1:c8:07"),
        ("ipv4", "203.0.113.17", "203.0.113.16"),
        ("ipv6", "2001:db8:6::17", "2001:db8:6::16"),
    ],
)
def test_a_ledger_that_contradicts_a_vm_file(field: str, own: str, kept: str) -> None:
    found = problems({"web1.yml": vm(f"{field}: {own}")}, {"server6.yml": ledger(WEB1)})
    assert found == [
        f"vms/web1.yml: {field}: {own} contradicts allocations/server6.yml, where web1 has {kept}; "
        f"to keep {kept}, take {field} out of this file, or else take web1 out of the ledger"
    ]


def test_taking_the_line_out_of_the_ledger_settles_it() -> None:
    assert numbers({"web1.yml": vm("number: 8")}, {"server6.yml": "vms: {}\n"}) == {"web1": 8}


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (
            "ipv4: 198.51.100.7",
            "ipv4: 198.51.100.7 is no usable address of server6's network "
            "203.0.113.0/24; use another one, or none",
        ),
        (
            "ipv4: 203.0.113.255",
            "ipv4: 203.0.113.255 is no usable address of server6's network "
            "203.0.113.0/24; use another one, or none",
        ),
        (
            "ipv4: 203.0.113.1",
            "ipv4: 203.0.113.1 is the gateway of server6's network "
            "203.0.113.0/24; use another one, or none",
        ),
        (
            "ipv4: 203.0.113.2",
            "ipv4: 203.0.113.2 is the address of server6 itself; use another one, or none",
        ),
        (
            "ipv4: 203.0.113.66",
            "ipv4: 203.0.113.66 is reserved by vmm_reserved of server6; use another one, or none",
        ),
        (
            "ipv6: 2001:db8:7::7",
            "ipv6: 2001:db8:7::7 is no usable address of server6's network "
            "2001:db8:6::/64; use another one, or none",
        ),
        (
            "ipv6: 2001:db8:6::1",
            "ipv6: 2001:db8:6::1 is the gateway of server6's network "
            "2001:db8:6::/64; use another one, or none",
        ),
        (
            "mac: fe:e1:bb:d1:c8:05",
            "mac: fe:e1:bb:d1:c8:05 is reserved by vmm_reserved of server6; "
            "use another one, or none",
        ),
        (
            "number: 13",
            "number: 13 is reserved by vmm_reserved of server6; use another one, or none",
        ),
        (
            "number: 57",
            "number: 57 gives the IPv4 address 203.0.113.66, which is reserved by "
            "vmm_reserved of server6; use another number, or give ipv4 in the VM file",
        ),
        ("number: 300", "number: 300 is too high; vmm_mac_prefix fe:e1:bb:d1:c8 holds 255 numbers"),
        (
            "number: 200",
            "number: 200 is too high; vmm_ipv4_range 203.0.113.10-203.0.113.200 holds 191 numbers",
        ),
    ],
)
def test_explicit_values_that_cannot_be(line: str, complaint: str) -> None:
    servers = {
        "server6": server(
            server_ipv4="203.0.113.2", reserved=["203.0.113.64/28", "fe:e1:bb:d1:c8:05", 13]
        )
    }
    found = problems({"web1.yml": vm(line), "web2.yml": vm()}, servers=servers)
    assert found == [f"vms/web1.yml: {complaint}"]


def test_ipv6_on_a_server_without() -> None:
    assert problems({"web1.yml": vm("ipv6: 2001:db8:6::7", server="server7")}) == [
        "vms/web1.yml: ipv6: 2001:db8:6::7 is of no use: server7 has no vmm_ipv6_network; use "
        "another one, or none"
    ]


def test_ipv6_that_a_server_had_is_kept_in_the_ledger_only() -> None:
    servers = {"server6": server(ipv6_network=None, ipv6_gateway=None)}
    fleet = build({"web1.yml": vm()}, {"server6.yml": ledger(WEB1)}, servers)
    assert fleet.vms[0].ipv6 is None
    assert WEB1 in ledger_texts(fleet)["server6.yml"]


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        (
            {"reserved": ["203.0.113.16"]},
            "203.0.113.16 is reserved by vmm_reserved of server6; take ipv4 out of this line, and "
            "web1 gets another one",
        ),
        (
            {"reserved": [7]},
            "7 is reserved by vmm_reserved of server6; take this line out, and web1 gets another "
            "one",
        ),
        (
            {"ipv6_network": "2001:db8:9::/64", "ipv6_gateway": "fe80::1"},
            "2001:db8:6::16 is no usable address of server6's network 2001:db8:9::/64; take ipv6 "
            "out of this line, and web1 gets another one",
        ),
    ],
)
def test_a_ledger_that_does_not_fit_the_server_any_more(
    changes: dict[str, object], complaint: str
) -> None:
    servers = {"server6": server(**changes)}
    found = problems({"web1.yml": vm()}, {"server6.yml": ledger(WEB1)}, servers)
    assert found == [f"allocations/server6.yml: web1: {complaint}"]
    assert problems({}, {"server6.yml": ledger(WEB1)}, servers) == []


def test_a_ledger_that_cannot_be_read_makes_no_other_problems() -> None:
    vms = {"a.yml": vm(), "b.yml": vm("number: 1"), "c.yml": vm("memory: x")}
    assert problems(vms, {"server6.yml": ledger("a: {number: x}")}) == [
        "allocations/server6.yml: a: number: 'x' is no whole number; use one from 1 to 65535",
        "vms/c.yml: memory: 'x' is no size; use a number with K, M or G, such as 1G",
    ]


def test_a_ledger_that_cannot_be_read_does_not_make_its_server_full() -> None:
    servers = {"server6": server(ipv4_range=["203.0.113.10", "203.0.113.10"])}
    lines = ["a: {number: 2, mac: fe:e1:bb:d1:c8:02, ipv4: 203.0.113.99}", "x: {number: y}"]
    (complaint,) = problems(
        {"a.yml": vm(), "b.yml": vm()}, {"server6.yml": ledger(*lines)}, servers
    )
    assert complaint.startswith("allocations/server6.yml: x: number: 'y' is no whole number")


def test_a_vm_with_other_problems_still_counts_for_clashes() -> None:
    vms = {"a.yml": vm("number: 7", "memory: x"), "b.yml": vm("number: 7", "mac: y")}
    assert problems(vms) == [
        "vms/a.yml: memory: 'x' is no size; use a number with K, M or G, such as 1G",
        "vms/b.yml: mac: 'y' is no MAC address; use two hexadecimal digits an octet and colons, "
        "such "
        "as fe:e1:bb:d1:c8:07",
        f"vms/b.yml: number: 7 is also the number of a on server6 (vms/a.yml); {MINE}",
    ]
