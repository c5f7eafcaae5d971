# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Sanity tests leave the same out with each ansible-core."""

from pathlib import Path

SANITY = Path(__file__).parents[1] / "sanity"


def test_all_releases_of_ansible_core_ignore_the_same() -> None:
    files = sorted(SANITY.glob("ignore-*.txt"))
    assert len(files) > 1
    assert len({file.read_text() for file in files}) == 1, [file.name for file in files]
