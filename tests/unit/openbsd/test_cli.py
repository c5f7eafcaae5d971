# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What the command line prints for the molecule scenario."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from openbsd.cli import main


@pytest.mark.parametrize(("verify", "sets"), [("signify", "signify"), ("none", "none")])
def test_an_inventory_is_told_what_depends_on_release_and_machine(
    bin: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    verify: str,
    sets: str,
) -> None:
    for name, value in (
        ("RELEASE", "7.8"),
        ("VERIFY", verify),
        ("ACCELERATOR", "tcg"),
        ("PATIENCE", "2"),
    ):
        monkeypatch.setenv(f"OPENBSD_{name}", value)
    assert main(["variables"]) == 0
    assert yaml.safe_load(capsys.readouterr().out) == {
        "vmm_release": "7.8",
        "sets_verify": sets,
        "vmd_firmware_url": "http://10.0.2.100/firmware/7.8",
        "vmd_install_timeout": 21600,
        "vmd_install_total_timeout": 21600,
        "vmd_answer_timeout": 21600,
    }


def test_what_is_wrong_is_told_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPENBSD_RELEASE", "1.0")
    assert main(["variables"]) == 1
    assert capsys.readouterr().err.startswith(
        "openbsd: OPENBSD_RELEASE: '1.0' is not a supported release"
    )
