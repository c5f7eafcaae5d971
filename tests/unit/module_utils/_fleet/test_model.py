# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.checks.claims import (
    IMAGE,
    Claim,
    Claims,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.model import (
    server_variables,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.variables import vm_variables
from ansible_collections.puffy.vmm.plugins.module_utils._problems import (
    Problem,
    Problems,
    Report,
    shown,
)
from unit.fleets import (
    KEY,
    OTHER_KEY,
    SERVER6,
    SERVERS,
    build,
    ledger_texts,
    problems,
    server,
    sound,
    vm,
)


def test_problems_are_sorted_lines_without_repetition() -> None:
    error = Problems([Problem("b", "", "x"), Problem("a", "f", "y"), Problem("b", "", "x")])
    assert str(error) == "a: f: y\nb: x"
    assert error.problems == (Problem("a", "f", "y"), Problem("b", "", "x"))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain", "'plain'"),
        ("a\nb\x1b[2J\u202e", r"'a\nb\x1b[2J\u202e'"),
        ("\u0430dmin", r"'\u0430dmin'"),
        ("it's", '"it\'s"'),
        (61 * "x", f"'{57 * 'x'}...'"),
        (None, "nothing"),
        (True, "true"),
        (7, "7"),
        (10**100, "a very large number"),
        ({}, "a mapping"),
        ((), "a list"),
        (b"", "a bytes"),
    ],
)
def test_values_in_messages(value: object, text: str) -> None:
    assert shown(value) == text


def test_the_variables_of_a_vm() -> None:
    text = vm("user: admin", "note: secret", "install_options: {Full name: Puffy}")
    fleet = build({"web1.yml": text})
    variables = vm_variables(fleet.vms[0])
    assert variables == {
        "ansible_host": "203.0.113.10",
        "ansible_user": "admin",
        "vmm_server": "server6",
        "vmm_name": "web1",
        "vmm_label": "web1",
        "vmm_number": 1,
        "vmm_mac": "fe:e1:bb:d1:c8:01",
        "vmm_ipv4": "203.0.113.10",
        "vmm_ipv6": "2001:db8:6::10",
        "vmm_ipv6_prefix": None,
        "vmm_network": "default",
        "vmm_group": "vm1nic",
        "vmm_interfaces": [
            {
                "switch": "uplink",
                "mac": "fe:e1:bb:d1:c8:01",
                "group": "vm1nic",
                "network": "default",
                "ipv4": "203.0.113.10",
                "ipv6": "2001:db8:6::10",
            }
        ],
        "vmm_forward": [],
        "vmm_ssh_port": None,
        "vmm_owner": "puffy",
        "vmm_user": "admin",
        "vmm_ssh_keys": [KEY],
        "vmm_hostname": "web1.example.org",
        "vmm_memory": "1G",
        "vmm_disk": "50G",
        "vmm_disk_format": "qcow2",
        "vmm_image": {"path": "/var/vmm/web1.qcow2", "size": "50G", "format": "qcow2"},
        "vmm_disks": [],
        "vmm_made": False,
        "vmm_detached": [],
        "vmm_install_by": "autoinstall",
        "vmm_cdrom": None,
        "vmm_boot": None,
        "vmm_installed": None,
        "vmm_seen": False,
        "vmm_refusal": None,
        "vmm_moving": None,
        "vmm_autostart": True,
        "vmm_state": "present",
        "vmm_timezone": "UTC",
        "vmm_sets": ["-x*", "+xb*", "+xf*", "+site*"],
        "vmm_install_options": {"Full name": "Puffy"},
    }
    assert "secret" not in repr(fleet) + json.dumps(server_variables(fleet, "server6"))


def test_the_vms_of_a_server_are_those_it_is_configured_with() -> None:
    vms = {
        "c.yml": vm("number: 1"),
        "b.yml": vm("state: suspended"),
        "a.yml": vm("state: archived"),
        "d.yml": vm(server="server7"),
    }
    fleet = build(vms)
    listed = server_variables(fleet, "server6")["vmm_vms"]
    assert [(item["name"], item["number"], item["state"]) for item in listed] == [
        ("c", 1, "present"),
        ("b", 3, "suspended"),
    ]
    assert [machine.name for machine in fleet.vms] == ["c", "a", "b", "d"]
    assert json.loads(json.dumps(listed)) == listed
    without_name = {f"vmm_{name}" for name in listed[0]}
    assert without_name == {name for name in vm_variables(fleet.vms[0]) if name.startswith("vmm_")}


def test_owners_have_the_keys_of_their_vms_on_the_server() -> None:
    vms = {
        "a.yml": vm(ssh_keys=f"[{KEY}, {OTHER_KEY}]"),
        "b.yml": vm(ssh_keys=f"[{OTHER_KEY}, {KEY}]", state="suspended"),
        "c.yml": vm(owner="another"),
        "d.yml": vm(owner="gone", state="archived"),
        "e.yml": vm(owner="elsewhere", server="server7"),
    }
    assert server_variables(sound(build(vms)), "server6")["vmm_owners"] == [
        {"name": "another", "ssh_keys": [KEY], "vms": ["c"]},
        {"name": "puffy", "ssh_keys": [OTHER_KEY, KEY], "vms": ["a", "b"]},
    ]


def test_an_empty_fleet() -> None:
    fleet = build({})
    assert (fleet.vms, fleet.ledgers) == ((), {})
    assert server_variables(fleet, "server6")["vmm_vms"] == []


def test_there_is_a_ledger_for_servers_with_vms_and_for_each_that_there_was() -> None:
    fleet = build({"a.yml": vm()}, {"server1.yml": "vms: {}\n"})
    assert sorted(fleet.ledgers) == ["server1", "server6"]


