# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What clashes, contradicts or cannot be, and what the person is told to do about it."""

from __future__ import annotations

import pytest
from unit.fleets import SERVER6, WEB1, build, ledger, ledger_texts, problems, server, vm

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
    complaints = problems({"a.yml": vm(lines), "b.yml": other, "c.yml": vm()})
    assert complaints == [f"vms/b.yml: {complaint}"]


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
        "(allocations/server6.yml); web1 no longer exists but keeps it while its line is there, "
        "so use another"
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
    complaints = problems({"web1.yml": vm(f"{field}: {own}")}, {"server6.yml": ledger(WEB1)})
    assert complaints == [
        f"vms/web1.yml: {field}: {own} contradicts allocations/server6.yml, where web1 has {kept}; "
        f"to keep {kept}, take {field} out of this file, or else take web1 out of the ledger"
    ]


def test_taking_the_line_out_of_the_ledger_settles_it() -> None:
    fleet = build({"web1.yml": vm("number: 8")}, {"server6.yml": "vms: {}\n"})
    assert [machine.number for machine in fleet.vms] == [8]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (
            "ipv4: 198.51.100.7",
            "ipv4: 198.51.100.7 is not a usable address of server6's network "
            "203.0.113.0/24; use another one, or none",
        ),
        (
            "ipv4: 203.0.113.255",
            "ipv4: 203.0.113.255 is not a usable address of server6's network "
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
            "ipv6: 2001:db8:7::7 is not a usable address of server6's network "
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
    complaints = problems({"web1.yml": vm(line), "web2.yml": vm()}, servers=servers)
    assert complaints == [f"vms/web1.yml: {complaint}"]


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
            "2001:db8:6::16 is not a usable address of server6's network 2001:db8:9::/64; take "
            "ipv6 out of this line, and web1 gets another one",
        ),
    ],
)
def test_a_ledger_that_does_not_fit_the_server_any_more(
    changes: dict[str, object], complaint: str
) -> None:
    servers = {"server6": server(**changes)}
    complaints = problems({"web1.yml": vm()}, {"server6.yml": ledger(WEB1)}, servers)
    assert complaints == [f"allocations/server6.yml: web1: {complaint}"]
    assert problems({}, {"server6.yml": ledger(WEB1)}, servers) == []


def test_a_ledger_that_cannot_be_read_makes_no_other_problems() -> None:
    vms = {"a.yml": vm(), "b.yml": vm("number: 1"), "c.yml": vm("memory: x")}
    assert problems(vms, {"server6.yml": ledger("a: {number: x}")}) == [
        "allocations/server6.yml: a: number: 'x' is not a whole number; use one from 1 to 65535",
        "vms/c.yml: memory: 'x' is not a valid size; use a number with K, M or G, such as 1G",
    ]


def test_a_ledger_that_cannot_be_read_does_not_make_its_server_full() -> None:
    servers = {"server6": server(ipv4_range=["203.0.113.10", "203.0.113.10"])}
    lines = ["a: {number: 2, mac: fe:e1:bb:d1:c8:02, ipv4: 203.0.113.99}", "x: {number: y}"]
    (complaint,) = problems(
        {"a.yml": vm(), "b.yml": vm()}, {"server6.yml": ledger(*lines)}, servers
    )
    assert complaint.startswith("allocations/server6.yml: x: number: 'y' is not a whole number")


def test_a_vm_with_other_problems_still_counts_for_clashes() -> None:
    vms = {"a.yml": vm("number: 7", "memory: x"), "b.yml": vm("number: 7", "mac: y")}
    assert problems(vms) == [
        "vms/a.yml: memory: 'x' is not a valid size; use a number with K, M or G, such as 1G",
        "vms/b.yml: mac: 'y' is not a MAC address; use two hexadecimal digits per octet and "
        "colons, such as fe:e1:bb:d1:c8:07",
        f"vms/b.yml: number: 7 is also the number of a on server6 (vms/a.yml); {MINE}",
    ]
