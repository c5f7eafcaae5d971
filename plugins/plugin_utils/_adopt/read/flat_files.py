# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Text files with what an operator's own scripts know of VMs: a file per VM, a key per line.

A mapping says which field of a VM file each key is:

    fields: {vm_number: number, username: owner, mem: {field: memory, unit: M}}
    defaults: {server: server1}
    left_out: [invoice]
    installed: true
"""

from __future__ import annotations

import re
import typing as t
from collections.abc import Mapping
from dataclasses import dataclass, field

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.fields import BY_NAME
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.plain.values import (
    as_text,
    as_written,
    boolean,
    known_keys,
    mapping,
    part,
)
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.plain.yaml_text import load
from ansible_collections.puffy.vmm.plugins.module_utils._problems import (
    Problems,
    Refused,
    Report,
    shown,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.read.notes import (
    HIDDEN,
    Notes,
    has_secret,
)

LONGEST_FILE: t.Final = 64 * 1024
NAME: t.Final = "name"
_LINE: t.Final = re.compile(r"\s*([A-Za-z0-9_][A-Za-z0-9_. -]*?)\s*[:=]\s*(.*?)\s*\Z")
_PARTS: t.Final = ("fields", "defaults", "left_out", "installed")
_EXAMPLE: t.Final = f"{', '.join(_PARTS)}, as in fields: {{vm_number: number}}"
_PASSWORD: t.Final = re.compile(r"pass|pwd|secret|token", re.IGNORECASE)


@dataclass(frozen=True)
class Target:
    """The field that a key stands for, and the unit of a size that is written without one."""

    field: str
    unit: str = ""


@dataclass(frozen=True)
class Mapped:
    """What keys mean; keys are in small letters. installed says that the VMs have their systems."""

    fields: Mapping[str, Target]
    defaults: Mapping[str, str] = field(default_factory=dict)
    left_out: frozenset[str] = frozenset()
    installed: bool = True


@dataclass
class Record:
    """What a file says of a VM, with the line of each field."""

    file: str
    name: str
    values: dict[str, str] = field(default_factory=dict)
    keys: list[str] = field(default_factory=list)
    lines: dict[str, int] = field(default_factory=dict)


def read_mapping(source: str, text: str) -> Mapped:
    """Read a mapping. Raises Problems."""
    report = Report()
    document = load(text, source, LONGEST_FILE)
    report.extend(document.problems)
    report.raise_problems()
    mapped = report.attempt(source, "", _mapped, dict(document.fields))
    if mapped is None:
        raise Problems(report.problems)
    return mapped


def _mapped(value: object) -> Mapped:
    parts = known_keys(value, _PARTS, _EXAMPLE)
    if "fields" not in parts:
        raise Refused(f"fields is missing; give {_EXAMPLE}")
    defaults = part("defaults", parts, _defaults) if "defaults" in parts else {}
    left = part("left_out", parts, _keys) if "left_out" in parts else frozenset()
    installed = part("installed", parts, boolean) if "installed" in parts else True
    return Mapped(part("fields", parts, _fields), defaults, left, installed)


def _fields(value: object) -> dict[str, Target]:
    keys = mapping(value, "keys and fields, as in {vm_number: number}")
    return {key.lower(): part(key, keys, _target) for key in keys}


def _target(value: object) -> Target:
    if isinstance(value, dict):
        example = "field and unit, as in {field: memory, unit: M}"
        parts = known_keys(value, ("field", "unit"), example)
        return Target(_field(parts.get("field", "")), as_text(parts.get("unit", "")))
    return Target(_field(value))


def _field(value: object) -> str:
    name = as_text(value)
    if name not in (NAME, *_TEXTS):
        raise Refused(
            f"{shown(name)} is not a field that a text file can have; use one of "
            f"{', '.join((NAME, *_TEXTS))}"
        )
    return name


# Fields whose value is one line.
_TEXTS: t.Final = tuple(
    name for name in BY_NAME if name not in ("interfaces", "disks", "install_options", "sets")
)


def _defaults(value: object) -> dict[str, str]:
    values = mapping(value, "fields and values, as in {server: server1}")
    return {_field(name): part(name, values, as_written) for name in values}


def _keys(value: object) -> frozenset[str]:
    if not isinstance(value, list):
        raise Refused("is not a list; give keys, as in [invoice]")
    return frozenset(as_text(key).lower() for key in value)


def read(file: str, stem: str, text: str, mapped: Mapped, notes: Notes) -> Record:
    """Read one file; each line that is not understood, or not taken over, is reported."""
    record = Record(file, stem)
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith(("#", ";")):
            continue
        match = _LINE.match(line)
        if match is None:
            notes.report(file, number, line, "it is not a key and a value")
            continue
        key, value = match[1].lower(), _unquoted(match[2])
        target = mapped.fields.get(key)
        if _PASSWORD.search(key) or (has_secret(value) and key not in mapped.fields):
            notes.report(file, number, f"{match[1]} = {HIDDEN}", "no password is copied")
        elif target is None and key not in mapped.left_out:
            notes.report(file, number, line, "the mapping does not name this key")
        elif target is not None and value:
            _put(record, target, value, number, notes)
    for name, value in mapped.defaults.items():
        record.values.setdefault(name, value)
    return record


def _put(record: Record, target: Target, value: str, number: int, notes: Notes) -> None:
    if target.field == "ssh_keys":
        record.keys.append(value)
    elif target.field == NAME:
        record.name = value
    elif target.field in record.lines:
        why = f"line {record.lines[target.field]} has it already"
        notes.report(record.file, number, f"{target.field}: {value}", why)
    else:
        unit = target.unit if value.isdigit() else ""
        record.values[target.field] = f"{value}{unit}"
        record.lines[target.field] = number


def _unquoted(value: str) -> str:
    same = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
    return value[1:-1] if same else value
