# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What is proposed for a fleet: settings of a server, fields of VM files, and lines of a ledger."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Mapping
from dataclasses import dataclass, field

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.fields import FIELDS
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.installed import (
    Installed,
    RecordedDisk,
)
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.plain.yaml_text import (
    FALSE,
    NULLS,
    TRUE,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.read.notes import Notes

_PLAIN: t.Final = re.compile(
    r"[A-Za-z/][A-Za-z0-9._/@+-]*|[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?:/[0-9]{1,2})?|[1-9][0-9]*[KMGT]"
)
_WORDS: t.Final = NULLS | TRUE | FALSE | {"y", "n", "Y", "N"}
_TEMPLATE: t.Final = re.compile(r"\{\{|\{%|\{#|#jinja2:")


@dataclass(frozen=True)
class VmDraft:
    """A VM: the fields of its file, what its ledger line is to have, and the images that it has.

    settled has number, mac, ipv4 and ipv6, as far as they are known.
    """

    name: str
    fields: Mapping[str, t.Any]
    settled: Mapping[str, t.Any]
    installed: Installed | None = None
    disks: tuple[RecordedDisk, ...] = ()

    def text(self, more: Mapping[str, t.Any] | None = None) -> str:
        """Return the text of its file, in the order of the fields' table."""
        values = {**self.fields, **(more or {})}
        in_order = {field.name: values[field.name] for field in FIELDS if field.name in values}
        return "---\n" + render(in_order, unsafe=False)


@dataclass(frozen=True)
class Draft:
    """variables are the server's, for its host_vars; none where only VM files are written."""

    server: str
    variables: Mapping[str, t.Any]
    vms: tuple[VmDraft, ...]
    notes: Notes = field(default_factory=Notes)

    def host_vars(self) -> str:
        return (
            "# What puffy.vmm.adopt read on this server. It is yours from here on.\n---\n"
            + render(self.variables)
        )


def render(values: Mapping[str, t.Any], *, unsafe: bool = True) -> str:
    """Return values as YAML, a line or a block for each.

    With `unsafe`, a text that looks like a template is marked for Ansible as not being one. Other
    readers, such as that of VM files, know neither the mark nor templates.
    """
    return "".join(f"{name}:{_value(value, unsafe)}\n" for name, value in values.items())


def _value(value: t.Any, unsafe: bool) -> str:
    if isinstance(value, str) and "\n" in value and _fits_a_block(value):
        lines = "".join(f"  {line}\n" if line else "\n" for line in value.split("\n"))
        return f" {_tag(value, unsafe)}|-\n{lines}".rstrip("\n")
    if isinstance(value, list | tuple) and value and all(" " in str(item) for item in value):
        return "".join(f"\n  - {_flow(item, unsafe)}" for item in value)
    return f" {_flow(value, unsafe)}"


def _fits_a_block(text: str) -> bool:
    lines = text.split("\n")
    return (
        bool(lines[0].strip())
        and not lines[0][0].isspace()
        and not text.endswith("\n")
        and all(character.isprintable() or character in "\n\t" for character in text)
        and not any(line and not line.strip() for line in lines)
    )


def _tag(text: str, unsafe: bool) -> str:
    return "!unsafe " if unsafe and _TEMPLATE.search(text) else ""


def _flow(value: t.Any, unsafe: bool) -> str:
    if isinstance(value, Mapping):
        parts = (f"{_flow(key, False)}: {_flow(item, unsafe)}" for key, item in value.items())
        return "{" + ", ".join(parts) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_flow(item, unsafe) for item in value) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    text = str(value)
    if _PLAIN.fullmatch(text) and text not in _WORDS:
        return text
    return _tag(text, unsafe) + '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    """Return a character as it is written in double quotes (YAML 1.1, 5.6)."""
    if character in '"\\':
        return f"\\{character}"
    if character.isprintable():
        return character
    return f"\\U{ord(character):08x}"
