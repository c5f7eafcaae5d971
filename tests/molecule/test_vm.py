# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The VM of each server once it was installed within vmd(8)."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from .conftest import Host

# The VM that is installed on each server, and its address.
VMS = {"server1": ("web1", "203.0.113.11"), "server2": ("db1", "198.51.100.2")}


@pytest.fixture
def vm(host: Host) -> tuple[str, str]:
    return VMS[host.backend.get_hostname()]


@pytest.fixture(autouse=True)
def there() -> None:
    """Skip where it is not, or cannot be."""
    note = Path(os.environ["MOLECULE_VM_NOTE"])
    if not note.exists():
        pytest.skip("VMs are installed later")
    if reason := note.read_text().strip():
        pytest.skip(reason)


def test_it_runs(vm: tuple[str, str], vmctl_status: dict[str, dict[str, str]]) -> None:
    assert vmctl_status[vm[0]]["STATE"] == "running"


def test_it_answers_on_ssh_at_its_address(host: Host, vm: tuple[str, str]) -> None:
    until = time.monotonic() + float(os.environ["MOLECULE_VM_SECONDS"])
    while host.run(f"nc -z -w 10 {vm[1]} 22").rc != 0:
        assert time.monotonic() < until
        time.sleep(5)


def test_nobody_else_was_installed(
    vm: tuple[str, str], installed: dict[str, tuple[str, str]]
) -> None:
    assert list(installed) == [vm[0]]
