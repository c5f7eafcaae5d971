# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The stand-in for OpenBSD stays small, in two parts, and says what it models."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

SANDBOX = Path(__file__).parents[1] / "sandbox"
MODELS = sorted({path.parent for path in SANDBOX.glob("model/*/*.py")})
LINES, PAGE_LINES = 10_000, 20


def test_it_stays_small() -> None:
    """Its own tests and data are counted, what was recorded on OpenBSD is not."""
    files = [
        path
        for path in SANDBOX.rglob("*")
        if path.is_file() and path.name != "transcripts.json" and "__pycache__" not in path.parts
    ]
    assert sum(len(path.read_bytes().splitlines()) for path in files) <= LINES


@pytest.mark.parametrize("model", MODELS, ids=lambda path: path.name)
def test_each_model_has_a_page(model: Path) -> None:
    page = (model / "README.md").read_text()
    assert len(page.splitlines()) <= PAGE_LINES
    assert "Models " in page
    assert "Does not model" in page


def test_the_target_knows_nothing_of_the_model() -> None:
    for path in SANDBOX.glob("target/*.py"):
        imported = re.findall(r"^\s*(?:from|import) (\S+)", path.read_text(), re.MULTILINE)
        assert not [name for name in imported if "model" in name], path
