# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""A release can be made of the fragments at any time."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]


def test_the_changelog_is_made_of_the_fragments(tmp_path: Path) -> None:
    place = tmp_path / "ansible_collections/puffy/vmm"
    place.mkdir(parents=True)
    for name in ("changelogs", "meta", "plugins"):
        shutil.copytree(CHECKOUT / name, place / name)
    for name in ("galaxy.yml", "README.md"):
        shutil.copy(CHECKOUT / name, place)
    command = ["antsibull-changelog", "release"]
    made = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    text = (place / "CHANGELOG.md").read_text()
    assert "Release Summary" in text and "configure" in text
    assert not list((place / "changelogs/fragments").glob("*.yml"))
