# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Files that come between the check of an order and its writing are never replaced."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.puffy.vmm.plugins.plugin_utils._orders.place import (
    NotPlaced,
    orders_locked,
    place,
)

TEXTS = {"orders": "owner: mira\n", "vms": "server: server6\n"}


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    for folder in TEXTS:
        (tmp_path / folder).mkdir()
    return tmp_path


def files(fleet: Path) -> list[str]:
    return sorted(str(path.relative_to(fleet)) for path in fleet.rglob("*") if not path.is_dir())


def test_both_files_are_written(fleet: Path) -> None:
    assert place(fleet, "web1", TEXTS) == []
    assert files(fleet) == ["orders/web1.yml", "vms/web1.yml"]
    assert (fleet / "orders/web1.yml").stat().st_nlink == 1


@pytest.mark.parametrize("folder", TEXTS)
@pytest.mark.parametrize("target", [None, "/nowhere", "/etc/passwd"])
def test_a_file_that_is_there(fleet: Path, folder: str, target: str | None) -> None:
    path = fleet / folder / "web1.yml"
    if target:
        path.symlink_to(target)
    else:
        path.write_text("somebody's\n")
    (fault,) = place(fleet, "web1", TEXTS)
    assert (fault.field, fault.message) == ("name", "'web1' is taken; choose another name")
    assert files(fleet) == [f"{folder}/web1.yml"], "neither the other file nor a temporary one"
    assert path.is_symlink() if target else path.read_text() == "somebody's\n"


@pytest.mark.parametrize("folder", TEXTS)
def test_a_directory_that_is_none(fleet: Path, folder: str) -> None:
    (fleet / folder).rmdir()
    (fleet / folder).symlink_to(fleet.parent)
    with pytest.raises(NotPlaced, match=f"{folder}: is a symbolic link"):
        place(fleet, "web1", TEXTS)
    assert files(fleet) == []


def test_others_take_turns(fleet: Path) -> None:
    busy = pytest.raises(NotPlaced, match="orders: other orders are being checked; waited 0.1")
    with orders_locked(fleet, 0), busy, orders_locked(fleet, 0.1):
        pass
    with orders_locked(fleet, 0):
        pass
