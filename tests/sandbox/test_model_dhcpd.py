# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""dhcpd.conf as dhcpd reads it, and who gets which lease (facts 4)."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from typing import Any

import pytest

from sandbox import bare
from sandbox.machine import Machine
from sandbox.model import dhcpd_conf, network
from sandbox.model.dhcpd import Lease

FILES = {step["write"]: step["content"] for step in bare.transcript("dhcpd-n") if "write" in step}
RUNS = [step for step in bare.transcript("dhcpd-n") if step.get("run", "").split(" ")[-1] in FILES]
REFUSED = "fatal in dhcpd: Configuration file errors encountered\n"
MAC = "fe:e1:bb:d1:c8:01"
SUBNET = "subnet 203.0.113.0 netmask 255.255.255.0 {\n%s\n}\n"
HOST = f"host web1 {{ hardware ethernet {MAC}; fixed-address 203.0.113.11; %s }}"


@pytest.mark.parametrize("step", RUNS, ids=lambda step: Path(step["run"].split()[-1]).stem)
def test_a_file_gets_the_answer_that_openbsd_gave(step: dict[str, Any]) -> None:
    path = step["run"].split()[-1]
    config, messages = dhcpd_conf.check(FILES[path], path)
    assert (int(config is None), messages) == (step["rc"], step["stderr"])


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("SUBNET 203.0.113.0 NetMask 255.255.255.0 { }\n", True),
        ('option domain-name "a\\\\b"; # a comment\n', True),
        ('option domain-name "";\n', True),
        ("default-lease-time 600; max-lease-time 1200;\n", True),
        ("default-lease-time soon;\n", False),
        ("default-lease-time 4294967296;\n", False),
        ("range 203.0.113.5;\n", False),
        ("hardware ethernet fe:e1:bb:d1:c8:01;\n", False),
        ("fixed-address 203.0.113.5;\n", False),
        ("use-host-decl-names on;\n", True),
        ("use-host-decl-names maybe;\n", False),
        ("not authoritative;\nauthoritative;\n", True),
        ("not nice;\n", False),
        ("group { host a { } }\n", True),
        ("host a { host b { } }\n", False),
        ("host a { subnet 203.0.113.0 netmask 255.255.255.0 { } }\n", False),
        ("host a { use-host-decl-names on; }\n", False),
        ("shared-network x { }\n", False),
        ('shared-network "x y" { subnet 203.0.113.0 netmask 255.255.255.0 { } }\n', True),
        ("subnet 203.0.113.0 { }\n", False),
        ("subnet 203.0.113 netmask 255.255.255.0 { }\n", False),
        ("host a.b.c { }\nhost a.b.c { }\n", True),
        ("host a. { }\n", False),
        ("allow booting; deny bootp;\n", True),
        ("allow nonsense;\n", False),
        ("next-server 203.0.113.1;\n", True),
        ("next-server nosuch.invalid;\n", False),
        ("option routers 203.0.113.1, 203.0.113.2;\n", True),
        ("option routers 203.0.113.1 203.0.113.2;\n", False),
        ("option host-name web1;\n", False),
        ("option host-name 77:65:62;\n", True),
        ("option domain-name web1;\n", True),
        ("option ip-forwarding true;\n", True),
        ("option ip-forwarding 1x;\n", False),
        ("option interface-mtu 1400;\n", True),
        ("option interface-mtu big;\n", False),
        ('option domain-search "a.example", "b.example";\n', True),
        ("option domain-search a.example;\n", False),
        ("option classless-static-routes 203.0.113.0/24 203.0.113.1;\n", True),
        ("option classless-static-routes 203.0.113.0/33 203.0.113.1;\n", False),
        ("option option-254 0a:0b;\n", True),
        ("option dhcp.host-name 77;\n", True),
        ("option cisco.host-name 77;\n", False),
        ('vendor-class "x" { filename "y"; }\n', True),
        ('include "/etc/other";\n', False),
    ],
)
def test_the_grammar(text: str, good: bool) -> None:
    config, messages = dhcpd_conf.check(text, "f")
    assert (config is not None, messages.endswith(REFUSED)) == (good, not good), messages


def test_a_complaint_before_the_next_line_shows_its_own_line() -> None:
    _, messages = dhcpd_conf.check("option host-name\n;\n", "f")
    assert messages == f"f line 1: \noption host-name\n       ^\n{REFUSED}"


def test_numbers_that_do_not_fit_are_only_warned_of() -> None:
    config, messages = dhcpd_conf.check("subnet 203.0.256.0 netmask 255.255.255.0 { }\n", "f")
    assert config is not None
    assert config.subnets[0].address == int(IPv4Address("203.0.0.0"))
    assert messages == "value 256 exceeds max (255) for precision.\n"


