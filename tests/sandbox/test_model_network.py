# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Interfaces, switches and taps: as the transcripts show them, and as the kernel refuses."""

from __future__ import annotations

import errno
import ipaddress
import json
import re
import shlex
from pathlib import Path

import pytest

from sandbox import bare
from sandbox.machine import Machine
from sandbox.model import network

_MODELLED = ("ifconfig", "route", "/etc/netstart")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return bare.machine(bare.plant(tmp_path))


def normal(text: str) -> str:
    """Without what differs from machine to machine."""
    text = re.sub(r"fe:e1:ba:d.:..:..", "LLADDR", text)
    return re.sub(r"\b(index|port) \d+", r"\1 N", text)


def replay(machine: Machine, command: str) -> tuple[str, str, bool]:
    """Output of commands separated by `;`, with `echo rc $?` and `| head -N`; False: not ours."""
    out, err, rc = "", "", 0
    for part in map(str.strip, command.split(";")):
        if part == "echo rc $?":
            out += f"rc {rc}\n"
            continue
        words, _, head = part.partition("| head -")
        argv = [word for word in shlex.split(words) if word != "sh"]
        if argv[0] not in _MODELLED:
            return out, err, False
        result = machine.run(shlex.join(argv))
        rc, err = result.rc, err + result.stderr
        lines = result.stdout.splitlines(keepends=True)
        out += "".join(lines[: int(head)] if head else lines)
    return out, err, True


def test_transcripts(machine: Machine) -> None:
    replayed = 0
    for step in bare.transcript("network"):
        if "write" in step:
            machine.files.write_text(step["write"], step["content"], 0o644)
            continue
        out, err, modelled = replay(machine, step["run"])
        if modelled:
            replayed += 1
            assert (normal(out), err) == (normal(step["stdout"]), step["stderr"]), step["run"]
    assert replayed == 23
    assert machine.files.mode("/etc/hostname.veb43") == 0o640


def test_a_server_starts_with_an_address(machine: Machine) -> None:
    assert machine.network.addresses("vio0") == [ipaddress.ip_interface("10.0.2.15/24")]
    assert machine.network.own("10.0.2.15")
    assert "status: active" in machine.run("ifconfig vio0").stdout
    assert machine.run("ifconfig").stdout.count(": flags=") == 4


@pytest.mark.parametrize(("preset", "host"), [("veb", "vport42"), ("bridge", "vether42")])
def test_provision(machine: Machine, preset: str, host: str) -> None:
    network.provision(machine, preset, 42, "203.0.113.1/24", vlan=(12, "vio0"))
    assert machine.network.members(f"{preset}42") == ["vlan12", host]
    assert [str(one) for one in machine.network.addresses(host)] == ["203.0.113.1/24"]
    assert machine.network.get(f"{preset}42").up
    assert "parent vio0" in machine.run("ifconfig vlan12").stdout
    assert machine.files.read_text(f"/etc/hostname.{host}") == "inet 203.0.113.1/24\nup\n"
    assert machine.run(f"/etc/netstart -n {host}").stdout.splitlines()[-1] == f"ifconfig {host} up"


def test_provision_knows_two_presets(machine: Machine) -> None:
    with pytest.raises(ValueError, match="'lan' is no preset"):
        network.provision(machine, "lan", 0, "203.0.113.1/24")


def test_taps_are_taken_up_to_the_first_gap(tmp_path: Path) -> None:
    machine = bare.machine(bare.plant(tmp_path, taps=2))
    (tmp_path / "dev/tap3").touch()
    assert [machine.network.open_tap() for _ in range(2)] == ["tap0", "tap1"]
    with pytest.raises(OSError, match="No such file or directory") as caught:
        machine.network.open_tap()
    assert (caught.value.errno, caught.value.filename) == (errno.ENOENT, "tap2")
    assert machine.network.open_tap(name="tap3") == "tap3"
    with pytest.raises(OSError, match="Device busy"):
        machine.network.open_tap(name="tap3")


def test_a_tap_goes_with_its_last_close_unless_it_was_there(machine: Machine) -> None:
    machine.run("ifconfig veb0 create")
    machine.run("ifconfig tap1 create")
    for _ in range(2):
        machine.network.add_member("veb0", machine.network.open_tap("vm1-if0-web1"))
    assert "description: vm1-if0-web1" in machine.run("ifconfig tap").stdout
    for tap in ("tap0", "tap1"):
        machine.network.close_tap(tap)
    assert machine.network.members("veb0") == ["tap1"]
    assert not machine.network.exists("tap0")


