# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The settings of a server, from its vmm_* variables."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ServerSettings:
    """A server's settings with all defaults filled in."""

    name: str
