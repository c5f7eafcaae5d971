# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What guests can send to each other and to the server, with the rules of the role pf loaded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Interface
from pathlib import Path
from typing import Any

import jinja2
import pytest
from ansible_collections.puffy.vmm.plugins.filter.pf_uplinks import pf_uplinks
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.model import server_variables
from ansible_collections.puffy.vmm.plugins.module_utils._formats.quoting import vm_conf_string
from unit.fleets import build, server, vm

from sandbox import bare
from sandbox.model.guest.web import FetchError, GuestNetwork
from sandbox.model.machine import Machine
from sandbox.model.network.frames import answers, from_server, ports
from sandbox.model.pf.packets import Packet, passes

TEMPLATE = Path(__file__).resolve().parents[3] / "roles/pf/templates/pf.conf.j2"
SERVER, WEB1, DB1, WORLD = "203.0.113.1", "203.0.113.10", "203.0.113.11", "198.51.100.7"
WEB1_6, DB1_6 = "2001:db8:6::10", "2001:db8:6::11"
NETWORK = "203.0.113.0/24"
ALL, ALL_6 = "255.255.255.255", "ff02::1"
# Taps of the fleet's VMs, of another VM on the same switch, and of one on another switch.
TAP_WEB1, TAP_DB1, TAP_STRANGER, TAP_ELSEWHERE = "tap0", "tap1", "tap2", "tap9"

DISCOVER = Packet("0.0.0.0", ALL, "udp", 68, 67, to_all=True)
OFFER = Packet(SERVER, WEB1, "udp", 67, 68)
HTTP = Packet(WEB1, SERVER, "tcp", 40000, 80)


def rules(
    uplinks: tuple[str, ...] = ("vio1",),
    forward: str = "[]",
    clients: Sequence[str] = (),
    **changes: Any,
) -> str:
    """The rules for web1 and db1, behind vio1."""
    fleet = build(
        {"db1.yml": vm("number: 2"), "web1.yml": vm("number: 1", f"forward: {forward}")},
        servers={"server6": server(**{"switch": {"interface": "veb42"}, **changes})},
    )
    described = server_variables(fleet, "server6")
    environment = jinja2.Environment(trim_blocks=True, undefined=jinja2.StrictUndefined)
    environment.filters["puffy.vmm.vm_conf_string"] = vm_conf_string
    environment.filters["puffy.vmm.pf_uplinks"] = pf_uplinks
    environment.tests["match"] = lambda text, start: text.startswith(start)
    return environment.from_string(TEMPLATE.read_text()).render(
        **described,
        pf_vms=described["vmm_vms"],
        pf_uplinks=list(uplinks),
        pf_nat=[NETWORK] if described["vmm_host"]["preset"] == "nat" else [],
        pf_egress="egress",
        pf_httpd=described["vmm_host"]["ipv4"]["server"],
        pf_httpd_clients=clients,
        pf_sources={"db1": ["192.0.2.0/28"]},
    )


@dataclass
class Wire:
    """A server with veb42, and what comes out where."""

    machine: Machine

    def sent(self, source: str, packet: Packet) -> set[str]:
        return set(ports(self.machine, source, packet))


@pytest.fixture(scope="module", name="wire")
def _wire(tmp_path_factory: pytest.TempPathFactory) -> Wire:
    machine = bare.machine(tmp_path_factory.mktemp("server"))
    taps = {TAP_WEB1: "vm1nic", TAP_DB1: "vm2nic", TAP_STRANGER: ""}
    for name in ("veb42", "bridge7", "pair84", "pair85", "vio1", *taps, TAP_ELSEWHERE, "tap8"):
        run(machine, f"ifconfig {name} create") if name != "vio1" else physical(machine, name)
    run(machine, "ifconfig pair85 patch pair84 up")
    run(machine, f"ifconfig pair85 inet {SERVER}/24")
    for name in ("vio1", "pair84", *taps):
        run(machine, f"ifconfig {name} up")
        run(machine, f"ifconfig veb42 add {name}")
    for name in ("tap8", TAP_ELSEWHERE):
        run(machine, f"ifconfig {name} up")
        run(machine, f"ifconfig bridge7 add {name}")
    for name, group in taps.items():
        for name_of_group in (group, "vmswitch"):
            if name_of_group:
                run(machine, f"ifconfig {name} group {name_of_group}")
    run(machine, "ifconfig veb42 link1 up")
    run(machine, "ifconfig bridge7 up")
    load(machine, rules())
    return Wire(machine)


