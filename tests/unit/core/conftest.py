# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""How hypothesis runs: a machine that is busy with other things is no failure of the code."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")