def test_ports_of_a_trunk(machine: Machine) -> None:
    for name in ("pair1", "pair2", "aggr0", "trunk0"):
        machine.run(f"ifconfig {name} create")
    machine.run("ifconfig pair1 up")
    assert machine.run("ifconfig aggr0 trunkport pair1").rc == 0
    assert machine.run("ifconfig aggr0 trunkport pair2").rc == 0
    shown = machine.run("ifconfig aggr0").stdout
    assert "\ttrunk: trunkproto lacp\n\t\tpair1 port active\n\t\tpair2 port \n" in shown
    assert "\ttrunk: trunkdev aggr0\n" in machine.run("ifconfig pair1").stdout
    machine.run("ifconfig trunk0 trunkproto failover")
    assert "trunkproto failover" in machine.run("ifconfig trunk0").stdout
    machine.run("ifconfig aggr0 -trunkport pair1")
    assert machine.network.get("aggr0").ports == ["pair2"]
    machine.run("ifconfig pair2 destroy")
    assert machine.network.get("aggr0").ports == []


def test_a_vlan_gets_another_parent_only_while_it_is_down(machine: Machine) -> None:
    machine.run("ifconfig pair1 create")
    machine.run("ifconfig vlan7 vnetid 7 parent vio0 up")
    busy = machine.run("ifconfig vlan7 parent pair1")
    assert busy.stderr == "ifconfig: vlan7: pair1: SIOCSIFPARENT: Device busy\n"
    assert busy.rc == 0
    assert machine.network.get("vlan7").parent == "vio0"
    assert machine.run("ifconfig vlan7 down vnetid 8 parent pair1 up").stderr == ""
    assert (machine.network.get("vlan7").parent, machine.network.get("vlan7").vnetid) == (
        "pair1",
        8,
    )
    other = machine.run("ifconfig vlan8 vnetid 8 parent pair1")
    assert other.stderr == "ifconfig: vlan8: pair1: SIOCSIFPARENT: Address already in use\n"


def test_flags_of_an_interface(machine: Machine) -> None:
    machine.run("ifconfig veb0 create")
    machine.run("ifconfig veb0 link1 up")
    assert "flags=a843<UP,BROADCAST,RUNNING,SIMPLEX,LINK1,MULTICAST>" in (
        machine.run("ifconfig veb0").stdout
    )
    machine.run("ifconfig veb0 -link1")
    assert "LINK1" not in machine.run("ifconfig veb0").stdout


def test_frames_go_through_a_switch_that_is_up(machine: Machine) -> None:
    network.provision(machine, "veb", 0, "203.0.113.1/24")
    machine.run("ifconfig tap0 create")
    machine.run("ifconfig veb0 add tap0")
    assert machine.network.neighbours("tap0") == ["vport0"]
    machine.run("ifconfig vport0 down")
    assert machine.network.neighbours("tap0") == []
    machine.run("ifconfig vport0 up")
    machine.run("ifconfig veb0 down")
    assert machine.network.neighbours("tap0") == []


@pytest.mark.parametrize(
    ("command", "stderr"),
    [
        ("ifconfig nosuch", "nosuch: no such interface\n"),
        ("ifconfig veb", "veb: no such interface\n"),
        ("ifconfig foo1 create", "ifconfig: foo1: SIOCIFCREATE: Invalid argument\n"),
        ("ifconfig foo1 up", "ifconfig: foo1: SIOCGIFFLAGS: Device not configured\n"),
        ("ifconfig vio0 nonsense", "ifconfig: nonsense: bad value\n"),
        ("ifconfig vio0 add vio0", "ifconfig: vio0: vio0: Inappropriate ioctl for device\n"),
        ("ifconfig veb0 add lo0", "ifconfig: veb0: lo0: Protocol not supported\n"),
        ("ifconfig bridge0 add lo0", "ifconfig: bridge0: lo0: Invalid argument\n"),
        ("ifconfig bridge0 add no0", "ifconfig: bridge0: no0: No such file or directory\n"),
        ("ifconfig veb0 del vio0", "ifconfig: veb0: vio0: No such process\n"),
        ("ifconfig vio0 group", "ifconfig: 'group' requires argument\n"),
        (
            "ifconfig vio0 group cust7",
            "ifconfig: setifgroup: group names may not end in a digit\n",
        ),
        ("ifconfig vio0 -group no", "ifconfig: no: SIOCDIFGROUP: No such file or directory\n"),
        ("ifconfig vport0 inet 1.2.3.4/33", "ifconfig: prefix 33: too large\n"),
        (f"ifconfig {'a' * 15}1", f"ifconfig: interface name '{'a' * 15}1' too long\n"),
        ("ifconfig vio0 -alias 1.2.3.4", "ifconfig: SIOCDIFADDR: Can't assign requested address\n"),
    ],
)
def test_refusals(machine: Machine, command: str, stderr: str) -> None:
    result = machine.run(command)
    assert (result.rc, result.stdout, result.stderr) == (1, "", stderr)


