# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""fw_update, whose exit status is 0 for most of what can go wrong (fw_update.sh)."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox import bare
from sandbox.machine import Machine
from sandbox.model.fw_update import LIST, package

BIOS = "/etc/firmware/vmm-bios"
MIRROR = "http://mirror.example.org/firmware/7.8"
PACKAGE = package("vmm", "vmm-bios", b"new bios\n")
ARCHIVE = "vmm-firmware-1.0.tgz"


@pytest.fixture(name="machine")
def _machine(tmp_path: Path) -> Machine:
    machine = bare.machine(bare.plant(tmp_path))
    machine.files.remove(BIOS)
    machine.files.write_text(
        "/var/run/dmesg.boot", "OpenBSD 7.7 (GENERIC)\nOpenBSD 7.8 (GENERIC)\n"
    )
    return machine


def provide(machine: Machine, files: dict[str, bytes]) -> None:
    machine.files.mkdir("/home/fw")
    for name, content in files.items():
        machine.files.write_bytes(f"/home/fw/{name}", content)


@pytest.mark.parametrize("source", ["/home/fw", MIRROR, None])
def test_it_installs_what_is_listed(machine: Machine, source: str | None) -> None:
    provide(machine, PACKAGE)
    machine.faults.set("mirror", source or "http://firmware.openbsd.org/firmware/7.8", "/home/fw")
    option = f"-p {source} " if source else ""
    done = machine.run(f"fw_update {option}vmm")
    assert (done.rc, done.stdout, done.stderr) == (0, "fw_update: add vmm; update none\n", "")
    assert machine.files.read_bytes(BIOS) == b"new bios\n"
    again = machine.run(f"fw_update {option}vmm")
    assert again.stdout == "fw_update: add none; update none; keep vmm\n"


@pytest.mark.parametrize(
    ("command", "files", "rc", "stderr"),
    [
        ("fw_update vmm", {}, 1, "Cannot fetch http://firmware.openbsd.org/firmware/7.8/SHA256.sig\n"
         "ftp: firmware.openbsd.org: no address associated with name\n"),
        ("fw_update -p /nowhere vmm", {}, 1, "The path must be a URL or an existing directory\n"),
        ("fw_update -p /home/fw vmm", {}, 1,
         "fw_update: /home/fw/SHA256.sig: No such file or directory\n"),
        ("fw_update -p /home/fw nosuch", PACKAGE, 0, "Unable to find firmware for nosuch\n"),
        ("fw_update -p /home/fw vmm", {LIST: PACKAGE[LIST]}, 0,
         f"Cannot install {ARCHIVE}, not found\n"),
        ("fw_update -p /home/fw vmm", {**PACKAGE, ARCHIVE: b"x"}, 0,
         f"Checksum test for {ARCHIVE} failed.\n"),
        (f"fw_update -p {MIRROR} vmm", {**PACKAGE, LIST: PACKAGE[LIST] + b"x\n"}, 1,
         "Signature check of SHA256.sig failed\n"),
        (f"fw_update -p {MIRROR} vmm", {}, 1,
         f"Cannot fetch {MIRROR}/SHA256.sig (404 Not Found)\n"),
    ],
)  # fmt: skip
def test_what_brings_nothing(
    machine: Machine, command: str, files: dict[str, bytes], rc: int, stderr: str
) -> None:
    provide(machine, files)
    machine.faults.set("mirror", MIRROR, "/home/fw")
    done = machine.run(command)
    assert (done.rc, done.stderr) == (rc, stderr)
    assert not machine.files.exists(BIOS)


def test_only_root_may(machine: Machine) -> None:
    done = machine.run("fw_update vmm", uid=bare.PUFFY, user="puffy")
    assert (done.rc, done.stderr) == (1, "need root privileges\n")
