# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Write docs/vm.schema.json anew: ./dev run python -m make_schema"""

from __future__ import annotations

from pathlib import Path

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.schema import render

SCHEMA = Path(__file__).resolve().parent.parent / "docs" / "vm.schema.json"

if __name__ == "__main__":
    SCHEMA.write_text(render(), encoding="utf-8")
