# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The model of an OpenBSD 7.8 server, a folder for each daemon; what the target asks of a model."""

from __future__ import annotations

from .machine import Machine
from .system.tools import PROGRAMS, furnish
from .system.tree import plant

__all__ = ["PROGRAMS", "Machine", "furnish", "plant"]