def test_overlapping_subnets_are_only_warned_of_and_the_narrow_one_is_found() -> None:
    text = SUBNET % "" + "subnet 203.0.113.128 netmask 255.255.255.128 { }\n"
    config, messages = dhcpd_conf.check(text, "f")
    warning = "Warning: subnet 203.0.113.128/25 conflicts with subnet 203.0.113.0/24\n"
    assert messages == warning
    assert config is not None
    found = config.subnet_of(int(IPv4Address("203.0.113.200")))
    assert found is not None
    assert found.bits == 25


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            SUBNET % "range 203.0.112.255 203.0.113.4;",
            "Address range 203.0.112.255 to 203.0.113.4, netmask 255.255.255.0"
            " spans multiple subnets!",
        ),
        (
            SUBNET % "range 203.0.114.9;",
            "Address range 203.0.114.9 to 203.0.114.9 not on net 203.0.113.0/255.255.255.0!",
        ),
    ],
)
def test_a_wrong_range_is_fatal(text: str, reason: str) -> None:
    assert dhcpd_conf.check(text, "f") == (None, f"fatal in dhcpd: {reason}\n")


def test_inheritance_is_a_copy_of_what_stands_before() -> None:
    text = (
        'option domain-name "early.example";\n'
        'group { filename "g"; host a { } host b { filename "h"; } }\n'
    )
    config, _ = dhcpd_conf.check(text, "f")
    assert config is not None
    assert [host.scope.filename for host in config.hosts] == ["g", "h"]
    assert config.hosts[0].scope.options["domain-name"] == ("early.example",)
    assert config.root.filename is None


def test_use_host_decl_names() -> None:
    text = 'use-host-decl-names on;\nhost web1 { }\nhost b { option host-name "c"; }\n'
    config, _ = dhcpd_conf.check(text, "f")
    assert config is not None
    assert [host.scope.options["host-name"] for host in config.hosts] == [("web1",), ("c",)]


@pytest.fixture(name="machine")
def _machine(tmp_path: Path) -> Machine:
    machine = bare.machine(bare.plant(tmp_path))
    network.provision(machine, "veb", 42, "203.0.113.1/24")
    machine.run("rcctl enable dhcpd")
    return machine


def serve(machine: Machine, text: str, flags: str = "vport42") -> None:
    machine.files.write_text("/etc/dhcpd.conf", text)
    machine.run(f"rcctl set dhcpd flags {flags}")
    assert machine.run("rcctl restart dhcpd").stdout.endswith("dhcpd(ok)\n")


def lease(machine: Machine, mac: str = MAC) -> Lease | None:
    return machine.dhcpd.lease(mac, "vport42")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("vport42", "Listening on vport42 (203.0.113.1).\n"),
        ("veb42", "Can't listen on veb42 - it has no IP address.\n"),
        ("lo0", "Can't listen on lo0 - wrong rdomain\n"),
        ("nosuch0", "Can't listen on nosuch0 - wrong rdomain\n"),
        (
            "vio0",
            "Can't listen on vio0 - dhcpd.conf has no subnet declaration for 10.0.2.15.\n",
        ),
    ],
)
def test_interfaces(machine: Machine, flags: str, said: str) -> None:
    machine.files.write_text("/etc/dhcpd.conf", SUBNET % "")
    machine.files.write_text("/var/db/dhcpd.leases", "")
    result = machine.run(f"dhcpd {flags}")
    good = flags == "vport42"
    end = "" if good else "fatal in dhcpd: No interfaces to listen on.\n"
    assert (result.rc, result.stderr) == (int(not good), said + end)
    assert machine.dhcpd.alive == good


def test_without_a_leases_file_it_does_not_start(machine: Machine) -> None:
    machine.files.write_text("/etc/dhcpd.conf", SUBNET % "")
    result = machine.run("dhcpd vport42")
    assert result.rc == 1
    assert result.stderr.startswith("Can't open lease database (/var/db/dhcpd.leases): ")
    assert machine.run("rcctl -f start dhcpd").stdout == "dhcpd(ok)\n"


def test_a_reserved_address(machine: Machine) -> None:
    options = 'option routers 203.0.113.1; option domain-name "example.org";\n'
    options += "option domain-name-servers 203.0.113.53, 203.0.113.54;\n"
    host = HOST % 'filename "x7f3/auto_install"; option host-name "web1";'
    serve(machine, SUBNET % (options + host))
    assert lease(machine, MAC.upper()) == Lease(
        IPv4Interface("203.0.113.11/24"),
        next_server=IPv4Address("203.0.113.1"),
        filename="x7f3/auto_install",
        host_name="web1",
        routers=(IPv4Address("203.0.113.1"),),
        dns=(IPv4Address("203.0.113.53"), IPv4Address("203.0.113.54")),
        domain="example.org",
    )
    lines = machine.files.read_text("/var/log/daemon").splitlines()
    assert [line.partition("]: ")[2] for line in lines if " dhcpd[" in line] == [
        f"DHCPDISCOVER from {MAC} via vport42",
        f"DHCPOFFER on 203.0.113.11 to {MAC} via vport42",
        f"DHCPREQUEST for 203.0.113.11 from {MAC} via vport42",
        f"DHCPACK on 203.0.113.11 to {MAC} via vport42",
    ]