def test_any_word_makes_a_pseudo_interface(machine: Machine) -> None:
    assert machine.run("ifconfig bridge0 up").rc == 0
    assert machine.network.get("bridge0").up


def test_addresses_are_replaced_added_and_removed(machine: Machine) -> None:
    for command in (
        "inet 192.0.2.1 netmask 255.255.255.0",
        "inet 192.0.2.2/25",
        "inet alias 192.0.2.3/32",
    ):
        machine.run(f"ifconfig vether0 {command}")
    machine.run("ifconfig vether0 inet alias 192.0.2.4/32")
    machine.run("ifconfig vether0 inet -alias 192.0.2.3")
    machine.run("ifconfig vether0 inet6 2001:db8::1 prefixlen 48")
    found = [str(one) for one in machine.network.addresses("vether0")]
    assert found[:2] == ["192.0.2.2/25", "192.0.2.4/32"]
    assert found[2].startswith("fe80::")
    assert found[3] == "2001:db8::1/48"
    lines = machine.run("ifconfig vether0").stdout
    assert "inet 192.0.2.2 netmask 0xffffff80 broadcast 192.0.2.127" in lines
    assert "inet6 2001:db8::1 prefixlen 48\n" in lines


def test_only_root_changes_interfaces(machine: Machine) -> None:
    puffy = bare.Shell(machine, bare.PUFFY, "puffy")
    assert puffy("ifconfig vio0").rc == 0
    refused = puffy("ifconfig veb0 create").stderr
    assert refused == "ifconfig: veb0: SIOCIFCREATE: Operation not permitted\n"
    assert puffy("/etc/netstart").stderr == "netstart: need root privileges\n"
    assert machine.network.get("vio0").up


def test_hostname_files(machine: Machine) -> None:
    lines = (
        "# comment\n\ninet 192.0.2.1 255.255.255.0 NONE\ninet alias 192.0.2.2 0xffffffff\n"
        "inet6 2001:db8::1 64\ninet autoconf\ndhcp\n!echo $if\ndescription 'two words'\ngroup cust"
    )
    machine.files.write_text("/etc/hostname.vether7", lines, 0o640)
    assert machine.run("/etc/netstart -n vether7").stdout.splitlines()[2:] == [
        "ifconfig vether7 inet 192.0.2.1 netmask 255.255.255.0",
        "ifconfig vether7 inet alias 192.0.2.2 netmask 0xffffffff",
        "ifconfig vether7 inet6 2001:db8::1 prefixlen 64",
        "ifconfig vether7 inet autoconf",
        "ifconfig vether7 inet autoconf",
        "echo vether7",
        "ifconfig vether7 description 'two words'",
    ]
    assert machine.run("/etc/netstart vether7").stderr == ""
    assert machine.network.get("vether7").description == "two words"
    assert machine.network.get("vether7").inet == ["192.0.2.1/24", "192.0.2.2/32"]


def test_a_default_route_is_added_from_mygate(machine: Machine) -> None:
    machine.files.write_text("/etc/mygate", "2001:db8::ffff\n192.0.2.9\n")
    out = machine.run("/etc/netstart -n vio0").stdout.splitlines()
    assert out[-1] == "route -qn add -host -inet6 default 2001:db8::ffff"
    assert machine.run("/etc/netstart vio0").rc == 0
    routes = machine.run("route -n show").stdout
    assert "default            10.0.2.2" in routes
    assert "default                            2001:db8::ffff" in routes


def test_netstart_of_nothing(machine: Machine) -> None:
    missing = "netstart: /etc/hostname.veb9: No such file or directory.\n"
    assert machine.run("/etc/netstart veb9").stderr == missing
    assert machine.run("/etc/netstart veb9.bak").stderr == ""


def test_interfaces_survive_a_restart_of_the_model(machine: Machine, tmp_path: Path) -> None:
    network.provision(machine, "veb", 42, "203.0.113.1/24")
    before = machine.run("ifconfig -A").stdout
    machine.stop()
    again = bare.machine(tmp_path, json.loads(json.dumps(machine.state)))
    assert again.run("ifconfig -A").stdout == before
