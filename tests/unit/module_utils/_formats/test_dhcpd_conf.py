# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

import pytest
from ansible_collections.puffy.vmm.plugins.module_utils._formats.blocks import Unreadable
from ansible_collections.puffy.vmm.plugins.module_utils._formats.dhcpd_conf import (
    DhcpdConf,
    Host,
    Subnet,
    parse_dhcpd_conf,
)
from ansible_collections.puffy.vmm.plugins.module_utils._formats.quoting import dhcpd_string
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.addresses import mac_text
from hypothesis import given
from hypothesis import strategies as st
from unit.names import VM_NAMES

# After OpenBSD Amsterdam's description of its own set-up.
AMSTERDAM = """\
option domain-name "openbsd.amsterdam";
option domain-name-servers 192.0.2.53, 192.0.2.54;

subnet 203.0.113.0 netmask 255.255.255.0 {
    option routers 203.0.113.1;
    server-name "server6.openbsd.amsterdam";
    range 203.0.113.10 203.0.113.20;

    host web1 {
        hardware ethernet fe:e1:bb:d1:c8:01;
        fixed-address 203.0.113.30;
        filename "auto_install";
        option host-name "web1";
    }
}
"""

WEB1 = Host(
    "web1",
    "fe:e1:bb:d1:c8:01",
    ("203.0.113.30",),
    {"filename": ("auto_install",), "option host-name": ("web1",)},
)


def test_a_file_of_openbsd_amsterdam() -> None:
    assert parse_dhcpd_conf(AMSTERDAM) == DhcpdConf(
        {
            "option domain-name": ("openbsd.amsterdam",),
            "option domain-name-servers": ("192.0.2.53", "192.0.2.54"),
        },
        (
            Subnet(
                "203.0.113.0",
                "255.255.255.0",
                (("203.0.113.10", "203.0.113.20"),),
                {
                    "option routers": ("203.0.113.1",),
                    "server-name": ("server6.openbsd.amsterdam",),
                },
                (WEB1,),
            ),
        ),
        (),
    )


def test_leading_zeros_are_decimal() -> None:
    """As dhcpd's parse_numeric_aggregate and inet_pton(3) read them."""
    (subnet,) = parse_dhcpd_conf(
        "subnet 010.10.010.000 netmask 255.255.255.00 { range 010.10.010.05 10.10.10.020; }"
    ).subnets
    assert (subnet.network, subnet.netmask) == ("10.10.10.0", "255.255.255.0")
    assert subnet.ranges == (("10.10.10.5", "10.10.10.20"),)


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("host a { }", (Host("a", None, (), {}),)),
        ("HOST a.b{Hardware Ethernet 0:1:2:3:4:5;}", (Host("a.b", "00:01:02:03:04:05", (), {}),)),
        (
            "host a { hardware ethernet FE : e1:ba:d0:0:00a; }",
            (Host("a", "fe:e1:ba:d0:00:0a", (), {}),),
        ),
        # A name of ethers(5), and what dhcpd(8) refuses.
        ("host a { hardware ethernet web1; }", (Host("a", "web1", (), {}),)),
        ("host a { hardware ethernet 1:2:3:4:5; }", (Host("a", "1:2:3:4:5", (), {}),)),
        ("host a { fixed-address 203.0.113.007; }", (Host("a", None, ("203.0.113.7",), {}),)),
        ("host a { fixed-address 007.example.org; }", (Host("a", None, ("007.example.org",), {}),)),
        ("group { group { host a { } } } # host b { }", (Host("a", None, (), {}),)),
        ("host a { fixed-address x, y; }", (Host("a", None, ("x", "y"), {}),)),
        (
            r'host a { filename "a\\b\c"; ; allow bootp; deny booting; not authoritative; }',
            (
                Host(
                    "a",
                    None,
                    (),
                    {
                        "filename": (r"a\bc",),
                        "allow bootp": (),
                        "deny booting": (),
                        "not authoritative": (),
                    },
                ),
            ),
        ),
        # A double quote cannot be escaped.
        (
            r'host a { filename "a\"; } host b { }',
            (
                Host("a", None, (), {"filename": ("a",)}),
                Host("b", None, (), {}),
            ),
        ),
    ],
)
def test_ways_to_write_a_host(text: str, hosts: tuple[Host, ...]) -> None:
    assert parse_dhcpd_conf(text) == DhcpdConf({}, (), hosts)


