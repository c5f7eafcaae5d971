# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The variables of servers: what the person is told about what they do not take."""

from __future__ import annotations

import pytest
from unit.fleets import problems, server, vm

PATTERNS = (
    "use letters, digits, . _ * and hyphens, + or - first to add or remove, such as -x* or +site*"
)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        (
            {"mac_prefix": None},
            "mac_prefix: is missing; give the first four or five octets of its "
            "VMs' MACs, such as fe:e1:bb:d1:c8",
        ),
        (
            {"ipv4_network": None},
            "ipv4_network: is missing; give its VMs' network, such as 203.0.113.0/24",
        ),
        (
            {"ipv4_gateway": None},
            "ipv4_gateway: is missing; give the router of that network, such as 203.0.113.1",
        ),
        ({"domain": None}, "domain: is missing; give the domain of its VMs, such as example.org"),
        (
            {"dns_servers": None},
            "dns_servers: is missing; give a list of IPv4 addresses, such as [203.0.113.1]",
        ),
        (
            {"mac_prefix": "fe:e1:bb"},
            "mac_prefix: 'fe:e1:bb' is not a prefix of MAC addresses; use two hexadecimal digits "
            "per octet and colons, such as fe:e1:bb:d1:c8 or fe:e1:bb:d1",
        ),
        (
            {"mac_prefix": 7614923},
            "mac_prefix: 7614923 is not a prefix of MAC addresses; YAML takes digits with colons "
            "for a number, so put it in quotes",
        ),
        (
            {"mac_prefix": "ff:e1:bb:d1"},
            "mac_prefix: 'ff:e1:bb:d1' begins multicast addresses; the second digit of a VM's MAC "
            "is even",
        ),
        ({"mac_number_base": "octal"}, "mac_number_base: 'octal' is not one of hex, decimal"),
        (
            {"ipv4_network": "203.0.113.5/24"},
            "ipv4_network: '203.0.113.5/24' is an address in the network 203.0.113.0/24; write "
            "203.0.113.0/24",
        ),
        (
            {"ipv4_network": "203.0.113.0"},
            "ipv4_network: '203.0.113.0' is not an IPv4 network; use one such as 203.0.113.0/24",
        ),
        (
            {"ipv4_network": "2001:db8::/64"},
            "ipv4_network: '2001:db8::/64' is not an IPv4 network; use one such as 203.0.113.0/24",
        ),
        (
            {"ipv4_network": "203.0.113.1/32", "ipv4_range": None},
            "ipv4_gateway: 203.0.113.1 is the only address of 203.0.113.1/32; a single address has "
            "its gateway outside of itself",
        ),
        (
            {"ipv4_network": ["203.0.113.0/28", "198.51.100.64/28"]},
            "ipv4_network: is a list; give a single value; several go into vmm_networks",
        ),
        (
            {"ipv4_gateway": "203.0.113.255"},
            "ipv4_gateway: 203.0.113.255 is not a usable address of 203.0.113.0/24",
        ),
        (
            {"server_ipv4": "198.51.100.2"},
            "server_ipv4: 198.51.100.2 is not a usable address of 203.0.113.0/24",
        ),
        (
            {"ipv4_range": ["203.0.113.10"]},
            "ipv4_range: is a list; give the first and the last address, as in [203.0.113.10, "
            "203.0.113.200]",
        ),
        (
            {"ipv4_range": "203.0.113.10-203.0.113.20"},
            "ipv4_range: is '203.0.113.10-203.0.113.20'; give the first and the last address, as "
            "in [203.0.113.10, 203.0.113.200]",
        ),
        (
            {"ipv4_range": ["203.0.113.20", "203.0.113.10"]},
            "ipv4_range: 203.0.113.20 is above 203.0.113.10; write the lower address first",
        ),
        (
            {"ipv4_range": ["203.0.113.0", "203.0.113.10"]},
            "ipv4_range: 203.0.113.0 is not a usable address of 203.0.113.0/24",
        ),
        (
            {"ipv6_network": None, "ipv6_gateway": None, "ipv6_range": ["::1", "::2"]},
            "ipv6_range: needs vmm_ipv6_network; give that too",
        ),
        ({"ipv6_network": None}, "ipv6_gateway: needs vmm_ipv6_network; give that too"),
        (
            {"ipv6_gateway": None},
            "ipv6_gateway: is missing; give the router of vmm_ipv6_network, such as fe80::1",
        ),
        (
            {"ipv6_gateway": "fe80::1%em0"},
            "ipv6_gateway: 'fe80::1%em0' is not an IPv6 address; use one such as 2001:db8:6::7",
        ),
        (
            {"ipv6_gateway": "2001:db8:7::1"},
            "ipv6_gateway: 2001:db8:7::1 is not a usable address of 2001:db8:6::/64",
        ),
        (
            {"ipv6_range": ["2001:db8:6::", "2001:db8:6::5"]},
            "ipv6_range: 2001:db8:6:: is not a usable address of 2001:db8:6::/64",
        ),
        ({"preset": "tap"}, "preset: 'tap' is not one of bridge, veb, nat"),
        (
            {"switch": "veb0"},
            "switch: 'veb0' is not a mapping; give name and interface, as in {name: uplink}",
        ),
        (
            {"switch": {"iface": "veb0"}},
            "switch: 'iface' is unknown; give name and interface, as in {name: uplink}",
        ),
        (
            {"switch": {"interface": "vlan0"}},
            "switch: interface: 'vlan0' is not a switch; use one such as veb0 or bridge0",
        ),
        (
            {"switch": {"name": 'a"b'}},
            """switch: name: 'a"b' is not a name for a switch; use letters, digits, _ . and -""",
        ),
        (
            {"host_interface": "em"},
            "host_interface: 'em' is not an interface; use a driver's name and a number, such as "
            "vport42",
        ),
        (
            {"uplink": {"vlan": 42}},
            "uplink: parent is missing; give it, as in {vlan: 42, parent: em0}",
        ),
        (
            {"ipv6_prefixes": "2001:db8:100::/64"},
            "ipv6_prefixes: 2001:db8:100::/64 has no room: each VM gets a /64 of it, and the first "
            "of them stays free; use a shorter prefix, such as 2001:db8:100::/40",
        ),
        (
            {"ipv6_network": None, "ipv6_gateway": None, "ipv6_prefixes": "2001:db8:100::/40"},
            "ipv6_prefixes: needs vmm_ipv6_network; give that too",
        ),
        (
            {"uplink": {"parent": "em0"}, "server_ipv4": None},
            "server_ipv4: is missing; behind vmm_uplink the gateway may be another machine, so "
            "give the server's own address on the VMs' network",
        ),
        (
            {"uplink": {"parent": "em0"}, "server_ipv4": "203.0.113.2", "host_interface": "em0"},
            "host_interface: em0 cannot have an address on a veb(4), which takes its ports away "
            "from the server; use a pair(4), such as pair1, or a vport(4), such as vport0",
        ),
        (
            {
                "preset": "bridge",
                "uplink": {"parent": "em0"},
                "server_ipv4": "203.0.113.2",
                "host_interface": "em1",
            },
            "host_interface: em1 is not on the bridge(4); use a vether(4), such as vether0, or em0",
        ),
        (
            {"server_ipv6": "2001:db8:6::2", "ipv6_network": None, "ipv6_gateway": None},
            "server_ipv6: needs vmm_ipv6_network; give that too",
        ),
        (
            {"uplink": {"parent": "veb1"}},
            "uplink: parent: veb1 leads nowhere; use an interface that leads out, such as em0",
        ),
        (
            {"uplink": {"parent": "em0", "members": ["em1"]}},
            "uplink: members belong to an aggr(4) or trunk(4), and parent is em0; name it, as in "
            "{parent: aggr0, members: [em0, em1]}",
        ),
        (
            {"uplink": {"parent": "aggr0", "members": ["em1", "em1"]}},
            "uplink: members: item 2 is the same as item 1",
        ),
        (
            {"uplink": {"parent": "aggr0", "members": ["em1"], "protocol": "lacp"}},
            "uplink: protocol is for members of a trunk(4); aggr(4) only has LACP",
        ),
        (
            {"uplink": {"parent": "trunk0", "members": ["em1"], "protocol": "x"}},
            "uplink: protocol: 'x' is not one of lacp, failover, loadbalance, roundrobin, "
            "broadcast",
        ),
        (
            {"uplink": {"parent": "em0", "mtu": 9000}},
            "uplink: 'mtu' is unknown; give vlan, parent, members and protocol, as in "
            "{vlan: 42, parent: em0}",
        ),
        (
            {"uplink": {"vlan": 4095, "parent": "em0"}},
            "uplink: vlan: 4095 is out of bounds; use a whole number from 1 to 4094",
        ),
        (
            {"uplink": {"parent": "em0; rm -rf /"}},
            "uplink: parent: 'em0; rm -rf /' is not an interface; use one such as em0",
        ),
        (
            {"image_directory": "vmm"},
            "image_directory: 'vmm' is not a directory for images; use an absolute path of "
            "letters, digits, _ . and -, such as /var/vmm",
        ),
        (
            {"image_directory": "/var/../etc"},
            "image_directory: '/var/../etc' is not a directory for images; use an absolute path of "
            "letters, digits, _ . and -, such as /var/vmm",
        ),
        ({"tap_count": 0}, "tap_count: 0 is out of bounds; use a whole number from 1 to 256"),
        ({"tap_count": True}, "tap_count: true is not a whole number; use one from 1 to 256"),
        (
            {"timezone": "Mars"},
            "timezone: 'Mars' is not a time zone; use one such as Europe/Amsterdam or UTC",
        ),
        ({"release": "7"}, "release: '7' is not a release of OpenBSD; use one such as 7.8"),
        (
            {"dns_servers": "203.0.113.1"},
            "dns_servers: '203.0.113.1' is not a list; give a list of "
            "IPv4 addresses, such as [203.0.113.1]",
        ),
        (
            {"dns_servers": ["2001:db8::1"]},
            "dns_servers: item 1: '2001:db8::1' is not an IPv4 address; use one such as "
            "203.0.113.16",
        ),
        ({"sets": ["a b"]}, f"sets: item 1: 'a b' is not a pattern for sets; {PATTERNS}"),
        (
            {"sysctl": {"maxlen": 1}},
            "sysctl: 'maxlen' is not the name of a sysctl; use one such as net.inet.ip.arpq.maxlen",
        ),
        (
            {"sysctl": {"net.inet.ip.arpq.maxlen": "1 2"}},
            "sysctl: net.inet.ip.arpq.maxlen: '1 2' is not a value for a sysctl; use a number, or "
            "letters, digits and _ . , : / + -",
        ),
        ({"sysctl": {1: 1}}, "sysctl: the key 1 is not text; put it in quotes"),
        (
            {"memory_limit": "64 GB"},
            "memory_limit: '64 GB' is not a valid size; use a number with K, M, G or T, such as "
            "64G",
        ),
        (
            {"reserved": "13"},
            "reserved: '13' is not a list; give a list of addresses, ranges, "
            "networks, MACs and numbers",
        ),
        (
            {"reserved": ["203.0.113.300"]},
            "reserved: item 1: '203.0.113.300' is not an address, range "
            "(203.0.113.20-203.0.113.29), network (203.0.113.64/28), MAC or number",
        ),
        (
            {"reserved": [7, "203.0.113.29-203.0.113.20"]},
            "reserved: item 2: '203.0.113.29-203.0.113.20' is not a range; write the lower address "
            "first",
        ),
        (
            {"reserved": [7614923]},
            "reserved: item 1: 7614923 is not the number of a VM; use one from 1 to 65535, and put "
            "a MAC "
            "of digits alone in quotes",
        ),
        ({"mac_prefx": "fe"}, "mac_prefx: is not a variable of a server; is vmm_mac_prefix meant?"),
        (
            {"dns_server": "x"},
            "dns_server: is not a variable of a server; is vmm_dns_servers meant?",
        ),
    ],
)
def test_what_a_variable_does_not_take(changes: dict[str, object], complaint: str) -> None:
    assert problems({}, servers={"server6": server(**changes)}) == [f"server6: vmm_{complaint}"]


@pytest.mark.parametrize(
    "text",
    [
        "http://a.b/pub",
        "a.b:",
        "a.b:x",
        "2001:db8::1",
        "[a.b]",
        "a b",
        "ftp://a.b",
        "[::1%em0]",
        "",
    ],
)
def test_what_is_no_server_for_sets(text: str) -> None:
    (complaint,) = problems({}, servers={"server6": server(sets_server=text)})
    assert complaint == (
        f"server6: vmm_sets_server: '{text}' is not a server for sets; use a host name or address, "
        f"with http:// or https:// first and :port last if need be, and no path; an IPv6 address "
        f"in brackets"
    )


def test_all_problems_of_all_servers() -> None:
    servers = {
        "server6": server(domain="_", timezone="x", ipv4_gateway="y"),
        "server7": server(mac_prefix=None),
    }
    assert len(problems({}, servers=servers)) == 4


def test_a_server_with_problems_makes_none_for_its_vms() -> None:
    (complaint,) = problems({"web1.yml": vm()}, servers={"server6": server(domain="_")})
    assert complaint.startswith("server6: vmm_domain: '_' is not a host name")
