# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""A machine without a server around it, for tests of models: its files and a fast clock."""

from __future__ import annotations

from pathlib import Path

from .model import Machine, plant
from .target.machine import Clock

SPEED = 100.0


def machine(root: Path, speed: float = SPEED) -> Machine:
    """A machine that lives, with its files in an empty directory."""
    made = Machine(root, "rig.example.org", clock=Clock(speed))
    plant(made, "")
    made.start()
    return made
