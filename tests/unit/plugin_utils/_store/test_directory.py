# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.directory import (
    FleetDirectory,
    NoFleet,
)


@pytest.fixture
def fleet(tmp_path: Path) -> FleetDirectory:
    (tmp_path / "vms").mkdir()
    (tmp_path / "allocations").mkdir()
    return FleetDirectory(tmp_path)


def problems(fleet: FleetDirectory) -> list[str]:
    return [str(problem) for problem in fleet.read().problems]


def test_reads_vm_files_and_ledgers_by_name(fleet: FleetDirectory) -> None:
    (fleet.path / "vms/web1.yml").write_text("owner: müller\n", encoding="utf-8")
    (fleet.path / "allocations/server1.yml").write_text("{}\n")
    texts = fleet.read()
    assert texts.vms == {"web1.yml": "owner: müller\n"}
    assert texts.ledgers == {"server1.yml": "{}\n"}
    assert texts.problems == ()


@pytest.mark.parametrize(
    "name",
    ["web1.yml~", ".web1.yml.swp", "#web1.yml#", ".#web1.yml", "web1.yml.bak", "web1.yml.orig"],
)
def test_what_editors_leave_is_ignored_with_a_warning(fleet: FleetDirectory, name: str) -> None:
    (fleet.path / "vms" / name).write_bytes(b"\xff")
    texts = fleet.read()
    assert (texts.vms, texts.problems) == ({}, ())
    assert [str(warning) for warning in texts.warnings] == [
        f"vms/{name}: is ignored: it looks like an editor's copy"
    ]


def test_problems_concern_what_the_file_is_for(fleet: FleetDirectory) -> None:
    (fleet.path / "orders").mkdir()
    for name in ("vms/web1.yml", "orders/web2.yml", "allocations/server1.yml", "vms/web3"):
        (fleet.path / name).write_bytes(b"\xff")
    concerns = {one.source: (set(one.vms), one.server) for one in fleet.read().problems}
    assert concerns == {
        "vms/web1.yml": ({"web1"}, ""),
        "orders/web2.yml": ({"web2"}, ""),
        "allocations/server1.yml": (set(), "server1"),
        # No VM is called so: web3.yml may be there as well.
        "vms/web3": ({"web3?"}, ""),
    }


def test_copies_are_a_help_and_no_more(fleet: FleetDirectory) -> None:
    fleet.write_copies({"server1": "{}\n", "server2": "{}\n"})
    (fleet.path / "kept/server2.json").write_bytes(b"\xff")
    (fleet.path / "kept/server3.json").symlink_to("server1.json")
    texts = fleet.read()
    assert (texts.kept, texts.problems) == ({"server1": "{}\n"}, ())


def test_hidden_files_are_nobodys_business(fleet: FleetDirectory) -> None:
    (fleet.path / "vms/.gitkeep").touch()
    (fleet.path / "allocations/.lock").touch()
    texts = fleet.read()
    assert (texts.vms, texts.ledgers, texts.problems) == ({}, {}, ())


def test_a_fleet_needs_no_ledgers_yet(fleet: FleetDirectory) -> None:
    (fleet.path / "allocations").rmdir()
    assert fleet.read().ledgers == {}


def test_a_mistyped_path_is_no_empty_fleet(tmp_path: Path) -> None:
    with pytest.raises(NoFleet, match="typo is not a fleet directory: it has no directory vms/"):
        FleetDirectory(tmp_path / "typo").read()


@pytest.mark.parametrize("name", ["web1.yaml", "web1.YML", "README"])
def test_stray_names_are_reported(fleet: FleetDirectory, name: str) -> None:
    (fleet.path / "vms" / name).touch()
    assert problems(fleet) == [
        f"vms/{name}: only files with an ASCII name that ends in .yml belong here; rename or "
        f"remove it"
    ]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"a\nb.yml", r"a\nb.yml"),
        ("wéb.yml".encode(), r"w\xe9b.yml"),
        (b"\xff.yml", r"\udcff.yml"),
        (b"\x1b[2J.yml", r"\x1b[2J.yml"),
    ],
)
def test_names_cannot_disturb_the_terminal(fleet: FleetDirectory, name: bytes, shown: str) -> None:
    (Path(os.fsdecode(bytes(fleet.path / "vms") + b"/" + name))).touch()
    (problem,) = problems(fleet)
    assert problem.startswith(f"vms/{shown}: only files")


