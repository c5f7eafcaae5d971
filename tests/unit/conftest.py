# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What all unit tests share, and how hypothesis runs on a busy machine."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from unit.sites import Site, make_site

settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return make_site(tmp_path)
