# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The installer's way to the sets, and the disks that they go to (facts 3.7)."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sandbox.install_rig import FAILED, GIGABYTE, MAC, RESPONSE, SETS, Disk, Rig
from sandbox.machine import Machine
from sandbox.model import sets
from sandbox.model.installer import Installation, provide_sets


@pytest.fixture(name="rig")
def _rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "last"),
    [
        ("man78.tgz", None, ["Fetching of man78.tgz failed. Continue anyway? [no] no", *FAILED]),
        ("man78.tgz", b"x", ["Checksum test for man78.tgz failed. Continue anyway? [no] no",
                             *FAILED]),
        ("SHA256.sig", None, ["Cannot fetch SHA256.sig. Continue without verification? [no] no",
                              *FAILED]),
        ("SHA256.sig", b"untrusted comment: x\nAAAA\nSHA256 (bsd) = 0\n",
         ["Signature check of SHA256.sig failed. Continue without verification? [no] no",
          *FAILED]),
        ("site78.tgz", b"no archive",
         ["Installation of site78.tgz failed. Continue anyway? [no] no", *FAILED]),
    ],
)  # fmt: skip
def test_bad_sets(rig: Rig, name: str, content: bytes | None, last: list[str]) -> None:
    if content is None:
        rig.machine.files.remove(f"{SETS}/{name}")
    else:
        rig.machine.files.write_bytes(f"{SETS}/{name}", content)
    go_on = "yes" if name == "site78.tgz" else None
    rig.respond({"Continue anyway": go_on, "Continue without verification": go_on})
    assert rig.run() == "stuck"
    assert rig.tail(len(last)) == last


def test_a_directory_without_signatures(rig: Rig) -> None:
    rig.machine.files.remove(f"{SETS}/SHA256.sig")
    index = rig.machine.files.read_text(f"{SETS}/index.txt").splitlines(keepends=True)
    listed = "".join(line for line in index if "SHA256.sig" not in line)
    rig.machine.files.write_text(f"{SETS}/index.txt", listed)
    assert rig.run() == "reboot", rig.tail(3)
    assert "Unable to get a verified list of distribution sets." in rig.console
    question = "Directory does not contain SHA256.sig. Continue without verification? [no] yes"
    assert question in rig.console
    result = rig.installation.result
    assert result is not None
    assert result.unverified == [*result.sets, "BUILDINFO"]


def test_each_site_set_needs_a_line_of_its_own(rig: Rig) -> None:
    rig.add_site("site78-web1.tgz")
    assert rig.run() == "stuck"
    question = "Checksum test for site78-web1.tgz failed. Continue anyway? [no] no"
    assert rig.tail(3) == [question, *FAILED]
    text = rig.machine.files.read_text(RESPONSE)
    rig.machine.files.write_text(RESPONSE, f"{text}Continue anyway = yes\n")
    assert rig.run() == "reboot", rig.tail(3)
    result = rig.installation.result
    assert result is not None
    assert result.unverified == ["site78.tgz", "site78-web1.tgz"]


def test_without_site_set_in_the_index_it_is_not_seen(rig: Rig) -> None:
    index = rig.machine.files.read_text(f"{SETS}/index.txt")
    names = [line.split()[-1] for line in index.splitlines()]
    rig.machine.files.write_text(f"{SETS}/index.txt", "".join(f"{name}\n" for name in names))
    assert rig.run() == "reboot"
    result = rig.installation.result
    assert result is not None
    assert "site78.tgz" not in result.sets


def test_without_the_installation_notes_the_sets_are_not_trusted(rig: Rig) -> None:
    files = sets.release_files("7.8")
    listed = [line for line in files["SHA256"].splitlines() if b"INSTALL" not in line]
    signed = sets.sign(b"\n".join([*listed, b""]), "78")
    rig.machine.files.write_bytes(f"{SETS}/SHA256.sig", signed)
    rig.machine.files.write_text(f"{SETS}/index.txt", "")
    assert rig.run() == "stuck"
    assert "INSTALL.amd64 not found. Use sets found here anyway? [no] no" in rig.console


def test_a_small_disk_has_no_room_to_verify_first(rig: Rig) -> None:
    rig.disks[0].size = 3 * GIGABYTE
    rig.respond({"Continue without verification": None})
    assert rig.run() == "stuck"
    question = "Cannot determine prefetch area. Continue without verification? [no] no"
    assert rig.tail(3) == [question, *FAILED]


def test_small_disks_are_offered_last(rig: Rig) -> None:
    rig.disks = [Disk("sd0", GIGABYTE // 2), Disk("sd1")]
    rig.respond({"Which disk is the root disk": None})
    assert rig.run() == "reboot", rig.tail(3)
    assert (len(rig.disks[0].written), len(rig.disks[1].written)) == (0, 1)
    assert "Which disk do you wish to initialize? (or 'done') [done] done" in rig.console


def test_a_machine_that_is_taken_away_leaves_nothing(rig: Rig) -> None:
    cancelled = threading.Event()
    seen: list[str] = []

    def watch(line: str) -> None:
        seen.append(line)
        if line.startswith("Signature Verified"):
            cancelled.set()

    installation = Installation(rig.machine, MAC, "tap0", rig.disks, watch)
    assert installation.run(cancelled) == "stuck"
    assert rig.disks[0].written == []
    assert seen[-1] == "Signature Verified" or seen[-1].startswith("Get/Verify bsd ")


def test_a_full_disk_ends_it(rig: Rig) -> None:
    class Full(Disk):
        def write(self, record: Mapping[str, Any]) -> None:
            raise OSError(28, "No space left on device")

    rig.disks = [Full()]
    assert rig.run() == "stuck"
    assert rig.tail(2) == FAILED


def test_the_release_directory(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    provide_sets(machine, "7.8", "/var/www/htdocs/amd64")
    names = machine.files.listdir("/var/www/htdocs/amd64")
    assert {"BUILDINFO", "INSTALL.amd64", "SHA256", "SHA256.sig", "index.txt"} < set(names)
    assert {"bsd", "bsd.mp", "bsd.rd", "base78.tgz", "xserv78.tgz"} < set(names)
    assert machine.files.mode("/var/www/htdocs/amd64/bsd") == 0o644
    signed = machine.files.read_bytes("/var/www/htdocs/amd64/SHA256.sig")
    assert sets.verify(signed) == machine.files.read_bytes("/var/www/htdocs/amd64/SHA256")
    assert sets.verify(signed.replace(b"bsd", b"BSD")) is None
