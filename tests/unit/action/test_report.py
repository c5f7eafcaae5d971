# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The files of a report: their modes, and that each is whole at any time."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from ansible_collections.puffy.vmm.plugins.action.report import _mode, _write
from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError

TEXTS = {"report.json": "{}\n", "index.html": "<!doctype html>\n"}


@pytest.mark.parametrize(("mode", "directory"), [(0o600, 0o700), (0o640, 0o750), (0o644, 0o755)])
def test_who_may_read_may_enter(tmp_path: Path, mode: int, directory: int) -> None:
    made = tmp_path / "report"
    before = os.umask(0o077)
    try:
        _write(made, mode, TEXTS)
    finally:
        os.umask(before)
    assert stat.S_IMODE(made.stat().st_mode) == directory
    assert {path.name: path.read_text() for path in made.iterdir()} == TEXTS
    assert {stat.S_IMODE(path.stat().st_mode) for path in made.iterdir()} == {mode}


def test_a_directory_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    tmp_path.chmod(0o711)
    _write(tmp_path, 0o644, TEXTS)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o711
    inode = (tmp_path / "index.html").stat().st_ino
    _write(tmp_path, 0o644, TEXTS)
    # Who has the old one open reads that to its end.
    assert (tmp_path / "index.html").stat().st_ino != inode


def test_no_directory_is_made_for_a_mistyped_path(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="missing/report: No such file or directory; name a"):
        _write(tmp_path / "missing/report", 0o644, TEXTS)
    (tmp_path / "file").touch()
    with pytest.raises(OperatorError, match="file: File exists"):
        _write(tmp_path / "file", 0o644, TEXTS)


@pytest.mark.parametrize("text", ["", "rw", "420", "644", "0044", "00644", "0999", "0644 "])
def test_a_mode_that_is_none(text: str) -> None:
    with pytest.raises(OperatorError, match="is not a mode of a file; use one such as '0640'"):
        _mode(text)
