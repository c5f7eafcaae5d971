# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Numbers, MACs and addresses: who gets which."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from unit.fleets import (
    SERVER6,
    SERVER7,
    WEB1,
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
        machine.name: (
            machine.number,
            machine.mac[-2:],
            str(machine.ipv4),
            str(machine.ipv6) if machine.ipv6 else None,
        )
        for machine in build(vms, ledgers, servers).vms
    }


def numbers(
    vms: Mapping[str, str],
    ledgers: Mapping[str, str] | None = None,
    servers: Mapping[str, Mapping[str, object]] | None = None,
) -> dict[str, int]:
    return {name: values[0] for name, values in handed_out(vms, ledgers, servers).items()}


def test_the_lowest_numbers_in_the_order_of_names() -> None:
    assert handed_out({"web2.yml": vm(), "web1.yml": vm(), "db1.yml": vm(server="server7")}) == {
        "web1": (1, "01", "203.0.113.10", "2001:db8:6::10"),
        "web2": (2, "02", "203.0.113.11", "2001:db8:6::11"),
        "db1": (1, "01", "198.51.100.10", None),
    }


def test_the_ledger_comes_first() -> None:
    handed = handed_out({"a.yml": vm(), "web1.yml": vm()}, {"server6.yml": ledger(WEB1)})
    assert handed["web1"] == (7, "07", "203.0.113.16", "2001:db8:6::16")
    assert handed["a"][0] == 1


def test_what_the_ledger_lacks_follows_from_its_number() -> None:
    handed = handed_out({"web1.yml": vm()}, {"server6.yml": ledger("web1: {number: 7}")})
    assert handed["web1"] == (7, "07", "203.0.113.16", "2001:db8:6::16")


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
    handed = numbers(vms)
    assert (handed["x"], handed["a"], handed["b"]) == (1, 5, 6)
    # Each of these stands in its own way for the others only.
    assert (handed["w"], handed["y"], handed["z"]) == (4, 2, 3)


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
    assert [(machine.name, machine.number) for machine in third.vms] == [
        ("a", 1),
        ("b", 2),
        ("c", 3),
    ]


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
    handed = handed_out({"web1.yml": moved}, {"server6.yml": ledger(WEB1)}, servers)
    assert handed["web1"][1:3] == ("07", "203.0.113.16")


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
    vms = {f"web{number}.yml": vm("state: suspended") for number in range(256)}
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