def test_subnets_of_a_shared_network() -> None:
    text = "shared-network x { subnet 10.0.0.0 netmask 255.0.0.0 { group { host a { } } } }"
    (subnet,) = parse_dhcpd_conf(text).subnets
    assert subnet == Subnet("10.0.0.0", "255.0.0.0", (), {}, (Host("a", None, (), {}),))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('\noption domain-name "a', "line 2: a quoted string is not closed"),
        ("host a {\n", "line 1: a '{' is never closed"),
        ("}", "line 1: a '}' closes nothing"),
        ("authoritative\n", "line 1: a ';' is missing"),
        ("host a { filename x }", "line 1: a ';' is missing before '}'"),
        ("host { }", "line 1: a host has no name"),
        ("host a { hardware token-ring 1; }", "line 1: host a has other hardware than ethernet"),
        ("subnet 10.0.0.0 { }", "line 1: a subnet has no netmask"),
        (18 * "group { ", "line 1: more than 16 blocks in each other"),
    ],
)
def test_what_dhcpd_would_not_take(text: str, complaint: str) -> None:
    with pytest.raises(Unreadable) as refused:
        parse_dhcpd_conf(text)
    assert str(refused.value) == complaint


def render(subnet: Subnet) -> str:
    """Write a file in the form that the role dhcpd writes."""
    lines = [f"subnet {subnet.network} netmask {subnet.netmask} {{"]
    lines += [f"\trange {' '.join(ends)};" for ends in subnet.ranges]
    for host in subnet.hosts:
        lines += [f"\thost {host.name} {{", f"\t\thardware ethernet {host.mac};"]
        lines.append(f"\t\tfixed-address {', '.join(host.addresses)};")
        for name, value in host.parameters.items():
            lines.append(f"\t\t{name} {', '.join(map(dhcpd_string, value))};")
        lines.append("\t}")
    return "\n".join([*lines, "}"]) + "\n"


STRINGS = st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters='"\\'))
ADDRESSES = st.ip_addresses(v=4).map(str)
HOSTS = st.builds(
    Host,
    VM_NAMES,
    st.integers(1, 2**48 - 1).map(mac_text),
    st.tuples(ADDRESSES),
    st.dictionaries(
        st.sampled_from(["filename", "option host-name", "server-name"]), st.tuples(STRINGS)
    ),
)
SUBNETS = st.builds(
    Subnet,
    ADDRESSES,
    ADDRESSES,
    st.lists(st.tuples(ADDRESSES, ADDRESSES), max_size=2).map(tuple),
    st.just({}),
    st.lists(HOSTS, max_size=4).map(tuple),
)


@given(SUBNETS)
def test_render_and_parse(subnet: Subnet) -> None:
    assert parse_dhcpd_conf(render(subnet)) == DhcpdConf({}, (subnet,), ())


PIECES = st.sampled_from(
    ["host ", "subnet ", "netmask ", "group ", "hardware ", "ethernet ", "option ", "a ", "1 "]
    + [" ", "\n", "{", "}", ";", ",", "#", '"', "\\", "\0", "\xfc"]
)


@given(st.lists(PIECES, max_size=40).map("".join))
def test_any_text_is_read_or_unreadable(text: str) -> None:
    try:
        conf = parse_dhcpd_conf(text)
    except Unreadable as reason:
        assert str(reason).startswith("line ")
    else:
        assert isinstance(conf, DhcpdConf)
