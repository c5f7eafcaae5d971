# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""sysctl, whose exit status says nothing (facts 7), and sensorsd (facts 6)."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox import bare
from sandbox.call import Result
from sandbox.machine import Machine
from sandbox.model import sensorsd

STATUS = "; echo rc $?"


@pytest.fixture(name="machine")
def _machine(tmp_path: Path) -> Machine:
    return bare.machine(bare.plant(tmp_path))


def test_the_transcript(machine: Machine) -> None:
    """Every step that needs no shell; the others are replayed over ssh."""
    wrong = []
    for step in bare.transcript("sysctl"):
        if "write" in step:
            machine.files.write_text(step["write"], step["content"])
            continue
        command = step["run"].removesuffix(STATUS)
        if not command.startswith("sysctl"):
            continue
        found = machine.run(command)
        if command != step["run"]:
            found = Result(0, f"{found.stdout}rc {found.rc}\n", found.stderr)
        if found != Result(step["rc"], step["stdout"], step["stderr"]):
            wrong.append((command, found, step))
    assert wrong == []


@pytest.mark.parametrize(
    ("command", "stdout", "stderr"),
    [
        ("sysctl -n kern.osrelease hw.machine", "7.8\namd64\n", ""),
        ("sysctl net.inet.ip.arpq", None, ""),
        (
            "sysctl net.inet.ip.forwarding=3",
            "",
            "sysctl: net.inet.ip.forwarding: Invalid argument\n",
        ),
        ("sysctl net.inet.ip.forwarding=", "net.inet.ip.forwarding=0\n", ""),
        (
            "sysctl net.inet.ip.ttl=99999999999",
            "",
            "sysctl: net.inet.ip.ttl: value is too large: 99999999999\n",
        ),
        (
            "sysctl kern.securelevel=0",
            "",
            "sysctl: kern.securelevel: Operation not permitted\n",
        ),
        (
            "sysctl net.inet.ip.arpq.len=5",
            "",
            "sysctl: net.inet.ip.arpq.len: Operation not permitted\n",
        ),
        (
            "sysctl hw.smt.more",
            "",
            "sysctl: name more in hw.smt.more is unknown\n",
        ),
        ("sysctl -n kern.somaxconn=256", "256\n", ""),
    ],
)
def test_messages(machine: Machine, command: str, stdout: str | None, stderr: str) -> None:
    found = machine.run(command)
    assert (found.rc, found.stderr) == (0, stderr)
    if stdout is None:
        assert found.stdout.splitlines()[0] == "net.inet.ip.arpq.maxlen=50"
    else:
        assert found.stdout == stdout


def test_only_root_may_set(machine: Machine) -> None:
    found = machine.run("sysctl hw.smt=1", uid=1001, user="puffy")
    assert found == Result(0, "", "sysctl: hw.smt: Operation not permitted\n")


def test_what_can_fail(machine: Machine) -> None:
    assert machine.run("sysctl -x").rc == 1
    assert machine.run("sysctl -f /nosuch") == Result(
        1, "", "sysctl: fopen: No such file or directory\n"
    )


@pytest.mark.parametrize(
    ("text", "said", "complained"),
    [
        ("hw.smt=1\n", "hw.smt: 0 -> 1\n", ""),
        ("hw.smt=1 # why\n", "hw.smt: 0 -> 1\n", ""),
        ("# nothing\n\n", "", ""),
        (" hw.smt=1\n", "", "sysctl: top level name  in  is invalid\n"),
        (" \n", "", "sysctl: top level name  in  is invalid\n"),
        (" ", "", ""),
        ("hw.smt=1", "hw.smt: 0 -> 1\n", ""),
    ],
)
def test_files(machine: Machine, text: str, said: str, complained: str) -> None:
    machine.files.write_text("/etc/sysctl.conf", text)
    assert machine.run("sysctl -f /etc/sysctl.conf") == Result(0, said, complained)


def test_values_are_remembered(machine: Machine) -> None:
    machine.run("sysctl net.inet.ip.arpq.maxlen=256")
    machine.stop()
    again = Machine(machine.root, machine.hostname, machine.state)
    assert again.sysctl.get("net.inet.ip.arpq.maxlen") == "256"


def test_sensors(machine: Machine) -> None:
    machine.sysctl.sensors["softraid0.drive0"] = "online (sd2), OK"
    listed = "hw.sensors.softraid0.drive0=online (sd2), OK\n"
    assert machine.run("sysctl hw.sensors").stdout == listed


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        (
            "drive:command=/etc/sensorsd/drive %t %n %2 %s\n",
            {"drive": {"command": "/etc/sensorsd/drive %t %n %2 %s"}},
        ),
        ("# no\n\ntemp:low=15C:high=\\\n\t65C\n", {"temp": {"low": "15C", "high": "65C"}}),
        ("x:command=a\\072b\\cc\n", {"x": {"command": "a:b:c"}}),
        ("a|b:istatus\n", {"a": {"istatus": ""}, "b": {"istatus": ""}}),
    ],
)
def test_entries(text: str, entries: sensorsd.Entries) -> None:
    assert sensorsd.parse(text) == entries


def test_tokens_of_a_command() -> None:
    values = {"t": "drive", "n": "0", "2": "online", "s": "OK"}
    assert sensorsd.expand("x %t%n %2 %s %1 %% %l", values) == "x drive0 online OK %1 %% %l"
    assert sensorsd.expand("x" * 1024, {}) is None


@pytest.mark.parametrize(
    ("text", "alive"),
    [
        ("temp:high=65C\n", True),
        ("temp:high=65\n", False),
        ("temp:high=hot\n", False),
        ("hw.sensors.cpu0.temp0:high=65F\ntemp:high=65\n", True),
        ("fan:low=x\n", True),
    ],
)
def test_a_bad_limit_of_a_sensor_ends_the_daemon(machine: Machine, text: str, alive: bool) -> None:
    machine.sysctl.sensors["cpu0.temp0"] = "40.00 degC"
    machine.files.write_text("/etc/sensorsd.conf", text)
    assert machine.run("rcctl -f start sensorsd").stdout == "sensorsd(ok)\n"
    assert machine.services.alive("sensorsd") == alive


def test_a_reload_keeps_commands_that_are_gone(machine: Machine) -> None:
    machine.files.write_text("/etc/sensorsd.conf", "drive:command=/bin/a\n")
    machine.run("rcctl -f start sensorsd")
    machine.files.write_text("/etc/sensorsd.conf", "")
    machine.run("rcctl reload sensorsd")
    assert machine.sensorsd.entries["drive"] == {"command": "/bin/a"}
    machine.run("rcctl -f restart sensorsd")
    assert machine.sensorsd.entries == {}
