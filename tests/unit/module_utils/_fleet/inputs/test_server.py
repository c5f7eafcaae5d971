# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The variables of servers: what is allowed, and what becomes of them."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.model import server_variables
from hypothesis import given
from hypothesis import strategies as st
from unit.fleets import SERVER6, build, problems, server, vm


def host(vms: int = 0, **changes: object) -> dict[str, Any]:
    files = {f"web{number}.yml": vm() for number in range(vms)}
    fleet = build(files, servers={"server6": server(**changes)})
    described: dict[str, Any] = server_variables(fleet, "server6")["vmm_host"]
    return described


IPV4_OF_ALL = {
    "network": "203.0.113.0",
    "netmask": "255.255.255.0",
    "prefix": 24,
    "broadcast": "203.0.113.255",
}


def test_all_defaults() -> None:
    assert host() == {
        "name": "server6",
        "preset": "veb",
        "domain": "example.org",
        "dns_servers": ["203.0.113.1"],
        "timezone": "UTC",
        "mac_prefix": "fe:e1:bb:d1:c8",
        "ipv4": {**IPV4_OF_ALL, "gateway": "203.0.113.1", "server": "203.0.113.1"},
        "ipv6": {
            "network": "2001:db8:6::",
            "prefix": 64,
            "gateway": "2001:db8:6::1",
            "server": "2001:db8:6::1",
        },
        "networks": [
            {
                "name": "default",
                "switch": "uplink",
                "host_interface": "pair1",
                "dhcp": "203.0.113.1",
                "beyond": False,
                "ipv4": {**IPV4_OF_ALL, "gateway": "203.0.113.1", "server": "203.0.113.1"},
                "ipv6": {
                    "network": "2001:db8:6::",
                    "prefix": 64,
                    "gateway": "2001:db8:6::1",
                    "server": "2001:db8:6::1",
                },
                "ipv6_prefixes": None,
                "routes_ipv6": True,
            }
        ],
        "subnets": ["203.0.113.0/24"],
        "wires": [
            {
                "name": "uplink",
                "interface": "veb0",
                "host_interface": "pair1",
                "host_port": "pair0",
                "uplink": None,
                "networks": ["default"],
                "advertise": True,
                "server": "203.0.113.1",
                "foreign": False,
                "link": {"name": "veb0", "flags": ["link1"], "prove": "203.0.113.1"},
            }
        ],
        "ipv6_routes": [],
        "switch": {"name": "uplink", "interface": "veb0", "group": "vmswitch"},
        "switches": [{"name": "uplink", "interface": "veb0", "group": "vmswitch"}],
        "host_interface": "pair1",
        "host_port": "pair0",
        "uplink": None,
        "uplinks": [],
        "links": [
            {"name": "pair0"},
            {"name": "veb0", "members": ["pair0"], "without": ["vport0"]},
            {
                "name": "vport0",
                "create": False,
                "up": False,
                "retired": True,
                "addresses": ["203.0.113.1/24", "2001:db8:6::1/64"],
            },
            {
                "name": "pair1",
                "addresses": ["203.0.113.1/24", "2001:db8:6::1/64"],
                "first_address": "203.0.113.1",
                "patch": "pair0",
            },
        ],
        "image_directory": "/var/vmm",
        "installer": "/bsd.rd",
        "transfer_address": None,
        "sets_directory": "/var/www/htdocs/amd64",
        "owners_group": "vmdusers",
        "tap_count": 10,
        "open_files": 512,
        "largest_process": 16384,
        "release": None,
        "sets_server": "203.0.113.1",
        "sets": ["-x*", "+xb*", "+xf*", "+site*"],
        "sysctl": {"net.inet.ip.arpq.maxlen": "256"},
        "install_limit": 16,
        "memory_limited": False,
    }


def test_all_given_as_an_inventory_may_give_it() -> None:
    described = host(
        preset="bridge",
        switch={"name": "uplink_vlan42", "interface": "bridge42"},
        uplink={"vlan": "42", "parent": "em0"},
        server_ipv4="203.0.113.2",
        ipv6_gateway="fe80::1",
        image_directory="/home/vmm/",
        installer_kernel="/var/vmm/bsd.rd",
        sets_directory="/var/www/sets",
        owners_group="owners",
        tap_count="50",
        release=7.8,
        sets_server="http://sets.example.org:8080",
        sets=["+site*"],
        sysctl={"net.inet.ip.arpq.maxlen": 2048},
        timezone="Europe/Amsterdam",
    )
    assert described["switch"] == {
        "name": "uplink_vlan42",
        "interface": "bridge42",
        "group": "vmswitch",
    }
    assert described["uplink"] == {
        "vlan": 42, "parent": "em0", "members": [], "protocol": None, "interface": "vlan42",
    }  # fmt: skip
    assert described["ipv4"]["server"] == "203.0.113.2"
    assert described["ipv6"]["gateway"] == "fe80::1%vio0"
    assert described["image_directory"] == "/home/vmm"
    assert described["installer"] == "/var/vmm/bsd.rd"
    assert described["sets_directory"] == "/var/www/sets"
    assert described["owners_group"] == "owners"
    assert (described["tap_count"], described["release"]) == (50, "7.8")
    assert described["sets_server"] == "http://sets.example.org:8080"
    assert (described["sets"], described["timezone"]) == (["+site*"], "Europe/Amsterdam")
    assert described["sysctl"] == {"net.inet.ip.arpq.maxlen": "2048"}


