# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The JSON Schemas of orders and of VM files, for web forms and editors, from the fields' table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.fields import FIELDS, Field


def order_schema() -> dict[str, Any]:
    """Return the schema (draft 2020-12) of a customer's order.

    It says what is necessary. What it cannot say, such as whether a key is well-formed, is checked
    when the fleet is built.
    """
    fields = [field for field in FIELDS if field.customer]
    required = [field.name for field in fields if field.required]
    fields = [replace(field, schema=field.order_schema or field.schema) for field in fields]
    return _schema("An order of a VM of puffy.vmm, by a customer", fields, required)


def vm_schema() -> dict[str, Any]:
    """Return the schema of an operator's VM file, whose order may have what the customer says."""
    return _schema("A VM of puffy.vmm, by its operator", FIELDS, ["server"])


def render(schema: dict[str, Any]) -> str:
    """Return a schema as the text of its file."""
    return json.dumps(schema, indent=2) + "\n"


def _schema(title: str, fields: Sequence[Field], required: list[str]) -> dict[str, Any]:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        "description": "The name of the file, without .yml, is the name of the VM.",
        "type": "object",
        "properties": {field.name: _property(field) for field in fields},
        "required": required,
        "additionalProperties": False,
    }


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