@pytest.mark.parametrize(
    ("changes", "lines", "complaint"),
    [
        (
            {"memory_limit": "3G"},
            [("memory: 2G",), ("memory: 1025M",), ("memory: 9G", "state: suspended")],
            "vmm_memory_limit: 3G is exceeded: 2 VMs have 3073M of memory, 1M too much; move "
            "VMs to "
            "another server, or raise it",
        ),
        (
            {"disk_limit": "100G"},
            [(), ("state: suspended",), ("state: archived", "disk: 1G")],
            "vmm_disk_limit: 100G is exceeded: 3 VMs have 101G of disk, 1G too much; move VMs to "
            "another server, or raise it",
        ),
        (
            {"tap_count": 2},
            [("interfaces: [{switch: uplink}]",), ("state: suspended",), ("state: archived",)],
            "vmm_tap_count: 2 is too low for 3 interfaces of 2 VMs; raise it, or take it out",
        ),
    ],
)
def test_capacity(changes: dict[str, object], lines: list[tuple[str, ...]], complaint: str) -> None:
    vms = {f"web{number}.yml": vm(*fields) for number, fields in enumerate(lines)}
    assert problems(vms, servers={"server6": server(**changes)}) == [f"server6: {complaint}"]


def test_capacity_that_is_just_enough() -> None:
    servers = {"server6": server(memory_limit="2G", disk_limit="100G", tap_count=2)}
    assert problems({"a.yml": vm(), "b.yml": vm()}, servers=servers) == []


def test_the_most_interfaces() -> None:
    big = server(
        mac_prefix="fe:e1:bb:d1",
        ipv4_network="10.0.0.0/16",
        ipv4_gateway="10.0.0.1",
        ipv4_range=None,
    )
    further = ", ".join(["{switch: uplink}"] * 3)
    vms = {f"web{number}.yml": vm(f"interfaces: [{further}]") for number in range(64)}
    vms["web64.yml"] = vm()
    assert problems(vms, servers={"server6": big}) == [
        "server6: has 257 interfaces of 65 present VMs; vmd(8) uses at most 256 tap(4), so move "
        "some to another server"
    ]
    vms["web1.yml"] = vm("state: suspended")
    fleet = build(vms, servers={"server6": big})
    assert server_variables(fleet, "server6")["vmm_host"]["tap_count"] == 256


def test_the_most_vms_that_vmd_can_run() -> None:
    """Those that a server has already stay, however many they are."""
    servers = {"server6": server(ipv4_network="10.0.0.0/16", ipv4_gateway="10.0.0.1",
                                 ipv4_range=None)}  # fmt: skip
    suspended = {f"web{number}.yml": vm("state: suspended") for number in range(101)}
    ledgers = ledger_texts(sound(build(suspended, servers=servers)))
    present = dict.fromkeys(suspended, vm())
    assert problems(present, ledgers, servers) == []
    refused = "server6: has {} present VMs, and vmd(8) may be unable to start more than 100; "
    advice = "put the new ones on another server"
    assert problems(present, servers=servers) == [refused.format(101) + advice]
    fleet = build({**present, "new.yml": vm()}, ledgers, servers)
    assert [str(problem) for problem in fleet.problems] == [refused.format(102) + advice]
    assert {f"{each.name}.yml" for each in fleet.vms} == {*present}
    del present["web0.yml"]
    assert problems(present, servers=servers) == []


def test_two_vms_on_one_image() -> None:
    report = Report()
    claims = [
        Claim(IMAGE, "/var/vmm/web1.img", name, "server6", f"vms/{name}.yml", "disk_format")
        for name in ("web1", "web2")
    ]
    elsewhere = replace(claims[1], vm="web3", server="server7")
    assert Claims().add_all([*claims, elsewhere], report) == {"web1", "web2"}
    assert [str(problem) for problem in report.problems] == [
        "vms/web2.yml: disk_format: /var/vmm/web1.img is also the image of web1 on server6 "
        "(vms/web1.yml); every VM needs its own"
    ]


def test_all_problems_of_all_files_at_once() -> None:
    complaints = problems(
        {
            "_bad.yml": vm(),
            "a.yml": vm("mac: fe:e1:bb:00:00:01"),
            "b.yml": vm("mac: fe:e1:bb:00:00:01", "disk: x"),
            "c.yml": "- x\n",
        },
        {"server7.yml": "vms: 1\n", "server1.yml": "vms: {a: {number: 0}}\n"},
        {"server6": server(memory_limit="1G"), "server7": {**SERVER6, "vmm_domain": "_"}},
    )
    assert [line.split(":")[0] for line in complaints] == [
        "allocations/server1.yml",
        "allocations/server7.yml",
        "server7",
        "vms/_bad.yml",
        "vms/b.yml",
        "vms/b.yml",
        "vms/c.yml",
    ]


def test_500_vms_on_ten_servers_are_built_well_within_two_seconds() -> None:
    servers = {
        f"server{number}": {
            **SERVERS["server6"],
            "vmm_mac_prefix": f"fe:e1:bb:{number:02x}",
            "vmm_ipv6_network": f"2001:db8:{number}::/64",
            "vmm_ipv6_gateway": "fe80::1",
            "vmm_ipv4_network": f"10.{number}.0.0/16",
            "vmm_ipv4_gateway": f"10.{number}.0.1",
            "vmm_ipv4_range": None,
        }
        for number in range(10)
    }
    vms = {f"web{number}.yml": vm(server=f"server{number % 10}") for number in range(500)}
    texts = ledger_texts(build(vms, servers=servers))
    start = time.process_time()
    build(vms, texts, servers)
    assert time.process_time() - start < 1.5