def test_the_preset_of_2019() -> None:
    described = host(preset="bridge", sysctl={"kern.maxproc": 4000})
    assert described["switch"] == {"name": "uplink", "interface": "bridge0", "group": "vmswitch"}
    assert described["sysctl"] == {"kern.maxproc": "4000", "net.inet.ip.arpq.maxlen": "1024"}
    fleet = build({"web1.yml": vm()}, servers={"server6": server(preset="bridge")})
    assert fleet.vms[0].disk.image == "/var/vmm/web1.img"


BEHIND_EM0 = {"uplink": {"vlan": 42, "parent": "em0"}, "server_ipv4": "203.0.113.2"}
IPV6 = {"ipv6_network": "2001:db8:6::/64", "ipv6_gateway": "2001:db8:6::1"}
EM0 = {"name": "em0", "create": False, "lro": False}
EM1 = {**EM0, "name": "em1"}
VLAN42 = {"name": "vlan42", "vnetid": 42, "parent": "em0"}


def veb(number: int, addresses: list[str], *members: str) -> list[dict[str, object]]:
    """The links of a veb(4) with the server's own pair(4), for which a vport(4) makes room."""
    port, former = f"pair{2 * number}", f"vport{number}"
    return [
        {"name": port},
        {"name": f"veb{number}", "members": [*members, port], "without": [former]},
        {
            "name": former,
            "create": False,
            "up": False,
            "retired": True,
            "addresses": addresses,
        },
        {
            "name": f"pair{2 * number + 1}",
            "addresses": addresses,
            "first_address": addresses[0].partition("/")[0],
            "patch": port,
        },
    ]


