# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The dialogue with the installer, held with a script that prints what OpenBSD prints."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from openbsd import installer
from openbsd.console import Console, ConsoleError, last_line, tail
from openbsd.installer import BOOT_COMMANDS, BOOT_CONF, LIMITS, Limits, install

URL = "http://10.0.2.2:4711/install.conf"
SHORT = Limits(installer=20, installation=5, boot=5, shutdown=5, vm=1)

Dialogue = Callable[..., list[str]]


@pytest.fixture
def dialogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dialogue:
    """Hold the dialogue, and return the lines that were typed."""

    monkeypatch.setattr(installer, "TYPING", 0.001)

    def hold(*ways: str, limits: Limits = SHORT) -> list[str]:
        typed = tmp_path / "typed"
        typed.write_text("")
        script = str(Path(__file__).with_name("fake_console.py"))
        command = [sys.executable, script, str(typed), *ways]
        with Console(command, tmp_path / "log", lambda seconds, line: None) as console:
            install(console, URL, limits)
        return typed.read_text().splitlines()

    return hold


def test_answers_only_where_the_response_file_is(dialogue: Dialogue) -> None:
    assert dialogue() == [URL]


def test_types_the_boot_loaders_commands_if_it_did_not_read_its_file(dialogue: Dialogue) -> None:
    assert dialogue("no-conf") == [*BOOT_COMMANDS, URL]


def test_starts_autoinstall_if_the_installer_does_not(dialogue: Dialogue) -> None:
    assert dialogue("no-netboot") == ["a", URL]


def test_fetches_the_response_file_by_hand_if_port_80_gave_another(dialogue: Dialogue) -> None:
    interface, fetch, again = dialogue("port-80")[1:]
    assert interface == "ifconfig vio0 inet autoconf up"
    assert fetch == f"until ftp -V -o /auto_install.conf {URL}; do sleep 5; done"
    assert again == "/autoinstall"


@pytest.mark.parametrize(
    ("way", "said"),
    [
        ("no-kernel", "the boot loader could not load tftp:bsd.rd"),
        ("panic", "the guest says: panic: uvm_fault"),
        ("no-file", "the guest says: No response file found"),
        ("unanswered", 'no answer in response file: "which disk is the root disk'),
        ("dies", "QEMU ended by signal 9 while the guest was still at work"),
    ],
)
def test_says_what_went_wrong(dialogue: Dialogue, way: str, said: str) -> None:
    with pytest.raises(ConsoleError) as caught:
        dialogue(way)
    assert said in str(caught.value)


def test_gives_up_when_nothing_happens(dialogue: Dialogue) -> None:
    with pytest.raises(ConsoleError, match="gave up installing after 0 minutes"):
        dialogue("hangs", limits=Limits(installer=20, installation=0.5, boot=1, shutdown=1, vm=1))
    with pytest.raises(ConsoleError, match="gave up waiting for the guest's end"):
        dialogue("stays", limits=Limits(installer=20, installation=5, boot=1, shutdown=0.5, vm=1))


def test_keeps_the_whole_console(dialogue: Dialogue, tmp_path: Path) -> None:
    dialogue()
    log = (tmp_path / "log").read_text()
    assert log.startswith("probing: pc0 com0")
    assert "Installing base78.tgz  35%" in log
    assert log.rstrip().endswith("rebooting...")


def test_shows_the_last_lines_as_they_stood_there(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"\x1b[2Jfirst\r\n\r\n 10% |*  |\r 20% |** |\r\nlast \xff line\x07\r\n\r\n")
    assert tail(log, 2) == [" 20% |** |", "last \ufffd line"]
    assert last_line(log) == "last \ufffd line"
    assert tail(tmp_path / "nowhere", 3) == []


def test_the_boot_loader_reads_the_same_commands_that_are_typed() -> None:
    assert BOOT_CONF == "stty com0 115200\nset tty com0\nboot tftp:bsd.rd\n"


def test_limits_grow_with_patience() -> None:
    assert LIMITS.scaled(2) == Limits(600, 3600, 1200, 240, 3600)
