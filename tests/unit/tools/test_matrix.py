# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""./dev matrix: which pairs are tested, and with what."""

from __future__ import annotations

from pathlib import Path

import matrix
import pytest
import yaml

ROOT = Path(__file__).parents[3]


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Pairs in place of which nothing is run; 3.12 is not here, and 2.21/3.13 fails."""
    pairs: list[tuple[str, str]] = []

    def run(core: str, python: str, tests: list[list[str]]) -> str:
        pairs.append((core, python))
        return "failed: pytest" if (core, python) == ("2.21", "3.13") else "passed"

    monkeypatch.setattr(matrix, "run", run)
    monkeypatch.setattr(matrix, "has", lambda python: python != "3.12")
    return pairs


def test_pairs_are_chosen(ran: list[tuple[str, str]], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        matrix.main(["2.20", "2.18/3.11"])
    assert end.value.code == 0
    assert ran == [("2.18", "3.11"), ("2.20", "3.13"), ("2.20", "3.14")]
    assert "2.20/3.12: no such Python is here\n" in capsys.readouterr().out
    with pytest.raises(SystemExit) as end:
        matrix.main([])
    assert end.value.code == 1
    with pytest.raises(SystemExit, match="not a pair of ansible-core and Python: 2.17"):
        matrix.main(["2.17"])


def test_the_oldest_is_the_one_that_is_required() -> None:
    runtime = yaml.safe_load((ROOT / "meta/runtime.yml").read_text())
    assert runtime["requires_ansible"] == f">={min(matrix.PAIRS)}.0"
    names = {path.stem.removeprefix("ignore-") for path in (ROOT / "tests/sanity").glob("*.txt")}
    assert names == set(matrix.PAIRS)
    assert {line.partition("==")[0] for line in matrix.requirements("2.20").splitlines()} >= {
        "pytest", "ansible-core",
    }  # fmt: skip
