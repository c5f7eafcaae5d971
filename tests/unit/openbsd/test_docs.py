# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""docs/openbsd.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from openbsd import settings
from openbsd.releases import (
    CURRENT_RELEASE,
    RELEASES,
)

TEXT = (Path(__file__).parents[3] / "docs/openbsd.md").read_text()


def test_the_table_of_releases() -> None:
    rows = re.findall(r"^\| ([0-9.]+) \| `(.+)` \| (the default)? ?\|$", TEXT, re.MULTILINE)
    assert rows == [
        (
            release.name,
            f"openbsd-{release.digits}-base.pub",
            "the default" if release is CURRENT_RELEASE else "",
        )
        for release in RELEASES
    ]


def test_the_table_of_variables() -> None:
    code = Path(settings.__file__).read_text()
    rows = re.findall(r"^\| `(OPENBSD_[A-Z_]+)` \| ([^|]+) \|", TEXT, re.MULTILINE)
    assert sorted(name for name, _ in rows) == sorted(set(re.findall('"(OPENBSD_[A-Z_]+)"', code)))
    actual = settings.settings({})
    defaults = {name: default.strip("`") for name, default in rows}
    assert defaults["OPENBSD_MIRROR"] == actual.mirror
    assert defaults["OPENBSD_VERIFY"] == actual.verify
    assert defaults["OPENBSD_ACCELERATOR"] == actual.accelerator
    assert defaults["OPENBSD_MEMORY"] == str(actual.memory)
    assert defaults["OPENBSD_CORES"] == str(actual.cores)
    assert defaults["OPENBSD_DISK"] == str(actual.disk)
    assert float(defaults["OPENBSD_PATIENCE"]) == actual.patience
