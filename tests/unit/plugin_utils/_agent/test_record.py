# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The agent records a terminal in a process that outlives it, here a real pty(7)."""

from __future__ import annotations

import os
import select
import termios
import time
import typing as t
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from unit.agent_host import Host, until

RAW = ["/bin/stty", "raw", "-echo"]


class Console:
    """A VM's console: what vmd(8) has of it is `master`, the path is /dev/ttyp0 on the host."""

    def __init__(self, directory: Path) -> None:
        self.master, slave = os.openpty()
        options = ("--dev-bind", os.ttyname(slave), "/dev/ttyp0")
        self.host = Host(directory, *options)
        # Linux keeps the modes over the last close(2); echo is on, as OpenBSD has it then.
        assert termios.tcgetattr(slave)[3] & termios.ECHO
        os.close(slave)

    @property
    def out(self) -> Path:
        return self.host.srv / "out"

    def record(self, limit: int = 4096, said: str = "ttyp0", **more: object) -> dict[str, t.Any]:
        step = {
            "do": "record", "path": "/srv/out", "limit": limit, "seconds": 60, "wait": 0,
            "argv": ["/bin/echo", said], "device": "^(ttyp[0-9]+)$", "raw": RAW, "from": "/dev",
            **more,
        }  # fmt: skip
        began = time.monotonic()
        answer = self.host.apply(step)
        # It answers at once, and does not wait for what it began.
        assert time.monotonic() - began < 20
        return answer

    def says(self, text: str) -> None:
        os.write(self.master, text.encode())

    def is_raw(self) -> bool:
        return not termios.tcgetattr(self.master)[3] & (termios.ECHO | termios.ICANON)

    def echo(self) -> bytes:
        """What comes back to the VM."""
        ready, _, _ = select.select([self.master], [], [], 0.5)
        return os.read(self.master, 4096) if ready else b""


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Console]:
    made = Console(tmp_path)
    yield made
    if made.master >= 0:
        os.close(made.master)


def test_it_goes_on_and_holds_no_lock_and_nothing_comes_back(console: Console) -> None:
    assert "failed" not in console.record()
    until(console.is_raw)
    console.says("one\r\n")
    until(lambda: console.out.read_bytes() == b"one\r\n")
    assert console.out.stat().st_mode & 0o777 == 0o600
    # Somebody else changes the server meanwhile.
    run = {"do": "run", "argv": ["/usr/bin/touch", "/srv/go"]}
    assert "failed" not in console.host.apply(run, lock_wait=1)
    console.says("two")
    until(lambda: console.out.read_bytes() == b"one\r\ntwo")
    assert console.echo() == b""
    console.out.unlink()
    until(lambda: not running(console.host))


def test_what_is_not_set_to_raw_mode_is_not_recorded(console: Console) -> None:
    for raw in (["/bin/false"], ["/bin/no-such-program"]):
        assert "failed" not in console.record(raw=raw)
        until(lambda: not running(console.host))
        assert console.out.read_bytes() == b""
        console.out.unlink()


def test_a_vm_without_a_console_leaves_an_empty_file(console: Console) -> None:
    for more in ({"said": "no such vm", "wait": 1}, {"said": "ttyp7"}):
        assert "failed" not in console.record(**more)
        until(lambda: not running(console.host))
        assert console.out.read_bytes() == b""
        console.out.unlink()


def test_it_waits_for_the_vm_and_keeps_nobody(console: Console) -> None:
    argv = ["/bin/sh", "-c", "test ! -e /srv/go || echo ttyp0"]
    began = time.monotonic()
    assert "failed" not in console.record(argv=argv, wait=30)
    assert time.monotonic() - began < 10
    (console.host.srv / "go").touch()
    time.sleep(1)
    console.says("first words")
    until(lambda: console.out.read_bytes() == b"first words")


def test_the_end_is_kept_and_no_more(console: Console) -> None:
    assert "failed" not in console.record(1000)
    until(console.is_raw)
    for number in range(2000):
        console.says(f"line {number}\r\n")
    until(lambda: console.out.read_bytes().endswith(b"line 1999\r\n"))
    assert 1000 <= console.out.stat().st_size <= 2000 + 4096


def test_it_ends_with_the_vm(console: Console) -> None:
    assert "failed" not in console.record()
    until(console.is_raw)
    console.says("last words")
    until(lambda: console.out.read_bytes() == b"last words")
    os.close(console.master)
    console.master = -1
    until(lambda: not running(console.host))
    assert console.out.read_bytes() == b"last words"


def test_it_ends_in_time_and_before_another_one(console: Console) -> None:
    assert "failed" not in console.record(seconds=1)
    until(lambda: not running(console.host))
    console.out.unlink()
    assert "failed" not in console.record()
    # The terminal may still be raw from the first time, and stty(1) run beside the recorder.
    until(lambda: running(console.host) == 1)
    console.out.unlink()
    assert "failed" not in console.record()
    until(lambda: running(console.host) == 1)
    console.says("once")
    until(lambda: console.out.read_bytes() != b"")
    time.sleep(0.5)
    assert console.out.read_bytes() == b"once"


def running(host: Host) -> int:
    """How many processes of recordings are left, known by the test's own directory."""
    count = 0
    for process in Path("/proc").glob("[0-9]*/mountinfo"):
        with suppress(OSError):
            count += str(host.srv) in process.read_text()
    return count
