# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""An order as a customer sends it, JSON or YAML, and as it is in the fleet directory."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.fields import FIELDS
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.vm import (
    LONGEST_FILE,
    read_order,
)
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.names import vm_name
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.plain.values import as_text
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.plain.yaml_text import (
    Document,
    load,
)
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Refused, Report, shown

NAME = "name"


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with an order.

    message is for the customer, and says nothing of others; detail, for the operator alone, may.
    """

    field: str
    message: str
    detail: str = ""


@dataclass(frozen=True)
class Order:
    """An order by the customer's grammar: the values that fit it, and what does not."""

    name: str
    values: Mapping[str, Any]
    faults: tuple[Fault, ...] = ()

    def render(self) -> str:
        """Return the text of its file, each value as it was understood, in the fields' order."""
        in_order = [field.name for field in FIELDS if field.name in self.values]
        return "".join(_lines(name, self.values[name]) for name in in_order)


def read_content(content: bytes, name: str | None) -> Order:
    """Return the order in these bytes; without a name, the order has it in a field of its own."""
    report = Report()
    # Keys of JSON stand in other lines than those that the reader of YAML counts.
    try:
        document, lines = _document(content)
    except Refused as refused:
        return Order(name or "", {}, (Fault("", str(refused)),))
    if name is None:
        fields = dict(document.fields)
        value = fields.pop(NAME, None)
        document = Document(fields, document.spoiled, document.problems, document.complete)
        if value is None and document.complete and NAME not in document.spoiled:
            report.add("", NAME, "is missing; give the name of the VM, such as web1")
        name = "" if value is None else report.attempt("", NAME, _name, value)
    else:
        report.attempt("", NAME, _name, name)
    values = read_order("", document, report)
    faults = []
    for problem in sorted(report.problems):
        if problem.field.startswith("line "):
            message = f"{problem.field}: {problem.text}" if lines else problem.text
            faults.append(Fault("", message))
        else:
            faults.append(Fault(problem.field, problem.text))
    return Order(name or "", values, tuple(dict.fromkeys(faults)))


def _name(value: object) -> str:
    return vm_name(as_text(value))


def _document(content: bytes) -> tuple[Document, bool]:
    """Return the document, and whether lines of its problems are those of the content."""
    if len(content) > LONGEST_FILE:
        raise Refused(f"the order is larger than {LONGEST_FILE} bytes, which no order needs")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused(
            f"the order is not UTF-8 text: byte {error.start + 1} is {content[error.start]:#04x}"
        ) from None
    if text.lstrip("\ufeff \t\r\n").startswith("{"):
        from_json = _from_json(text)
        if from_json is not None:
            # In few characters a text of JSON can stand for a longer one of YAML.
            return load(from_json, "", 8 * LONGEST_FILE), False
    return load(text, "", LONGEST_FILE), True


def _from_json(text: str) -> str | None:
    """Return a text of JSON as one of YAML with the same content, None for what is not JSON.

    There is one reader, and this is what it needs to know JSON: YAML reads neither the surrogate
    pairs of JSON's escapes nor all of its white space. Raises Refused.
    """
    try:
        content = json.loads(text, object_pairs_hook=_distinct)
        return "".join(
            f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}\n"
            for key, value in content.items()
        )
    except json.JSONDecodeError:
        return None
    except Refused:
        raise
    except (ValueError, RecursionError):
        raise Refused("the order is nested too deep, or has a number that is too long") from None


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for key, value in pairs:
        if key in content:
            raise Refused(f"{shown(key)} is given twice; keep one of them")
        content[key] = value
    return content


def _lines(name: str, value: Any) -> str:
    if isinstance(value, tuple):
        return f"{name}:\n" + "".join(f"  - {_quoted(item)}\n" for item in value)
    return f"{name}: {_quoted(value)}\n"


def _quoted(value: Any) -> str:
    """Return a value as a quoted scalar: what JSON takes for text, YAML does too."""
    return json.dumps(str(value), ensure_ascii=False)
