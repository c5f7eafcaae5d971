# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The ledger of a server: which number, MAC and addresses each VM has, or had."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from ansible_collections.puffy.vmm.plugins.module_utils._addressing import HIGHEST_NUMBER
from ansible_collections.puffy.vmm.plugins.module_utils._grammar_addresses import ipv4, ipv6, mac
from ansible_collections.puffy.vmm.plugins.module_utils._grammar_names import VM_NAME_PATTERN
from ansible_collections.puffy.vmm.plugins.module_utils._grammar_values import (
    mapping,
    sequence,
    whole_number,
)
from ansible_collections.puffy.vmm.plugins.module_utils._problems import (
    Report,
    shown,
    shown_name,
)
from ansible_collections.puffy.vmm.plugins.module_utils._yaml import (
    FALSE,
    NULLS,
    TRUE,
    load,
)

DIRECTORY = "allocations"
SUFFIX = ".yml"

# A line for each of 65,535 numbers.
LONGEST_FILE = 16 * 1024 * 1024

# Digits with colons that a reader of YAML 1.1 takes for a number in base 60.
_BASE_60 = re.compile("[0-9:]+")

_NO_TEXT = NULLS | TRUE | FALSE | {"y", "n"}


@dataclass(frozen=True)
class Entry:
    """A VM's line. What is None was not handed out yet.

    other_macs are those that further interfaces of the VM have, or had, in their order.
    """

    number: int
    mac: str | None = None
    ipv4: IPv4Address | None = None
    ipv6: IPv6Address | None = None
    other_macs: tuple[str, ...] = ()


_PARTS = {
    "number": lambda value: whole_number(value, 1, HIGHEST_NUMBER),
    "mac": mac,
    "ipv4": ipv4,
    "ipv6": ipv6,
    "other_macs": lambda value: sequence(value, mac, "MACs"),
}


@dataclass(frozen=True)
class Ledger:
    """The entries of a server by the name of the VM."""

    server: str
    entries: Mapping[str, Entry]

    @property
    def source(self) -> str:
        return source(self.server)

    def render(self) -> str:
        """Return the file's text, sorted by number, the same for the same entries."""
        lines = [
            f"# Written by puffy.vmm: which number, MAC and addresses each VM of "
            f"{shown_name(self.server)} has, or had.",
            "---",
            "vms:" if self.entries else "vms: {}",
        ]
        in_order = sorted(self.entries.items(), key=lambda item: (item[1].number, item[0]))
        lines += [f"  {_quoted(name)}: {{{_parts(entry)}}}" for name, entry in in_order]
        return "\n".join(lines) + "\n"


def source(server: str) -> str:
    """Return how problems name the ledger of a server."""
    return f"{DIRECTORY}/{shown_name(server)}{SUFFIX}"


def read_ledger(file: str, text: str, report: Report) -> Ledger | None:
    """Return the ledger that is in the file of this name ("server1.yml").

    None where the report tells what is wrong with it: a ledger that is not wholly known is none.
    """
    before = len(report.problems)
    server = file.removesuffix(SUFFIX)
    where = source(server)
    if not file.endswith(SUFFIX):
        report.add(
            f"{DIRECTORY}/{shown_name(file)}", "", f"is no ledger; its name has to end in {SUFFIX}"
        )
        return None
    document = load(text, where, LONGEST_FILE)
    report.extend(document.problems)
    entries: dict[str, Entry] = {}
    for field, value in document.fields.items():
        if field != "vms":
            report.add(where, shown(field)[1:-1], "is no field of a ledger; it has only vms")
            continue
        vms = report.attempt(
            where, field, lambda value: mapping(value, "a line for each VM"), value
        )
        for name, line in (vms or {}).items():
            entry = _read_entry(name, line, where, report)
            if entry is not None:
                entries[name] = entry
    if document.complete and not document.problems and "vms" not in document.fields:
        report.add(where, "vms", "is missing; a ledger without VMs has vms: {}")
    return Ledger(server, entries) if len(report.problems) == before else None


def _read_entry(name: str, line: object, where: str, report: Report) -> Entry | None:
    if not re.fullmatch(VM_NAME_PATTERN, name):
        report.add(where, shown(name), "is no name of a VM; take the line out")
        return None
    given = report.attempt(
        where, name, lambda value: mapping(value, "number, mac, ipv4 and ipv6 in braces"), line
    )
    if given is None:
        return None
    parts: dict[str, Any] = {}
    for part, value in given.items():
        if part not in _PARTS:
            report.add(where, name, f"{shown(part)} is unknown; a line has {', '.join(_PARTS)}")
            return None
        parts[part] = report.attempt(where, f"{name}: {part}", _PARTS[part], value)
        if parts[part] is None:
            return None
    if "number" not in parts:
        report.add(where, name, "has no number; give it one, or take the line out for a new one")
        return None
    return Entry(**parts)


def _parts(entry: Entry) -> str:
    parts = {
        "number": str(entry.number),
        "mac": entry.mac,
        "ipv4": entry.ipv4 and str(entry.ipv4),
        "ipv6": entry.ipv6 and str(entry.ipv6),
    }
    line = [f"{part}: {_quoted(text)}" for part, text in parts.items() if text]
    if entry.other_macs:
        line.append(f"other_macs: [{', '.join(map(_quoted, entry.other_macs))}]")
    return ", ".join(line)


def _quoted(text: str) -> str:
    """Return text so that every reader of YAML takes it for text (or a number, for a number)."""
    unclear = text in _NO_TEXT or text[0] == ":" or text[-1] == ":"
    return f"'{text}'" if unclear or (":" in text and _BASE_60.fullmatch(text)) else text
