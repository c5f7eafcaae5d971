# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""pair(4), and packets that tcpdump(8) sees on their way through a switch."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from sandbox import bare
from sandbox.bare import Shell
from sandbox.model.machine import Machine
from sandbox.target.call import NOT_MODELLED, Result

SERVER = "203.0.113.1"
PING = f"/sbin/ping -n -q -c 1 -w 1 -t 1 -I {SERVER} 224.0.0.1"
TCPDUMP = f"/usr/sbin/tcpdump -l -n -c 1 -i pair9 icmp and src host {SERVER} and dst host 224.0.0.1"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return bare.machine(bare.plant(tmp_path))


def ok(machine: Machine, *commands: str) -> None:
    for command in commands:
        result = machine.run(command)
        assert (result.rc, result.stderr) == (0, ""), command


def switch(machine: Machine, host: str) -> None:
    """veb42 with the server's own interface, and a pair for somebody who listens."""
    port = "pair84" if host == "pair85" else host
    for name in dict.fromkeys(("veb42", port, host, "pair8", "pair9")):
        ok(machine, f"ifconfig {name} create")
    if port != host:
        ok(machine, f"ifconfig {host} patch {port}", f"ifconfig {port} up")
    ok(machine, f"ifconfig {host} inet {SERVER}/24", "ifconfig pair9 patch pair8 up")
    ok(machine, "ifconfig pair8 up", f"ifconfig veb42 add {port} add pair8 up")


def hears(machine: Machine) -> Result:
    """What tcpdump says while the server pings."""
    said: list[Result] = []
    shell = Shell(machine, patience=1)
    thread = threading.Thread(target=lambda: said.append(shell(TCPDUMP)))
    thread.start()
    while not machine.wire.heard and thread.is_alive():
        time.sleep(0.01)
    assert Shell(machine)(PING).rc == 1
    thread.join()
    assert machine.wire.heard == {}
    return said[0]


def test_ends_of_a_pair(machine: Machine) -> None:
    ok(machine, *(f"ifconfig pair{number} create" for number in range(3)))
    assert "\tpatch:" not in machine.run("ifconfig pair0").stdout
    ok(machine, "ifconfig pair1 patch pair0")
    for name, end in (("pair0", "pair1"), ("pair1", "pair0")):
        assert f"\tpatch: {end}\n" in machine.run(f"ifconfig {name}").stdout
    for command, error in (
        ("pair2 patch pair0", "SIOCSIFPAIR: Device busy"),
        ("pair2 patch pair2", "SIOCSIFPAIR: Invalid argument"),
        ("vio0 patch pair0", "SIOCSIFPAIR: Inappropriate ioctl for device"),
    ):
        result = machine.run(f"ifconfig {command}")
        assert (result.rc, result.stderr) == (0, f"ifconfig: {error}\n"), command
    result = machine.run("ifconfig pair2 patch pair7")
    assert (result.rc, result.stderr) == (1, "ifconfig: patch pair7: No such file or directory\n")
    ok(machine, "ifconfig pair0 -patch")
    assert "\tpatch:" not in machine.run("ifconfig pair1").stdout
    ok(machine, "ifconfig pair1 patch pair0", "ifconfig pair0 destroy")
    assert "\tpatch:" not in machine.run("ifconfig pair1").stdout


@pytest.mark.parametrize(
    ("host", "link1", "rc"),
    [("pair85", False, 0), ("pair85", True, 0), ("vport42", False, 0), ("vport42", True, 124)],
)
def test_the_servers_own_packets(machine: Machine, host: str, link1: bool, rc: int) -> None:
    switch(machine, host)
    if link1:
        ok(machine, "ifconfig veb42 link1")
    heard = hears(machine)
    assert heard.rc == rc
    assert (f"{SERVER} > 224.0.0.1: icmp: echo request" in heard.stdout) == (rc == 0)


@pytest.mark.parametrize(
    "rule", ["block out on pair85", "block in on pair84", "block out on veb42"]
)
def test_rules_of_pf(machine: Machine, rule: str) -> None:
    switch(machine, "pair85")
    ok(machine, "ifconfig veb42 link1")
    machine.files.write_text("/etc/pf.conf", f"pass\n{rule}\n")
    ok(machine, "pfctl -f /etc/pf.conf")
    assert hears(machine).rc == 124
    machine.files.write_text(
        "/etc/pf.conf", f"set skip on {rule.rpartition(' ')[2]}\npass\n{rule}\n"
    )
    ok(machine, "pfctl -f /etc/pf.conf")
    assert hears(machine).rc == 0


@pytest.mark.parametrize(
    ("command", "rc", "error"),
    [
        ("/sbin/ping -c 1 203.0.113.9", NOT_MODELLED, "not modelled: "),
        (TCPDUMP.replace("icmp", "udp"), NOT_MODELLED, "not modelled: "),
        ("/sbin/ping -I 192.0.2.1 224.0.0.1", 1, "ping: bind: Can't assign requested address\n"),
        (TCPDUMP.replace("pair9", "pair7"), 1, "tcpdump: pair7: Device not configured\n"),
    ],
)
def test_what_is_refused(machine: Machine, command: str, rc: int, error: str) -> None:
    switch(machine, "pair85")
    result = machine.run(command)
    assert result.rc == rc
    assert error in result.stderr
