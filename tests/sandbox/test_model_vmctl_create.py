# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""vmctl create: images of both formats, on bases, converted, and what it refuses."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from sandbox.model import images
from sandbox.vm_server import VmServer


@pytest.fixture
def server(tmp_path: Path) -> VmServer:
    return VmServer.make(tmp_path, "web1", "web2")


def size_of(server: VmServer, name: str) -> tuple[int, int]:
    """Length, and blocks of 512 bytes that are allocated."""
    found = server.machine.files.stat(f"/var/vmm/{name}")
    return found.st_size, found.st_blocks


def test_create_raw(server: VmServer) -> None:
    assert (
        server.ok("vmctl create -s 64M /var/vmm/a.img").stderr == "vmctl: raw imagefile created\n"
    )
    assert size_of(server, "a.img") == (64 * 1024**2, 64)
    assert server.machine.files.mode("/var/vmm/a.img") == 0o600
    server.ok("vmctl create -s 50G /var/vmm/b.raw")
    assert size_of(server, "b.raw")[0] == 50 * 1024**3
    server.machine.files.remove("/var/vmm/b.raw")


def test_create_qcow2(server: VmServer) -> None:
    server.ok("vmctl create -s 1G /var/vmm/a.qcow2")
    server.ok("vmctl create -s 50G qcow2:/var/vmm/b.img")
    assert size_of(server, "a.qcow2") == (262144, 160)
    head = server.machine.files.read_bytes("/var/vmm/b.img")[:104]
    assert head[:4] == b"QFI\xfb"
    assert struct.unpack(">I", head[4:8]) == (3,)
    assert struct.unpack(">Q", head[24:32]) == (50 * 1024**3,)


def test_create_on_a_base(server: VmServer) -> None:
    server.ok("vmctl create -s 1G /var/vmm/base.qcow2")
    server.ok("vmctl create -b /var/vmm/base.qcow2 /var/vmm/top.qcow2")
    image = images.Image(server.machine.files, "/var/vmm/top.qcow2", "qcow2")
    assert (image.size(), image.bases()) == (1024**3, ["/var/vmm/base.qcow2"])


def test_convert(server: VmServer) -> None:
    server.install("web1")
    server.ok("vmctl create -i /var/vmm/web1.img -s 128M /var/vmm/a.qcow2")
    image = images.Image(server.machine.files, "/var/vmm/a.qcow2", "qcow2")
    record = image.record()
    assert image.size() == 128 * 1024**2
    assert record is not None
    assert record["hostname"] == "web1.example.org"


@pytest.mark.parametrize(
    ("words", "stderr"),
    [
        ("-s 64M /var/vmm/web1.img", "create imagefile operation failed: File exists"),
        ("-s 64M /nosuch/a", "create imagefile operation failed: No such file or directory"),
        ("-s x /a", "invalid disk size: x: Invalid argument"),
        ("-s 1K /a", "disk size must be at least 1MB"),
        ("-b /var/vmm/web1.img /a.img", "base images require qcow2 disk format"),
        ("-b /var/vmm/web1.img /a.qcow2", "base image is not a qcow2 file"),
        ("-b /nosuch /a.qcow2", "failure to read base image header"),
        ("-i /nosuch /a", "failed to open source image file"),
        ("-i /var/vmm/web1.img -s 1M /a", "size cannot be smaller than input disk size"),
        ("-i /a -b /b /c", "conflicting -b and -i arguments"),
        ("-i /var/vmm/web1.img /var/vmm/web2.img", "failed to create destination image file"),
    ],
)
def test_create_refuses(server: VmServer, words: str, stderr: str) -> None:
    result = server(f"vmctl create {words}")
    assert (result.rc, result.stdout, result.stderr) == (1, "", f"vmctl: {stderr}\n")


def test_create_needs_a_size(server: VmServer) -> None:
    usage = "usage:\tvmctl [-v] create [-b base | -i disk] [-s size] disk\n"
    expected = f"could not create /a: missing size argument\n{usage}"
    assert server("vmctl create /a").stderr == expected
    assert server("vmctl create").stderr == usage


def test_create_on_a_full_disk(server: VmServer) -> None:
    server.machine.faults.set("disk_full", "/var/vmm")
    full = "vmctl: create imagefile operation failed: No space left on device\n"
    assert server("vmctl create -s 1G /var/vmm/a.img").stderr == full
    assert not server.machine.files.exists("/var/vmm/a.img")


def test_create_rounds_down(server: VmServer) -> None:
    rounded = "vmctl: disk size rounded to 1.0M\nvmctl: raw imagefile created\n"
    assert server("vmctl create -s 1536K /var/vmm/a.img").stderr == rounded