def run(machine: Machine, command: str) -> None:
    result = machine.run(command)
    assert result.rc == 0, f"{command}: {result.stderr}"


def physical(machine: Machine, name: str) -> None:
    interface = replace(machine.network.get("vio0"), name=name, index=99, inet=[], groups=[])
    interface.flags = 0
    machine.network.interfaces[name] = interface


def load(machine: Machine, text: str) -> None:
    machine.files.write_text("/etc/pf.rules", text)
    # OpenBSD's own pf.conf, and the two lines of the role.
    main = (
        "set skip on lo\nblock return\npass\nblock return in on ! lo0 proto tcp to port 6000:6010\n"
    )
    main += "block return out log proto { tcp udp } user _pbuild\n"
    main += 'anchor "puffy.vmm"\nload anchor "puffy.vmm" from "/etc/pf.rules"\n'
    machine.files.write_text("/etc/pf.conf", main)
    run(machine, "pfctl -f /etc/pf.conf")


@pytest.mark.parametrize(
    "packet",
    [
        # dhcpleased(8) and others look at the destination port only.
        Packet(WEB1, ALL, "udp", 67, 68, to_all=True),
        Packet(WEB1, ALL, "udp", 1067, 68, to_all=True),
        Packet(WEB1, DB1, "udp", 67, 68),
        Packet(WEB1, DB1, "udp", 1067, 68),
        Packet(WEB1_6, ALL_6, "udp", 547, 546, to_all=True),
        Packet("fe80::1", "fe80::2", "udp", 1547, 546),
        # Another router than the one there is.
        Packet(WEB1, DB1, "icmp", kind="redir"),
        Packet(WEB1_6, DB1_6, "icmp6", kind="redir"),
        Packet("fe80::1", ALL_6, "icmp6", kind="routeradv", to_all=True),
        # Addresses of others, or of nobody.
        Packet(DB1, WORLD),
        Packet(SERVER, DB1, "udp", 67, 68),
        Packet(WORLD, DB1),
        Packet(DB1_6, ALL_6, "icmp6", kind="neighbradv", to_all=True),
        Packet("0.0.0.0", DB1, "udp", 68, 67),
    ],
)
def test_what_a_guest_cannot_send(wire: Wire, packet: Packet) -> None:
    assert wire.sent(TAP_WEB1, packet) == set()


RENEWALS = (
    DISCOVER,
    Packet(WEB1, SERVER, "udp", 68, 67),
    Packet(WEB1, ALL, "udp", 68, 67, to_all=True),
)


def test_requests_for_an_address_have_a_rate(wire: Wire) -> None:
    """dhcpd(8) writes a line for each. Beyond its rate a rule matches no longer: pf.conf(5)."""
    assert all(wire.sent(TAP_WEB1, packet) for packet in RENEWALS)
    beyond = [line for line in rules().splitlines() if "max-pkt-rate" not in line]
    load(wire.machine, "\n".join(beyond) + "\n")
    try:
        assert [wire.sent(TAP_WEB1, packet) for packet in RENEWALS] == [set()] * 3
    finally:
        load(wire.machine, rules())


def test_requests_for_sets_have_a_rate(wire: Wire) -> None:
    (rule,) = (
        str(rule)
        for rule in wire.machine.pf.anchors["puffy.vmm"]
        if rule.action == "pass" and rule.source.host == WEB1 and rule.target.ports == (80, 80)
    )
    states = "source-track rule, max-src-conn 50, max-src-conn-rate 100/60, if-bound, src.track 60"
    assert rule.endswith(f" flags S/SA keep state ({states})")


