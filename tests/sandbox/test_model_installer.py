# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The installer in a guest: from the lease to the reboot, and where it stops (facts 3)."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.install_rig import DHCPD, FAILED, FILES, HASH, MAC, RESPONSE, Rig, no_answer


@pytest.fixture(name="rig")
def _rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def test_an_installation(rig: Rig) -> None:
    assert rig.run() == "reboot"
    result = rig.installation.result
    assert result is not None
    assert rig.disks[0].written == [result.record()]
    assert result.hostname == "web1.example.org"
    assert result.interfaces == {"vio0": {"ipv4": "autoconf", "ipv6": "2001:db8:6::7/64"}}
    assert result.gateways == ["2001:db8:6::1"]
    assert result.root_password == "*************"
    assert result.user is not None
    assert (result.user.name, result.user.full_name) == ("puffy", "puffy")
    assert result.user.password == HASH
    assert result.user.key == "ssh-ed25519 AAAA puffy@example.org"
    assert (result.sshd, result.root_login, result.console_speed) == (True, "no", "115200")
    assert result.timezone == "Europe/Amsterdam"
    assert result.sets == [
        *("bsd", "bsd.rd", "base78.tgz", "comp78.tgz", "man78.tgz", "game78.tgz"),
        *("xbase78.tgz", "xfont78.tgz", "site78.tgz"),
    ]
    assert result.unverified == ["site78.tgz"]
    assert result.installurl == "http://203.0.113.1/pub/OpenBSD"
    assert rig.tail(2) == ["syncing disks... done", "rebooting..."]


def test_what_the_console_shows(rig: Rig) -> None:
    rig.run()
    shown = "\n".join(rig.console)
    for line in (
        f"Fetching http://203.0.113.1/x7f3/{MAC}-install.conf?path=7.8/amd64\n",
        "Terminal type? [vt220] vt220\n",
        "System hostname? (short form, e.g. 'foo') [web1] web1\n",
        "Password for root account? <provided>\n",
        "Which speed should com0 use? (or 'done') [115200] 115200\n",
        "Public ssh key for user puffy [none] ssh-ed25519 AAAA puffy@example.org\n",
        "IPv6 default router? 2001:db8:6::1\n",
        "HTTP Server? (hostname or 'done') 203.0.113.1\n",
        "Checksum test for site78.tgz failed. Continue anyway? [no] yes\n",
        "Unverified sets: site78.tgz. Continue without verification? [no] yes\n",
    ):
        assert line in shown
    assert HASH not in shown
    assert "*************\n" not in shown


def test_what_the_server_logs(rig: Rig) -> None:
    rig.run()
    assert rig.fetched()[:3] == [
        f"/x7f3/{MAC}-install.conf?path=7.8/amd64 200",
        "/pub/OpenBSD/7.8/amd64/SHA256.sig 200",
        "/pub/OpenBSD/7.8/amd64/index.txt 200",
    ]
    daemon = rig.machine.files.read_text("/var/log/daemon")
    assert daemon.count(f"DHCPACK on 203.0.113.11 to {MAC} via vport42") == 2


@pytest.mark.parametrize(
    ("present", "fetched"),
    [
        (f"{FILES}/x7f3/{MAC}-install.conf", 1),
        (f"{FILES}/x7f3/web1-install.conf", 2),
        (f"{FILES}/x7f3/install.conf", 3),
    ],
)
def test_where_the_response_file_is_looked_for(rig: Rig, present: str, fetched: int) -> None:
    rig.machine.files.remove(RESPONSE)
    rig.respond(path=present)
    assert rig.run() == "reboot"
    names = [f"{MAC}-install", "web1-install", "install"][:fetched]
    expected = [f"/x7f3/{name}.conf?path=7.8/amd64 404" for name in names]
    expected[-1] = expected[-1].replace(" 404", " 200")
    assert rig.fetched()[:fetched] == expected


LOCATION = "Response file location? "
DEFAULT = f"{LOCATION}[http://203.0.113.1/install.conf] "
NO_MODE = "Could not determine auto mode."
NO_LEASE = [
    "No dhcp address on interface vio0 in 30 seconds.",
    "Could not determine auto server.",
    NO_MODE,
    LOCATION,
]


@pytest.mark.parametrize(
    ("old", "new", "last"),
    [
        ('filename "x7f3/auto_install";', "", [NO_MODE, DEFAULT]),
        ("auto_install", "bsd.rd", [NO_MODE, DEFAULT]),
        ("x7f3/auto_install", "auto_installed", [NO_MODE, DEFAULT]),
        ("x7f3/", "other/", [DEFAULT]),
        ("auto_install", "auto_upgrade", [DEFAULT]),
        ("c8:01", "c8:02", NO_LEASE),
        ("fixed-address 203.0.113.11;", "fixed-address 198.51.100.1;", NO_LEASE),
        ("host web1", "deny booting; host web1", NO_LEASE),
        ("filename", "next-server 203.0.113.99; filename",
         [LOCATION + "[http://203.0.113.99/install.conf] "]),
    ],
)  # fmt: skip
def test_who_finds_no_response_file_waits_at_the_console(
    rig: Rig, old: str, new: str, last: list[str]
) -> None:
    rig.serve(dhcpd=DHCPD.replace(old, new))
    assert rig.run() == "stuck"
    assert rig.tail(len(last)) == last
    assert rig.disks[0].written == []


