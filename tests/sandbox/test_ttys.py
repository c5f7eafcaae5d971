# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The terminal of a guest, and what happens to a guest whose output comes back to it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox import bare
from sandbox.model.guest.installer import PROMPT
from sandbox.model.guest.ttys import STDIN
from sandbox.model.machine import Machine
from sandbox.model.network import network
from sandbox.target.call import NOT_MODELLED, Call, Result

TTY = "/dev/ttyp0"
CONF = """switch "uplink" {
	interface "veb42"
}
vm "web1" {
	enable
	boot "/bsd.rd"
	boot device net
	disk "/var/vmm/web1.img" format raw
	interface tap {
		switch "uplink"
		locked lladdr "fe:e1:bb:d1:c8:01"
	}
}
"""
MODE = "Could not determine auto mode."


class Reader:
    """Somebody who has the terminal open."""

    def __init__(self, machine: Machine) -> None:
        path = machine.files.resolve(TTY, follow=False)
        self.descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)

    def text(self) -> str:
        try:
            return os.read(self.descriptor, 1 << 16).decode()
        except BlockingIOError:
            return ""


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """The installer boots in web1."""
    made = bare.machine(bare.plant(tmp_path))
    network.provision(made, "veb", 42, "203.0.113.1/24")
    made.files.write_text("/etc/vm.conf", CONF)
    for command in ("vmctl create -s 64M /var/vmm/web1.img", "rcctl -f start vmd"):
        assert made.run(command).rc == 0
    return made


@pytest.fixture
def reader(machine: Machine) -> Iterator[Reader]:
    made = Reader(machine)
    yield made
    os.close(made.descriptor)


def console(machine: Machine) -> list[str]:
    return machine.guests.console("web1")


def until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not done():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def stty(machine: Machine, *words: str, stdin: str = TTY) -> int:
    reply = machine.handle(Call(("stty", *words), environment={STDIN: stdin}))
    assert isinstance(reply, Result)
    return reply.rc


def test_a_reader_that_sets_raw_mode_disturbs_nobody(machine: Machine, reader: Reader) -> None:
    assert stty(machine, "raw", "-echo") == 0
    # There is no dhcpd(8), so the installer that began by itself stops after that.
    until(lambda: MODE in console(machine))
    text = reader.text()
    assert text.startswith("OpenBSD 7.8 (RAMDISK_CD)")
    assert f"{PROMPT}\r\n" in text
    assert machine.guests.running["web1"].typed == ""


def test_a_reader_that_leaves_echo_on_stops_the_installer(machine: Machine, reader: Reader) -> None:
    until(lambda: console(machine).count(PROMPT) == 2)
    assert "Welcome to the OpenBSD/amd64 7.8" in machine.guests.running["web1"].typed
    assert MODE not in console(machine)
    assert "OpenBSD 7.8" in reader.text()


def test_without_a_reader_nothing_is_kept(machine: Machine) -> None:
    until(lambda: MODE in console(machine))
    assert machine.guests.running["web1"].typed == ""


def test_the_last_close_forgets_raw_mode_and_the_end_of_the_vm_is_seen(machine: Machine) -> None:
    first = Reader(machine)
    assert stty(machine, "raw", "-echo") == 0
    os.close(first.descriptor)
    ttys = machine.ttys
    assert ttys.write(TTY, "nobody") == ""
    second = Reader(machine)
    assert ttys.write(TTY, "again") == "again"
    assert machine.run("vmctl stop -f web1").rc == 0
    until(lambda: os.read(second.descriptor, 1 << 16) == b"")
    os.close(second.descriptor)


def test_what_is_no_terminal(machine: Machine) -> None:
    assert stty(machine, "raw", "-echo", stdin="/dev/null") == 1
    assert stty(machine, "-a") == NOT_MODELLED


def test_the_console_of_a_vm(machine: Machine) -> None:
    until(lambda: PROMPT in console(machine))
    shown = bare.Shell(machine)("vmctl console web1")
    assert shown.rc == 0
    assert shown.stdout.startswith(f"Connected to {TTY} (speed 115200)\r\nOpenBSD 7.8")
    assert machine.run("vmctl console other").stderr == "vmctl: console not found\n"