def test_links_are_refused_wherever_they_lead(fleet: FleetDirectory, tmp_path: Path) -> None:
    (fleet.path / "vms/web1.yml").write_text("server: server1\n")
    (fleet.path / "vms/web2.yml").symlink_to("web1.yml")
    (fleet.path / "vms/web3.yml").symlink_to("/etc/hostname")
    texts = fleet.read()
    assert texts.vms == {"web1.yml": "server: server1\n", "web2.yml": None, "web3.yml": None}
    assert [problem.source for problem in texts.problems] == ["vms/web2.yml", "vms/web3.yml"]
    assert "is a symbolic link" in texts.problems[0].text


def test_a_linked_directory_is_refused(fleet: FleetDirectory, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/server1.yml").touch()
    (fleet.path / "allocations").rmdir()
    (fleet.path / "allocations").symlink_to("elsewhere")
    texts = fleet.read()
    assert texts.ledgers == {}
    assert [str(problem) for problem in texts.problems] == [
        "allocations/: is a symbolic link; links are not followed here, put the real one in its "
        "place"
    ]


def test_only_regular_files_are_opened(fleet: FleetDirectory) -> None:
    os.mkfifo(fleet.path / "vms/pipe.yml")
    (fleet.path / "vms/folder.yml").mkdir()
    assert problems(fleet) == [
        "vms/folder.yml: is not a regular file; only regular files belong here",
        "vms/pipe.yml: is not a regular file; only regular files belong here",
    ]


def test_size_is_bounded(fleet: FleetDirectory) -> None:
    limit = 64 * 1024
    (fleet.path / "vms/fits.yml").write_text("#" * limit)
    (fleet.path / "vms/large.yml").write_text("#" * (limit + 1))
    texts = fleet.read()
    assert [name for name, text in texts.vms.items() if text is not None] == ["fits.yml"]
    assert [str(problem) for problem in texts.problems] == [
        "vms/large.yml: is larger than 65536 bytes, which no such file needs"
    ]


def test_other_encodings_are_reported_with_the_place(fleet: FleetDirectory) -> None:
    (fleet.path / "vms/web1.yml").write_bytes(b"owner: m\xfcller\n")
    assert problems(fleet) == ["vms/web1.yml: is not UTF-8 text: byte 9 is 0xfc"]


@pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_reported(fleet: FleetDirectory) -> None:
    (fleet.path / "vms/web1.yml").touch(mode=0o000)
    assert problems(fleet) == ["vms/web1.yml: cannot be read: Permission denied"]


def test_ledgers_are_readable_whatever_the_umask_is(fleet: FleetDirectory) -> None:
    umask = os.umask(0o077)
    try:
        fleet.write_ledgers({"server1.yml": "web1: {}\n"})
    finally:
        os.umask(umask)
    ledger = fleet.path / "allocations/server1.yml"
    assert ledger.read_text() == "web1: {}\n"
    assert ledger.stat().st_mode & 0o7777 == 0o644


def test_the_lock_makes_the_directory_of_the_ledgers(fleet: FleetDirectory) -> None:
    (fleet.path / "allocations").rmdir()
    with fleet.lock(1):
        fleet.write_ledgers({"server1.yml": ""})
    assert sorted(os.listdir(fleet.path / "allocations")) == [".lock", "server1.yml"]


def test_a_failed_write_leaves_the_old_ledger_and_nothing_else(
    fleet: FleetDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet.write_ledgers({"server1.yml": "old\n"})

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as caught:
        fleet.write_ledgers({"server1.yml": "new\n"})
    assert caught.value.filename == str(fleet.path / "allocations/server1.yml")
    assert os.listdir(fleet.path / "allocations") == ["server1.yml"]
    assert (fleet.path / "allocations/server1.yml").read_text() == "old\n"
