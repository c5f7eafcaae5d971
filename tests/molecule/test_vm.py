# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The VM web1 once it was installed within vmd(8)."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from .conftest import Host

ADDRESS = "203.0.113.11"


@pytest.fixture(autouse=True)
def web1(host: Host) -> None:
    """Skip where it is not, or cannot be."""
    if host.backend.get_hostname() != "server1":
        pytest.skip("web1 is on server1")
    note = Path(os.environ["MOLECULE_VM_NOTE"])
    if not note.exists():
        pytest.skip("web1 is installed later")
    if reason := note.read_text().strip():
        pytest.skip(reason)


def test_it_runs(vmctl_status: dict[str, dict[str, str]]) -> None:
    assert vmctl_status["web1"]["STATE"] == "running"


def test_it_answers_on_ssh_at_its_address(host: Host) -> None:
    until = time.monotonic() + float(os.environ["MOLECULE_VM_SECONDS"])
    while host.run(f"nc -z -w 10 {ADDRESS} 22").rc != 0:
        assert time.monotonic() < until
        time.sleep(5)


def test_nobody_else_was_installed(installed: dict[str, tuple[str, str]]) -> None:
    assert list(installed) == ["web1"]
