# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The smallest benchmark, once: not how fast, but that it measures what it says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from bench import results


def test_smallest_bench(tmp_path: Path) -> None:
    words = ["files", "--alone", "--files", "1", "--rounds", "1", "--work", str(tmp_path)]
    result = subprocess.run(
        [sys.executable, "-m", "bench", *words],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    rows = {
        row.name: row.rounds[0] for row in results.load(tmp_path / "results.json")["files"].rows
    }
    assert rows["puffy.vmm, unchanged"].executions == 1
    assert rows["puffy.vmm, first"].executions == 2
    assert all(measured.cpu > 0 for measured in rows.values())
    assert "ansible.builtin.copy, first" in rows
