# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Text files with what an operator's own scripts know of VMs: one per VM, a key and value a line.

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
_WANTED: t.Final = f"{', '.join(_PARTS)}, as in fields: {{vm_number: number}}"
_PASSWORD: t.Final = re.compile(r"pass|pwd|secret|token", re.IGNORECASE)


@dataclass(frozen=True)
class Target:
    """The field that a key is, and the unit of a size that is written without one."""

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
    """Raises Problems."""
    report = Report()
    document = load(text, source, LONGEST_FILE)
    report.extend(document.problems)
    report.raise_problems()
    made = report.attempt(source, "", _mapped, dict(document.fields))
    report.raise_problems()
    if made is None:
        raise Problems(report.problems)
    return made


def _mapped(value: object) -> Mapped:
    given = known_keys(value, _PARTS, _WANTED)
    if "fields" not in given:
        raise Refused(f"fields is missing; give {_WANTED}")
    defaults = part("defaults", given, _defaults) if "defaults" in given else {}
    left = part("left_out", given, _keys) if "left_out" in given else frozenset()
    installed = part("installed", given, boolean) if "installed" in given else True
    return Mapped(part("fields", given, _fields), defaults, left, installed)


def _fields(value: object) -> dict[str, Target]:
    given = mapping(value, "keys and fields, as in {vm_number: number}")
    return {key.lower(): part(key, given, _target) for key in given}


def _target(value: object) -> Target:
    if isinstance(value, dict):
        given = known_keys(
            value, ("field", "unit"), "field and unit, as in {field: memory, unit: M}"
        )
        unit = as_text(given.get("unit", ""))
        return Target(_field(given.get("field", "")), unit)
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
    given = mapping(value, "fields and values, as in {server: server1}")
    return {_field(name): part(name, given, as_written) for name in given}


def _keys(value: object) -> frozenset[str]:
    if not isinstance(value, list):
        raise Refused("is not a list; give keys, as in [invoice]")
    return frozenset(as_text(one).lower() for one in value)


def read(file: str, stem: str, text: str, mapped: Mapped, notes: Notes) -> Record:
    """What one file says; each line that is not understood, or stays behind, is reported."""
    found = Record(file, stem)
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
            _put(found, target, value, number, notes)
    for name, value in mapped.defaults.items():
        found.values.setdefault(name, value)
    return found


def _put(found: Record, target: Target, value: str, number: int, notes: Notes) -> None:
    if target.field == "ssh_keys":
        found.keys.append(value)
    elif target.field == NAME:
        found.name = value
    elif target.field in found.lines:
        notes.report(
            found.file,
            number,
            f"{target.field}: {value}",
            f"line {found.lines[target.field]} has it already",
        )
    else:
        unit = target.unit if value.isdigit() else ""
        found.values[target.field] = f"{value}{unit}"
        found.lines[target.field] = number


def _unquoted(value: str) -> str:
    same = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
    return value[1:-1] if same else value