def test_an_upgrade_finds_no_system(rig: Rig) -> None:
    rig.serve(dhcpd=DHCPD.replace("auto_install", "auto_upgrade"))
    rig.respond(path=RESPONSE.replace("-install", "-upgrade"))
    assert rig.run() == "stuck"
    assert rig.tail(3) == ["Performing non-interactive upgrade...", *FAILED]


def test_an_address_of_the_server_that_is_elsewhere_is_not_reached(rig: Rig) -> None:
    assert rig.machine.run("ifconfig vio0 inet 203.0.113.2/32 alias").rc == 0
    rig.respond({"HTTP Server": "203.0.113.2"})
    assert rig.run() == "stuck"
    assert rig.tail(2) == FAILED


def test_without_dhcpd_there_is_no_lease(rig: Rig) -> None:
    rig.machine.run("rcctl stop dhcpd")
    assert rig.run() == "stuck"
    assert rig.tail(4) == NO_LEASE


def test_without_httpd_there_is_no_file(rig: Rig) -> None:
    rig.machine.run("rcctl stop httpd")
    assert rig.run() == "stuck"
    assert rig.tail(1) == [DEFAULT]


def test_a_switch_without_the_servers_port_leads_nowhere(rig: Rig) -> None:
    assert rig.machine.run("ifconfig veb42 del vport42").rc == 0
    assert rig.run() == "stuck"
    assert rig.tail(4) == NO_LEASE


@pytest.mark.parametrize(
    ("answers", "last"),
    [
        ({"Password for root": None}, no_answer("Password for root account?")),
        ({"HTTP Server": None}, no_answer("HTTP Server? (hostname or 'done')")),
        ({"What timezone are you in": None},
         no_answer("What timezone are you in? ('?' for list)")),
        ({"What timezone are you in": "Mars/Olympus"},
         no_answer("What timezone are you in? ('?' for list)")),
        ({"Password for user": None}, no_answer("Password for user puffy?")),
        ({"System hostname": "web 1"}, ["Invalid hostname.", *FAILED]),
        ({"Which disk is the root disk": "sd5"}, ["no such disk", *FAILED]),
        ({"Which disk is the root disk": "wd0"}, ["no such disk", *FAILED]),
        ({"Which speed should com0": "300"}, ["'300' is not a valid choice.", *FAILED]),
        ({"Start sshd(8) by default": "maybe"}, ["'maybe' is not a valid choice.", *FAILED]),
        ({"Allow root ssh login": "never"}, ["'never' is not a valid choice.", *FAILED]),
        ({"Network interface to configure": "em0"}, ["'em0' is not a valid choice.", *FAILED]),
        ({"IPv4 address for vio0": "203.0.113.300/24"},
         ["ifconfig: 203.0.113.300/24: bad value", *FAILED]),
        ({"IPv6 address for vio0": "web1"}, ["ifconfig: web1/64: bad value", *FAILED]),
        ({"Continue anyway": None},
         ["Checksum test for site78.tgz failed. Continue anyway? [no] no", *FAILED]),
        ({"Continue without verification": None},
         ["Unverified sets: site78.tgz. Continue without verification? [no] no", *FAILED]),
        ({"Location of sets": "tape"}, ["'tape' is not a valid choice.", *FAILED]),
        ({"Location of sets": "done"},
         ["Are you *SURE* your install is complete without 'bsd'? [no] no", *FAILED]),
        ({"Set name(s)": "-base*"},
         ["Are you *SURE* your install is complete without 'base78.tgz'? [no] no", *FAILED]),
        ({"Set name(s)": "abort"},
         ["Are you *SURE* your install is complete without 'bsd'? [no] no", *FAILED]),
        ({"Server directory": "pub/nosuch"}, ["    site78-web1.tgz", *FAILED]),
        ({"HTTP Server": "203.0.113.9"}, ["    site78-web1.tgz", *FAILED]),
        ({"HTTP Server": "nosuch.example"}, ["    site78-web1.tgz", *FAILED]),
        ({"HTTP Server": "https://203.0.113.1"}, FAILED),
        ({"HTTP Server": "a/b"}, no_answer("HTTP Server? (hostname or 'done')")),
        ({"HTTP proxy": "http://proxy:8080"}, ["    site78-web1.tgz", *FAILED]),
        ({"Use (A)uto layout,": "custom"}, ["'/' must be configured!", *FAILED]),
        ({"URL to autopartitioning": "http://203.0.113.1/nosuch"},
         ["No autopartitioning template found.", *FAILED]),
        ({"IPv4 address for vio0": "203.0.113.11/24"},
         no_answer("Default IPv4 route? (IPv4 address or 'none')")),
    ],
)  # fmt: skip
def test_where_it_gives_up(rig: Rig, answers: dict[str, str | None], last: list[str]) -> None:
    rig.respond(answers)
    assert rig.run() == "stuck"
    assert rig.tail(len(last)) == last
    assert rig.disks[0].written == []


