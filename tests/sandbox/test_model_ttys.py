# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The terminal of a guest, and what happens to a guest whose output comes back to it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.call import Call, Result
from sandbox.model.installer import PROMPT
from sandbox.model.ttys import STDIN
from sandbox.vm_server import VmServer, block

TTY = "/dev/ttyp0"
NET = ("enable", 'boot "/bsd.rd"', "boot device net")
MODE = "Could not determine auto mode."


class Reader:
    """Somebody who has the terminal open."""

    def __init__(self, server: VmServer) -> None:
        path = server.machine.files.resolve(TTY, follow=False)
        self.descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)

    def text(self) -> str:
        try:
            return os.read(self.descriptor, 1 << 16).decode()
        except BlockingIOError:
            return ""


@pytest.fixture
def server(tmp_path: Path) -> VmServer:
    made = VmServer.make(tmp_path, "web1")
    made.boot(block("web1", *NET))
    return made


@pytest.fixture
def reader(server: VmServer) -> Iterator[Reader]:
    made = Reader(server)
    yield made
    os.close(made.descriptor)


def console(server: VmServer) -> list[str]:
    return server.machine.guests.console("web1")


def stty(server: VmServer, *words: str, stdin: str = TTY) -> int:
    reply = server.machine.handle(Call(("stty", *words), environment={STDIN: stdin}))
    assert isinstance(reply, Result)
    return reply.rc


def test_a_reader_that_sets_raw_mode_disturbs_nobody(server: VmServer, reader: Reader) -> None:
    assert stty(server, "raw", "-echo") == 0
    # There is no dhcpd(8), so the installer that began by itself stops after that.
    server.until(lambda: MODE in console(server), seconds=20)
    text = reader.text()
    assert text.startswith("OpenBSD 7.8 (RAMDISK_CD)")
    assert f"{PROMPT}\r\n" in text
    assert server.machine.guests.running["web1"].typed == ""


def test_a_reader_that_leaves_echo_on_stops_the_installer(server: VmServer, reader: Reader) -> None:
    server.until(lambda: console(server).count(PROMPT) == 2, seconds=20)
    assert "Welcome to the OpenBSD/amd64 7.8" in server.machine.guests.running["web1"].typed
    assert MODE not in console(server)
    assert "OpenBSD 7.8" in reader.text()


def test_without_a_reader_nothing_is_kept(server: VmServer) -> None:
    server.until(lambda: MODE in console(server), seconds=20)
    assert server.machine.guests.running["web1"].typed == ""


def test_the_last_close_forgets_raw_mode_and_the_end_of_the_vm_is_seen(server: VmServer) -> None:
    first = Reader(server)
    assert stty(server, "raw", "-echo") == 0
    os.close(first.descriptor)
    ttys = server.machine.ttys
    assert ttys.write(TTY, "nobody") == ""
    second = Reader(server)
    assert ttys.write(TTY, "again") == "again"
    server("vmctl stop -f web1")
    server.until(lambda: os.read(second.descriptor, 1 << 16) == b"")
    os.close(second.descriptor)


def test_what_is_no_terminal(server: VmServer) -> None:
    assert stty(server, "raw", "-echo", stdin="/dev/null") == 1
    assert stty(server, "-a") == 1
