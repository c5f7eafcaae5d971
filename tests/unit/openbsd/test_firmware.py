# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Firmware that is downloaded for servers, and served only to them."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from openbsd import firmware, inetd
from openbsd.errors import OpenBSDError
from openbsd.http_server import HttpServer
from openbsd.mirror import quiet
from openbsd.settings import Settings

LIST = (
    b"untrusted comment: verify with openbsd-78-fw.pub\nRWQ=\n"
    b"SHA256 (amdgpu-firmware-20250708.tgz) = aaaa=\nSHA256 (vmm-firmware-1.14.0p9.tgz) = bbbb=\n"
)
FILE = "vmm-firmware-1.14.0p9.tgz"


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[HttpServer]:
    with HttpServer({}, tmp_path / "http.log") as server:
        yield server


@pytest.fixture
def options(plain: Settings, mirror: HttpServer) -> Settings:
    return replace(plain, firmware_mirror=f"http://127.0.0.1:{mirror.port}/firmware/7.8")


def test_it_is_downloaded_as_fw_update_asks_for_it(options: Settings, mirror: HttpServer) -> None:
    mirror.contents = {"/firmware/7.8/SHA256.sig": LIST, f"/firmware/7.8/{FILE}": b"old"}
    root = firmware.fetch(options, quiet)
    place = root / firmware.path(options).lstrip("/")
    assert {path.name: path.read_bytes() for path in place.iterdir()} == {
        "SHA256.sig": LIST,
        FILE: b"old",
    }
    mirror.contents[f"/firmware/7.8/{FILE}"] = b"new"
    firmware.fetch(options, quiet)
    assert (place / FILE).read_bytes() == b"new"


@pytest.mark.parametrize(
    ("contents", "said"),
    [
        ({}, "SHA256.sig: the mirror has no such file; VMs boot from their disks by that firmware"),
        ({"SHA256.sig": LIST}, f"{FILE}: the mirror has no such file"),
        ({"SHA256.sig": b"SHA256 (a.tgz) = a\n"}, "SHA256.sig names no firmware of vmm"),
    ],
)
def test_without_it_there_is_no_scenario(
    options: Settings, mirror: HttpServer, contents: dict[str, bytes], said: str
) -> None:
    mirror.contents = {f"/firmware/7.8/{name}": text for name, text in contents.items()}
    with pytest.raises(OpenBSDError, match=said) as caught:
        firmware.fetch(options, quiet)
    assert "OPENBSD_FIRMWARE_MIRROR" in str(caught.value)


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [("/firmware/7.8/a", b" 200 ", b"text"), ("/firmware/7.8/b", b" 404 ", b"")],
)
def test_a_connection_is_answered_on_standard_input(
    tmp_path: Path, path: str, status: bytes, body: bytes
) -> None:
    """As QEMU starts it: the guest is on standard input, output and error."""
    (tmp_path / "firmware/7.8").mkdir(parents=True)
    (tmp_path / "firmware/7.8/a").write_text("text")
    ours, guests = socket.socketpair()
    words = [sys.executable, str(inetd.__file__), str(tmp_path)]
    with ours, guests:
        number = guests.fileno()
        process = subprocess.Popen(words, stdin=number, stdout=number, stderr=number, cwd="/")
        guests.close()
        ours.sendall(f"GET {path} HTTP/1.0\r\nHost: 10.0.2.100\r\n\r\n".encode())
        answer = b"".join(iter(lambda: ours.recv(65536), b""))
    assert process.wait(30) == 0
    assert answer.startswith(b"HTTP/1.0" + status)
    assert answer.endswith(b"\r\n\r\n" + body) or not body
