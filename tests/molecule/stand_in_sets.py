# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Puts the sandbox's stand-in release into a directory: python stand_in_sets.py DIR."""

from __future__ import annotations

import sys
from pathlib import Path

from sandbox.model.sets import release_files

target = Path(sys.argv[1])
target.mkdir(parents=True, exist_ok=True)
for name, content in release_files("7.8").items():
    (target / name).write_bytes(content)
