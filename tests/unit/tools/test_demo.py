# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""./dev demo leaves the checkout as it was, so that it and the checks can be run again."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest


def test_ledgers_are_as_before_however_the_demo_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUFFY_SANDBOX", str(tmp_path))
    demo = importlib.import_module("demo")
    monkeypatch.setattr(demo, "LEDGERS", tmp_path)
    ledger = tmp_path / "server1.yml"
    ledger.write_text("vms: {}\n")
    with pytest.raises(SystemExit), demo.ledgers_kept():
        ledger.write_text("vms: {web1: {}}\n")
        raise SystemExit(1)
    assert ledger.read_text() == "vms: {}\n"