LINKS: dict[str, tuple[dict[str, object], list[dict[str, object]]]] = {
    "veb, in a VLAN": (
        {**BEHIND_EM0, "switch": {"interface": "veb42"}},
        [EM0, VLAN42, *veb(42, ["203.0.113.2/24"], "vlan42")],
    ),
    "veb, an interface of its own": (
        {**BEHIND_EM0, "uplink": {"parent": "em1"}},
        [EM1, *veb(0, ["203.0.113.2/24"], "em1")],
    ),
    "bridge: the vlan has the address": (
        {**BEHIND_EM0, "preset": "bridge"},
        [EM0, {**VLAN42, "addresses": ["203.0.113.2/24"]},
         {"name": "bridge0", "members": ["vlan42"]}],
    ),
    "bridge with a vether": (
        {**BEHIND_EM0, "preset": "bridge", "host_interface": "vether42"},
        [EM0, VLAN42, {"name": "vether42", "addresses": ["203.0.113.2/24"]},
         {"name": "bridge0", "members": ["vlan42", "vether42"]}],
    ),
    "several interfaces as one": (
        {**BEHIND_EM0, "uplink": {"vlan": 42, "parent": "aggr0", "members": ["em0", "em1"]}},
        [EM0, EM1, {"name": "aggr0", "ports": ["em0", "em1"]},
         {"name": "vlan42", "vnetid": 42, "parent": "aggr0"},
         *veb(0, ["203.0.113.2/24"], "vlan42")],
    ),
    "trunk(4), and LACP by default": (
        {**BEHIND_EM0, "uplink": {"parent": "trunk0", "members": ["em0"]}},
        [EM0, {"name": "trunk0", "ports": ["em0"], "protocol": "lacp"},
         *veb(0, ["203.0.113.2/24"], "trunk0")],
    ),
    "the router of the VMs is it for IPv6 too": (
        {**IPV6},
        [*veb(0, ["203.0.113.1/24", "2001:db8:6::1/64"])],
    ),
    "with a link-local address": (
        {**IPV6, "ipv6_gateway": "fe80::1"},
        [*veb(0, ["203.0.113.1/24", "fe80::1/64"])],
    ),
    "another router: no IPv6 address unless one is given": (
        {**IPV6, **BEHIND_EM0},
        [EM0, VLAN42, *veb(0, ["203.0.113.2/24"], "vlan42")],
    ),
    "one that is given": (
        {**IPV6, "server_ipv4": "203.0.113.2", "server_ipv6": "2001:db8:6::2"},
        [*veb(0, ["203.0.113.2/24", "2001:db8:6::2/64"])],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LINKS)
def test_what_a_switch_is_made_of(name: str) -> None:
    changes, expected = LINKS[name]
    assert host(0, **changes)["links"] == expected


def test_no_vm_gets_the_address_of_a_server() -> None:
    changes = {**IPV6, "server_ipv4": "203.0.113.11", "server_ipv6": "2001:db8:6::11"}
    fleet = build({"a.yml": vm(), "b.yml": vm()}, servers={"server6": server(**changes)})
    assert "203.0.113.11" not in [str(machine.ipv4) for machine in fleet.vms]
    assert "2001:db8:6::11" not in [str(machine.ipv6) for machine in fleet.vms]


@pytest.mark.parametrize(
    ("changes", "interface"),
    [
        ({"switch": {"interface": "veb42"}}, "pair85"),
        ({"switch": {"interface": "veb42"}, **BEHIND_EM0}, "pair85"),
        ({"preset": "bridge", "switch": {"interface": "bridge42"}}, "vether42"),
        ({"preset": "bridge", **BEHIND_EM0, "uplink": {"parent": "em0"}}, "vether0"),
        ({"preset": "bridge", **BEHIND_EM0}, "vlan42"),
        ({"preset": "bridge", "host_interface": "em1"}, "em1"),
    ],
)
def test_the_interface_with_the_address(changes: dict[str, object], interface: str) -> None:
    assert host(0, **changes)["host_interface"] == interface


def test_sets_come_from_where_the_server_is() -> None:
    assert host(server_ipv4="203.0.113.2")["sets_server"] == "203.0.113.2"


def test_tap_nodes_for_all_vms_and_ten_more() -> None:
    assert host(vms=3)["tap_count"] == 13


@pytest.mark.parametrize(
    ("lines", "open_files", "largest"),
    [
        (["memory: 16128M"], 512, 16384),
        (["memory: 16129M"], 512, 32768),
        (["memory: 128G"], 512, 147456),
        (["memory: 128G", "state: archived"], 512, 16384),
        (["interfaces: [{switch: uplink}, {switch: uplink}, {switch: uplink}]"], 512, 16384),
    ],
)
def test_limits_of_vmds_processes(lines: list[str], open_files: int, largest: int) -> None:
    servers = {"server6": server(vm_memory_limit="128G")}
    fleet = build({"web1.yml": vm(*lines)}, servers=servers)
    described = server_variables(fleet, "server6")["vmm_host"]
    assert (described["open_files"], described["largest_process"]) == (open_files, largest)


def test_open_files_grow_in_steps() -> None:
    """A run for one new VM must not change a file that is not the VM's."""
    fleets = [
        build({f"web{number}.yml": vm() for number in range(count)}) for count in (1, 76, 77, 100)
    ]
    limits = [server_variables(fleet, "server6")["vmm_host"]["open_files"] for fleet in fleets]
    assert limits == [512, 512, 1024, 1024]


@pytest.mark.parametrize(
    "text",
    [
        "sets.example.org",
        "https://sets.example.org",
        "203.0.113.1:8080",
        "[2001:db8::1]",
        "[::1]:80",
    ],
)
def test_servers_for_sets(text: str) -> None:
    assert host(sets_server=text)["sets_server"] == text


def test_other_variables_are_none_of_our_business() -> None:
    changes = {"rack_in_the_cellar": 7, "owner": "x", "host": {}, "vms": [], "owners": []}
    assert problems({}, servers={"server6": server(**changes), "a": {**SERVER6, "color": 1}}) == []


VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=20),
        st.sampled_from(["203.0.113.0/24", "203.0.113.9", "veb0", "em0", "1G", "7.8", "::1"]),
        st.dates(),
        st.binary(max_size=3),
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "interface", "vlan", "parent"]) | st.integers(),
            inner,
            max_size=3,
        )
    ),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(sorted({*SERVER6, "vmm_switch", "vmm_uplink"})), VALUES))
def test_any_values_are_taken_or_make_problems(changes: dict[str, object]) -> None:
    problems({"web1.yml": vm()}, servers={"server6": {**SERVER6, **changes}})


OPTIONAL = [
    "vmm_reserved",
    "vmm_sets",
    "vmm_sets_server",
    "vmm_sysctl",
    "vmm_release",
    "vmm_memory_limit",
    "vmm_quarantine_days",
    "vmm_install_limit",
    "vmm_image_directory",
    "vmm_tap_count",
    "vmm_server_ipv4",
    "vmm_host_interface",
    "vmm_preset",
    "vmm_mac_number_base",
    "vmm_timezone",
]


@given(st.dictionaries(st.sampled_from(OPTIONAL), VALUES))
def test_any_optional_values_are_taken_or_make_problems(changes: dict[str, object]) -> None:
    problems({"web1.yml": vm()}, servers={"server6": {**SERVER6, **changes}})