@pytest.mark.parametrize(
    ("answers", "attribute", "value"),
    [
        ({"System hostname": "other.example.net"}, "hostname", "other.example.org"),
        ({"IPv4 address for vio0": "dhcp"}, "interfaces",
         {"vio0": {"ipv4": "autoconf", "ipv6": "2001:db8:6::7/64"}}),
        ({"Network interface to configure": MAC}, "gateways", ["2001:db8:6::1"]),
        ({"IPv6 default router": "2001:db8:9::1"}, "gateways", []),
        ({"IPv6 default router": "fe80::1%vio0"}, "gateways", ["fe80::1%vio0"]),
        ({"IPv6 address for vio0": "2001:db8:6::7", "IPv6 prefix length": "56"}, "interfaces",
         {"vio0": {"ipv4": "autoconf", "ipv6": "2001:db8:6::7/56"}}),
        ({"Public ssh key for root": "ssh-ed25519 BBBB"}, "root_key", "ssh-ed25519 BBBB"),
        ({"Change the default console to com0": "no"}, "console_speed", ""),
        ({"Start sshd(8)": "no", "Allow root ssh login": None}, "root_login", ""),
        ({"Allow root ssh login": "Prohibit-Password"}, "root_login", "prohibit-password"),
        ({"Setup a user": "Puffy", "Password for user": None}, "user", None),
        ({"Setup a user": "root", "Password for user": None}, "user", None),
        ({"Set name(s)": "-all bsd base*"}, "sets", ["bsd", "base78.tgz"]),
        ({"Set name(s)": "-game* done"}, "unverified", []),
        ({"What timezone are you in": "Europe", "sub-timezone": "Amsterdam"}, "timezone",
         "Europe/Amsterdam"),
        ({"What timezone are you in": "Mars", "timezone": "UTC"}, "timezone", "UTC"),
        ({"Encrypt the root disk": "p", "New passphrase": "x"}, "encrypted", True),
        ({"HTTP Server": "[2001:db8:6::1]"}, "installurl",
         "http://[2001:db8:6::1]/pub/OpenBSD"),
        ({"HTTP Server": "sets.example.org"}, "installurl",
         "http://sets.example.org/pub/OpenBSD"),
        ({"HTTP Server": "http://203.0.113.1:80"}, "installurl",
         "http://203.0.113.1:80/pub/OpenBSD"),
    ],
)  # fmt: skip
def test_what_answers_make(
    rig: Rig, answers: dict[str, str | None], attribute: str, value: object
) -> None:
    rig.machine.files.write_text("/etc/hosts", "203.0.113.1 sets.example.org sets\n")
    rig.respond(answers)
    assert rig.run() == "reboot", rig.tail(3)
    assert getattr(rig.installation.result, attribute) == value


def test_a_fixed_address_needs_route_and_names(rig: Rig) -> None:
    rig.respond(
        {
            "IPv4 address for vio0": "203.0.113.11",
            "Netmask": "255.255.255.0",
            "Default IPv4 route": "203.0.113.1",
            "DNS domain name": "example.net",
            "DNS nameservers": "203.0.113.53",
        }
    )
    assert rig.run() == "reboot", rig.tail(3)
    result = rig.installation.result
    assert result is not None
    assert result.hostname == "web1.example.net"
    assert result.interfaces["vio0"]["ipv4"] == "203.0.113.11/24"
    assert result.gateways == ["203.0.113.1", "2001:db8:6::1"]
    assert result.nameservers == ["203.0.113.53"]


def test_a_lease_without_router_is_asked_for_one(rig: Rig) -> None:
    rig.serve(dhcpd=DHCPD.replace("\toption routers 203.0.113.1;\n", ""))
    rig.respond({"Default IPv4 route": "none"})
    assert rig.run() == "reboot", rig.tail(3)


def test_the_last_line_without_an_end_is_lost(rig: Rig) -> None:
    text = rig.machine.files.read_text(RESPONSE)
    lines = [line for line in text.splitlines() if not line.startswith("What timezone")]
    text = "\n".join([*lines, "What timezone are you in = UTC"])
    rig.machine.files.write_text(RESPONSE, text)
    assert rig.run() == "stuck"
    assert rig.tail(3) == no_answer("What timezone are you in? ('?' for list)")
