# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Write the JSON Schemas in docs/ again: ./dev run python -m make_schema"""

from __future__ import annotations

from pathlib import Path

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.schema import (
    order_schema,
    render,
    vm_schema,
)

DOCS = Path(__file__).resolve().parent.parent / "docs"
# Web forms take the first, editors of an operator the second.
SCHEMAS = {DOCS / "vm.schema.json": order_schema(), DOCS / "operator.schema.json": vm_schema()}

if __name__ == "__main__":
    for path, schema in SCHEMAS.items():
        path.write_text(render(schema), encoding="utf-8")