@pytest.mark.parametrize("preset", ["veb", "nat"])
def test_no_state_of_a_rule_lets_another_vm_take_part(preset: str, wire: Wire) -> None:
    """pf_find_state() of sys/net/pf.c takes a floating state on any tap, before rules are read."""
    forward = "[{port: 2201, to: 22}]" if preset == "nat" else "[]"
    load(wire.machine, rules(forward=forward, clients=["192.0.2.9"], preset=preset))
    try:
        loaded = [str(rule) for rule in wire.machine.pf.anchors["puffy.vmm"]]
    finally:
        load(wire.machine, rules())
    stateful = [line for line in loaded if line.startswith("pass") and "no state" not in line]
    assert len([line for line in stateful if "port = 80" in line]) == 3
    assert [line for line in stateful if "if-bound" not in line] == []


@pytest.mark.parametrize(
    ("source", "packet", "to"),
    [
        (TAP_WEB1, DISCOVER, {"pair84", "vio1", TAP_DB1, TAP_STRANGER}),
        (TAP_WEB1, Packet(WEB1, DB1), {TAP_DB1, "pair84", "vio1"}),
        (TAP_WEB1, Packet(WEB1, WORLD), {"vio1", "pair84"}),
        (TAP_WEB1, Packet(WEB1_6, DB1_6), {TAP_DB1, "pair84", "vio1"}),
        ("vio1", Packet(WORLD, WEB1), {TAP_WEB1, "pair84"}),
        # A block that the operator routes to a VM.
        (TAP_DB1, Packet("192.0.2.3", WORLD), {"vio1", "pair84"}),
        ("vio1", Packet(WORLD, "192.0.2.3"), {TAP_DB1, "pair84"}),
        ("pair84", OFFER, {TAP_WEB1, "vio1"}),
    ],
)
def test_what_must_come_through(wire: Wire, source: str, packet: Packet, to: set[str]) -> None:
    got = wire.sent(source, packet)
    assert got - {"vio1", "pair84"} == to - {"vio1", "pair84"}
    assert to & {"vio1", "pair84"} <= got | ({"vio1"} if packet in (DISCOVER, OFFER) else set())


@pytest.mark.parametrize("source", ["vio1", TAP_DB1, TAP_STRANGER])
@pytest.mark.parametrize("answer", [OFFER, replace(OFFER, target=ALL, to_all=True)])
def test_no_dhcp_answer_but_the_servers_comes_to_a_vm(
    wire: Wire, source: str, answer: Packet
) -> None:
    forged = replace(answer, source=WORLD, source_port=1067)
    assert TAP_WEB1 not in wire.sent(source, forged)


def test_a_vm_receives_what_is_for_its_own_addresses(wire: Wire) -> None:
    """Whatever it made others believe by ARP or neighbour advertisements."""
    for source, packet in (
        ("vio1", Packet(WORLD, DB1)),
        ("pair84", HTTP.answer()),
        ("vio1", Packet("2001:db8::7", DB1_6)),
    ):
        reached = {WEB1: TAP_WEB1, DB1: TAP_DB1, DB1_6: TAP_DB1}[packet.target]
        assert wire.sent(source, packet) & {TAP_WEB1, TAP_DB1, TAP_STRANGER} == {reached}
    # A response file is not flooded to an address that no port is known for.
    assert wire.sent("pair84", replace(HTTP.answer(), to_all=True)) == set()


@pytest.mark.parametrize("packet", [DISCOVER, Packet(WEB1, DB1), Packet("192.0.2.9", WORLD)])
def test_a_vm_that_the_fleet_does_not_know_is_not_unfiltered(wire: Wire, packet: Packet) -> None:
    assert wire.sent(TAP_STRANGER, packet) == set()


def test_somebody_elses_switch_is_left_alone(wire: Wire) -> None:
    packet = Packet("192.0.2.9", "192.0.2.10")
    assert wire.sent(TAP_ELSEWHERE, packet) == {"tap8"}
    assert passes(wire.machine, "tap8", "out", packet)


