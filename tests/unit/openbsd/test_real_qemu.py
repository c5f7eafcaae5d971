# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""QEMU itself, with a guest that is only iPXE: its network card's boot program runs a script.

The script comes from QEMU's own TFTP under the name that pxeboot(8) would have, and speaks as the
installer does.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from openbsd import image as module
from openbsd import qemu
from openbsd.console import tail
from openbsd.errors import OpenBSDError
from openbsd.guest import Guest, new_cable
from openbsd.http_server import HttpServer
from openbsd.image import Image, Teller
from openbsd.installer import Limits
from openbsd.sets import Sets
from openbsd.settings import Settings

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, qemu.PACKAGES)), reason="QEMU is not installed"
)

_SCRIPT = """\
#!ipxe
echo DHCP: next-server ${next-server}, filename ${filename}, address ${net0/ip}
imgfetch tftp://${next-server}/etc/boot.conf || goto failed
imgfetch tftp://${next-server}/bsd.rd || goto failed
imgfree
echo Starting non-interactive mode in 5 seconds...
echo Response file location?
read place
imgfetch ${place} || goto failed
echo Performing non-interactive install...
ENDING
sleep 1
reboot
:failed
echo panic: iPXE failed
sleep 1
reboot
"""
_DONE = "echo CONGRATULATIONS! Your OpenBSD install has been successfully completed!"

LIMITS = Limits(installer=120, installation=60, boot=60, shutdown=30, vm=1)


@pytest.fixture
def options(plain: Settings) -> Settings:
    return replace(plain, memory=256)


@pytest.fixture
def files(tmp_path: Path) -> Sets:
    directory = tmp_path / "sets"
    directory.mkdir()
    (directory / "bsd.rd").write_bytes(bytes(3_000_000))
    return Sets(directory, "7.8", ("bsd.rd",), signed=False)


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Image:
    # No test of the answers.
    monkeypatch.setattr(module, "limits", lambda settings, machine: LIMITS)
    directory = tmp_path / "image"
    directory.mkdir()
    (directory / "key.pub").write_text("ssh-ed25519 AAAA\n")
    disk = directory / "disk.qcow2"
    subprocess.run(qemu.new_disk(disk, 1), check=True)
    return Image(directory)


def install(
    options: Settings, files: Sets, made: Image, logs: Path, teller: Teller, ending: str
) -> None:
    (files.directory / "pxeboot").write_text(_SCRIPT.replace("ENDING", ending))
    logs.mkdir()
    module._install(options, qemu.machine(options), files, made, logs, teller)


def test_the_network_boots_and_the_dialogue_is_held(
    options: Settings, files: Sets, made: Image, tmp_path: Path, teller: Teller
) -> None:
    logs = tmp_path / "logs"
    install(options, files, made, logs, teller, _DONE)
    log = " ".join(tail(logs / "install.log", 200))
    # What autoinstall(8) uses: the server's address, and the name that selects the mode.
    assert "DHCP: next-server 10.0.2.2, filename auto_install, address 10.0.2.15" in log
    assert (logs / "http.log").read_text() == "GET /install.conf 200\n"
    assert not (made.directory / "tftp").exists()


@pytest.mark.parametrize(
    ("ending", "reason"),
    [
        ("reboot", "QEMU ended while the guest was still at work"),
        ("goto failed", r"panic: iPXE failed\nThe console's last lines"),
    ],
)
def test_a_guest_that_fails_is_told_of_with_its_console(
    options: Settings,
    files: Sets,
    made: Image,
    tmp_path: Path,
    teller: Teller,
    ending: str,
    reason: str,
) -> None:
    with pytest.raises(OpenBSDError, match=reason):
        install(options, files, made, tmp_path / "logs", teller, ending)


@pytest.fixture
def guest(tmp_path: Path) -> Iterator[Guest]:
    server = Guest(tmp_path / "server1")
    yield server
    server.stop()