@pytest.mark.parametrize(
    ("text", "address", "filename", "next_server"),
    [
        (SUBNET % "", None, "", ""),
        (SUBNET % HOST % "next-server 203.0.113.9;", "203.0.113.11", "", "203.0.113.9"),
        (SUBNET % ('filename "s";' + HOST % ""), "203.0.113.11", "s", "203.0.113.1"),
        (HOST % 'filename "h";' + SUBNET % 'filename "s";', "203.0.113.11", "h", "203.0.113.1"),
        (HOST % "" + SUBNET % 'filename "s";', "203.0.113.11", "s", "203.0.113.1"),
        (SUBNET % "range 203.0.113.50 203.0.113.51;", "203.0.113.50", "", "203.0.113.1"),
        ("deny unknown-clients;" + SUBNET % "range 203.0.113.50;", None, "", ""),
        ("deny booting;" + SUBNET % HOST % "", None, "", ""),
        (SUBNET % HOST.replace("203.0.113.11", "198.51.100.1") % "", None, "", ""),
        (
            SUBNET % (HOST.replace("113.11", "113.12") % 'filename "first";' + HOST % ""),
            "203.0.113.12",
            "first",
            "203.0.113.1",
        ),
    ],
)
def test_leases(
    machine: Machine, text: str, address: str | None, filename: str, next_server: str
) -> None:
    serve(machine, text)
    found = lease(machine)
    if address is None:
        assert found is None
    else:
        assert found is not None
        expected = (address, filename, next_server)
        assert (str(found.address.ip), found.filename, str(found.next_server)) == expected


def test_of_two_subnets_of_a_network_the_narrow_one_counts(machine: Machine) -> None:
    narrow = "subnet 203.0.113.0 netmask 255.255.255.128 { }\n"
    serve(machine, HOST % "" + "shared-network vms {\n" + SUBNET % "" + narrow + "}\n")
    found = lease(machine)
    assert found is not None
    assert str(found.address) == "203.0.113.11/25"


def test_a_range_is_handed_out_and_runs_out(machine: Machine) -> None:
    serve(machine, SUBNET % "range 203.0.113.50 203.0.113.51;")
    macs = [f"fe:e1:bb:d1:c8:{number:02x}" for number in (1, 2, 1, 3)]
    found = [lease(machine, mac) for mac in macs]
    addresses = [str(one.address.ip) if one else None for one in found]
    assert addresses == ["203.0.113.50", "203.0.113.51", "203.0.113.50", None]


def test_the_running_daemon_keeps_its_configuration(machine: Machine) -> None:
    serve(machine, SUBNET % HOST % "")
    machine.files.write_text("/etc/dhcpd.conf", "nonsense")
    assert machine.run("rcctl restart dhcpd").stdout == "(failed)\n"
    assert lease(machine) is not None
    machine.dhcpd.config = dhcpd_conf.check("", "f")[0] or machine.dhcpd.config
    machine.dhcpd.start()
    assert lease(machine) is not None


def test_who_is_not_heard(machine: Machine) -> None:
    serve(machine, SUBNET % HOST % "")
    assert machine.dhcpd.lease(MAC, "vio0") is None
    machine.run("ifconfig vport42 down")
    assert lease(machine) is None
    machine.run("ifconfig vport42 up")
    assert lease(machine) is not None
    machine.run("rcctl stop dhcpd")
    assert lease(machine) is None


def test_a_port_of_a_veb_is_cut_off_from_the_server(machine: Machine) -> None:
    machine.run("ifconfig vlan7 create")
    machine.run("ifconfig vlan7 vnetid 7 parent vio0")
    machine.run("ifconfig vlan7 inet 203.0.113.2/24 up")
    serve(machine, SUBNET % HOST % "", flags="vlan7")
    assert machine.dhcpd.lease(MAC, "vlan7") is not None
    assert machine.run("ifconfig veb42 add vlan7").rc == 0
    assert machine.dhcpd.lease(MAC, "vlan7") is None


def test_it_ends_with_its_last_interface(machine: Machine) -> None:
    serve(machine, SUBNET % "")
    assert machine.run("ifconfig vport42 destroy").rc == 0
    assert machine.run("rcctl check dhcpd").stdout == "dhcpd(failed)\n"
