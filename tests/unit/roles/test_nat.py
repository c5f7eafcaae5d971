# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What passes a server with one public address, by the rules of the role pf."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from unit.roles.test_guests import DB1, SERVER, WEB1, WORLD, load, rules, run

from sandbox import bare
from sandbox.model.machine import Machine
from sandbox.model.pf.packets import Packet, filtered

# The stand-in's vio0 is in the group egress, and has this address.
PUBLIC = "10.0.2.15"
FORWARD = "[{port: 2201, to: 22}, {protocol: udp, port: 51820}, {port: 8000-8010}]"
TRANSLATES = (" nat-to ", " rdr-to ")


def nat(switch: str = "veb42") -> str:
    return rules((), FORWARD, preset="nat", switch={"interface": switch})


@pytest.fixture(scope="module", name="machine")
def _machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    machine = bare.machine(tmp_path_factory.mktemp("server"))
    for name in ("pair84", "pair85"):
        run(machine, f"ifconfig {name} create")
    run(machine, f"ifconfig pair85 inet {SERVER}/24")
    load(machine, nat())
    return machine


def test_vms_leave_with_the_address_of_the_server(machine: Machine) -> None:
    packet = Packet(WEB1, WORLD, "udp", 40000, 53, received="pair85")
    assert filtered(machine, "pair85", "in", packet) == packet
    assert filtered(machine, "vio0", "out", packet) == replace(packet, source=PUBLIC)
    # Other addresses are not translated, and neither is traffic to other networks.
    other = replace(packet, source="192.0.2.9")
    assert filtered(machine, "vio0", "out", other) == other
    assert filtered(machine, "vio9", "out", packet) == packet


@pytest.mark.parametrize(
    ("proto", "port", "to"),
    [("tcp", 2201, 22), ("udp", 51820, 51820), ("tcp", 8000, 8000), ("tcp", 8010, 8010)],
)
def test_a_port_leads_to_its_vm(machine: Machine, proto: str, port: int, to: int) -> None:
    asked = Packet(WORLD, PUBLIC, proto, 40000, port, received="vio0")
    arrived = filtered(machine, "vio0", "in", asked)
    assert arrived == replace(asked, target=WEB1, target_port=to)
    assert arrived and filtered(machine, "pair85", "out", arrived) == arrived
    # From another VM; the answer must come through the server too.
    asked = replace(asked, source=DB1, received="pair85")
    arrived = filtered(machine, "pair85", "in", asked)
    assert arrived == replace(asked, target=WEB1, target_port=to)
    assert arrived and filtered(machine, "pair85", "out", arrived) == replace(
        arrived, source=SERVER
    )


@pytest.mark.parametrize(
    ("proto", "port"), [("tcp", 22), ("udp", 2201), ("tcp", 51820), ("tcp", 7999), ("tcp", 8011)]
)
def test_other_ports_are_the_servers_own(machine: Machine, proto: str, port: int) -> None:
    asked = Packet(WORLD, PUBLIC, proto, 40000, port, received="vio0")
    assert filtered(machine, "vio0", "in", asked) == asked


def test_a_pf_conf_that_blocks_leaves_forwarded_ports_open(tmp_path: Path) -> None:
    machine = bare.machine(tmp_path)
    load(machine, nat())
    main = machine.files.read_text("/etc/pf.conf").replace("block return\npass\n", "block\n")
    machine.files.write_text("/etc/pf.conf", main)
    run(machine, "pfctl -f /etc/pf.conf")
    asked = Packet(WORLD, PUBLIC, "tcp", 40000, 2201, received="vio0")
    arrived = filtered(machine, "vio0", "in", asked)
    assert arrived and filtered(machine, "pair85", "out", arrived) == arrived
    assert filtered(machine, "vio0", "in", replace(asked, target_port=22)) is None


def test_no_state_of_a_translation_is_found_on_a_port_of_the_switch() -> None:
    """pf_find_state() of sys/net/pf.c would translate on the server's port of the veb(4) as well,
    in the direction out, which a veb(4) with link1 has pf see: if_veb.c, veb_transmit()."""
    made = [line for line in nat().splitlines() if line.startswith("pass") and "state" in line]
    translating = [line for line in made if any(word in line for word in TRANSLATES)]
    assert len(translating) == 1 + 3 * 3
    assert all(line.endswith(" keep state (if-bound)") for line in translating)
    # Where pf.conf(5) has translated by match, ours is the rule that makes the state.
    assert (
        "pass out quick on egress inet from (egress) received-on pair85 keep state (if-bound)"
        in made
    )


def test_there_is_nothing_of_it_without_the_preset() -> None:
    assert not any(word in rules() for word in (*TRANSLATES, "egress"))
    assert nat("bridge0").count(" received-on vether0 ") == 1 + 3