def test_response_files_are_for_the_vm_at_its_own_tap(wire: Wire) -> None:
    assert answers(wire.machine, TAP_WEB1, HTTP)
    for source in (TAP_DB1, TAP_STRANGER, "vio1"):
        assert not answers(wire.machine, source, HTTP), source
    assert not answers(wire.machine, "vio1", replace(HTTP, source=WORLD))


def test_without_the_pair_the_server_is_not_heard(tmp_path: Path) -> None:
    """veb(4) with link1 drops what the server sends through vport(4); dhcpd(8) writes frames."""
    machine = bare.machine(tmp_path)
    for name in ("veb42", "vport42", "tap0"):
        run(machine, f"ifconfig {name} create")
    run(machine, f"ifconfig vport42 inet {SERVER}/24")
    for name in ("vport42", "tap0"):
        run(machine, f"ifconfig {name} up")
        run(machine, f"ifconfig veb42 add {name}")
    run(machine, "ifconfig veb42 up")
    assert answers(machine, "tap0", HTTP)
    run(machine, "ifconfig veb42 link1")
    assert not answers(machine, "tap0", HTTP)
    assert from_server(machine, "vport42", OFFER, made=True) == ["tap0"]


def mutated(drop: str) -> Callable[[str], str]:
    return lambda text: "".join(line for line in text.splitlines(keepends=True) if drop not in line)


@pytest.mark.parametrize(
    ("drop", "packet"),
    [
        ("{ 68 546 }", Packet(WEB1, DB1, "udp", 1067, 68)),
        ("icmp-type redir", Packet(WEB1, DB1, "icmp", kind="redir")),
        ("icmp6-type routeradv", Packet("fe80::1", ALL_6, "icmp6", kind="routeradv", to_all=True)),
    ],
)
def test_each_rule_is_needed(tmp_path: Path, drop: str, packet: Packet) -> None:
    machine = bare.machine(tmp_path)
    run(machine, "ifconfig tap0 create")
    run(machine, "ifconfig tap0 group vm1nic")
    load(machine, rules())
    assert not passes(machine, "tap0", "in", packet)
    load(machine, mutated(drop)(rules()))
    assert passes(machine, "tap0", "in", packet)


RESPONSE = f"once-{'5a' * 16}/fe:e1:bb:d1:c8:01-install.conf"
CONF = Path(__file__).resolve().parents[2] / "golden/example/server1/etc/httpd.conf"


@pytest.fixture(scope="module", name="serving")
def _serving(wire: Wire) -> Machine:
    """The server while web1 is being installed."""
    machine = wire.machine
    directory = f"/var/www/htdocs/install/{RESPONSE}".rpartition("/")[0]
    for place in (directory, "/var/www/logs"):
        parts = place.split("/")
        for depth in range(2, len(parts) + 1):
            if not machine.files.exists("/".join(parts[:depth])):
                machine.files.mkdir("/".join(parts[:depth]))
    machine.files.write_text(f"/var/www/htdocs/install/{RESPONSE}@{WEB1}", "secret\n")
    machine.files.write_text("/etc/httpd.conf", CONF.read_text())
    assert machine.httpd.launch(()).ok
    return machine


@pytest.mark.parametrize(
    ("tap", "address", "error"),
    [
        (TAP_WEB1, WEB1, ""),
        # With its own address the path is of no use; with the victim's nothing leaves its tap.
        (TAP_DB1, DB1, "404 Not Found"),
        (TAP_DB1, WEB1, "Operation timed out"),
        (TAP_STRANGER, WEB1, "Operation timed out"),
        ("vio1", WEB1, "Operation timed out"),
    ],
)
def test_an_attacker_who_knows_the_path(
    serving: Machine, tap: str, address: str, error: str
) -> None:
    guest = GuestNetwork(serving, tap, "fe:e1:bb:d1:c8:02")
    guest.addresses = [IPv4Interface(f"{address}/24")]
    url = f"http://{SERVER}/{RESPONSE}?path=7.8/amd64"
    if error:
        with pytest.raises(FetchError, match=error):
            guest.fetch(url)
    else:
        assert guest.fetch(url) == b"secret\n"