def test_a_server_has_its_port_and_its_console(
    options: Settings, made: Image, guest: Guest
) -> None:
    overlay = made.directory / "overlay.qcow2"
    subprocess.run(qemu.overlay(overlay, made.disk), check=True)
    guest.start(qemu.machine(options), overlay, 1)
    until = time.monotonic() + 60
    while "No bootable device" not in "".join(tail(guest.log, 50)):
        assert time.monotonic() < until, tail(guest.log, 50)
        time.sleep(0.2)
    # QEMU accepts the connection, whether anything answers behind it or not.
    with socket.create_connection(("127.0.0.1", guest.port), timeout=10):
        pass
    with socket.socket(socket.AF_UNIX) as console:
        console.connect(str(guest.directory / "console.sock"))
    guest.stop()
    assert guest.pid is None
    with pytest.raises(OSError), socket.create_connection(("127.0.0.1", guest.port), timeout=1):
        pass


_REACHES = """\
#!ipxe
ifopen net0
dhcp net0
imgfetch http://10.0.2.100/firmware/7.8/large && echo SERVED || echo NOT SERVED
imgfetch http://10.0.2.100/firmware/7.8/none && echo MADE UP || echo NOT THERE
imgfetch http://10.0.2.2:PORT/secret && echo NOT ISOLATED || echo ISOLATED
echo THE END
sleep 60
"""


def test_a_server_reaches_what_is_served_to_it_and_nothing_else(
    options: Settings, made: Image, guest: Guest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The very command, with a boot program for the network card."""
    served, tftp = tmp_path / "served here, and there", tmp_path / "tftp"
    for directory in (served / "firmware/7.8", tftp):
        directory.mkdir(parents=True)
    (served / "firmware/7.8/large").write_bytes(bytes(30_000_000))
    with HttpServer({"/secret": b"#!ipxe\n"}, tmp_path / "http.log") as server:
        (tftp / "auto_install").write_text(_REACHES.replace("PORT", str(server.port)))
        usual = qemu.server

        def booted(*args: Any) -> list[str]:
            boot = f",tftp={tftp},bootfile=auto_install"
            return [
                word.replace(",romfile=", ",bootindex=0")
                if "netdev=net0" in word
                else word + (boot if word.startswith("user,id=net0") else "")
                for word in usual(*args)
            ]

        monkeypatch.setattr(qemu, "server", booted)
        guest.start(qemu.machine(options), made.disk, 1, served, new_cable())
        until = time.monotonic() + 120
        while "THE END" not in "".join(tail(guest.log, 100)):
            assert time.monotonic() < until, tail(guest.log, 100)
            time.sleep(0.5)
        assert server.requests == []
    said = [line.strip() for line in tail(guest.log, 100)]
    for line in ("SERVED", "NOT THERE", "ISOLATED"):
        assert line in said, said


def test_two_servers_hear_each_other(
    options: Settings, made: Image, guest: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Booted from the network, the second interface asks for an address."""
    usual, cable = qemu.server, new_cable()

    def booted(*args: Any) -> list[str]:
        return [
            word.replace(",romfile=", ",bootindex=0") if "netdev=net1" in word else word
            for word in usual(*args)
        ]

    monkeypatch.setattr(qemu, "server", booted)
    with socket.socket(type=socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", cable.other))
        other.settimeout(120)
        guest.start(qemu.machine(options), made.disk, 1, None, cable)
        frame = other.recv(2000)
    assert (frame[:6], frame[6:12]) == (b"\xff" * 6, bytes.fromhex("525400123501"))


def test_the_cpu_without_kvm_offers_svm(options: Settings) -> None:
    machine = qemu.machine(options)
    words = [machine.program, "-nodefaults", "-display", "none", "-machine", "none,accel=tcg"]
    expand = {"type": "full", "model": {"name": machine.cpu}}
    requests = [
        {"execute": "qmp_capabilities"},
        {"execute": "query-cpu-model-expansion", "arguments": expand},
        {"execute": "quit"},
    ]
    request = "\n".join(map(json.dumps, requests))
    done = subprocess.run(
        [*words, "-qmp", "stdio"], input=request, capture_output=True, text=True, check=True
    )
    assert '"svm": true' in done.stdout
    # Nested paging: vmm(4) does not attach without.
    assert '"npt": true' in done.stdout
