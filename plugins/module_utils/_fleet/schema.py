# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The JSON Schema of VM files, for editors and web forms, from the table of fields."""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.fields import FIELDS, Field


def vm_schema() -> dict[str, Any]:
    """Return the schema (draft 2020-12).

    It says what is necessary. What it cannot say, such as whether a key is well-formed or an
    address is free, is checked when the fleet is built.
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A VM of puffy.vmm",
        "description": "The name of the file, without .yml, is the name of the VM.",
        "type": "object",
        "properties": {field.name: _property(field) for field in FIELDS},
        "required": [field.name for field in FIELDS if field.required],
        "additionalProperties": False,
    }


def render() -> str:
    """Return the schema as the text of docs/vm.schema.json."""
    return json.dumps(vm_schema(), indent=2) + "\n"


def _property(field: Field) -> dict[str, Any]:
    described: dict[str, Any] = {"description": field.about, **field.schema}
    if field.default is not None:
        described["default"] = _json(field.default)
    if field.example is not None:
        described["examples"] = [field.example]
    return described


def _json(default: Any) -> Any:
    if isinstance(default, str | bool):
        return default
    return list(default) if isinstance(default, tuple) else dict(default)
