# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The ledger of a server: which number, MAC and addresses each VM has, or had, and whose it was."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.installed import (
    Installed,
    RecordedDisk,
    read_disk,
    read_disks,
    read_installed,
)
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.address_plan import (
    HIGHEST_NUMBER,
    Address,
)
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.addresses import ipv4, ipv6, mac
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.names import (
    OWNER_PATTERN,
    VM_NAME_PATTERN,
    vm_name,
)
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.plain.values import (
    Parse,
    mapping,
    record,
    sequence,
    whole_number,
)
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.plain.yaml_text import (
    FALSE,
    NULLS,
    TRUE,
    load,
)
from ansible_collections.puffy.vmm.plugins.module_utils._problems import (
    Refused,
    Report,
    shown,
    shown_name,
)

DIRECTORY = "allocations"
SUFFIX = ".yml"

# A line for each of 65,535 numbers.
LONGEST_FILE = 16 * 1024 * 1024

# Digits with colons that a reader of YAML 1.1 takes for a number in base 60.
_BASE_60 = re.compile("[0-9:]+")

_NO_TEXT = NULLS | TRUE | FALSE | {"y", "n"}

_KEY_DIGEST = re.compile("SHA256:[A-Za-z0-9+/]{43}")


@dataclass(frozen=True)
class Entry:
    """A VM's line. What is None has not been handed out yet.

    other_macs, other_ipv4 and other_ipv6 are those that further interfaces of the VM have, or had,
    in their order, and disks the further disks. made is the first disk of a VM that nobody has said
    to be installed yet.
    """

    number: int
    mac: str | None = None
    ipv4: IPv4Address | None = None
    ipv6: IPv6Address | None = None
    other_macs: tuple[str, ...] = ()
    installed: Installed | None = None
    disks: tuple[RecordedDisk, ...] = ()
    made: RecordedDisk | None = None
    other_ipv4: tuple[IPv4Address, ...] = ()
    other_ipv6: tuple[IPv6Address, ...] = ()

    @property
    def addresses(self) -> tuple[Address, ...]:
        """All addresses that the VM has, or had."""
        first = (address for address in (self.ipv4, self.ipv6) if address is not None)
        return (*first, *self.other_ipv4, *self.other_ipv6)

    def others(self, kind: str) -> tuple[Any, ...]:
        """Return what further interfaces have, or had, of a kind: "mac", "ipv4" or "ipv6"."""
        return {"mac": self.other_macs, "ipv4": self.other_ipv4, "ipv6": self.other_ipv6}[kind]


@dataclass(frozen=True)
class Purged:
    """What a VM had that was purged on the day `since` (UTC), kept from others for a while."""

    vm: str
    since: date
    entry: Entry

    def is_over(self, days: int, today: date) -> bool:
        """Return whether that many whole days lie between the day of the purge and today."""
        return today - self.since > timedelta(days)


def _day(value: object) -> date:
    text = value if isinstance(value, str) else str(value)
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or text != day.isoformat():
        raise Refused(f"{shown(text)} is not a day; use one such as 2026-11-24")
    return day


def _key_digest(value: object) -> str:
    if not isinstance(value, str) or not _KEY_DIGEST.fullmatch(value):
        raise Refused(f"{shown(value)} is not a fingerprint; ssh-keygen -l shows it as SHA256:...")
    return value


def _number(value: object) -> int:
    return whole_number(value, 1, HIGHEST_NUMBER)


_PARTS = {
    "number": _number,
    "mac": mac,
    "ipv4": ipv4,
    "ipv6": ipv6,
    "other_macs": lambda value: sequence(value, mac, "MACs"),
    "other_ipv4": lambda value: sequence(value, ipv4, "IPv4 addresses"),
    "other_ipv6": lambda value: sequence(value, ipv6, "IPv6 addresses"),
    "installed": read_installed,
    "disks": read_disks,
    "made": read_disk,
}
_EXAMPLE = "{mac: fe:e1:bb:d1:c8:07, ipv4: 203.0.113.16}"
# The name of an image is free once the image was purged.
_IMAGES = ("installed", "disks", "made")


_ABOUT_RECORDS = (
    "# installed: when a VM was installed, and the image that it has, whatever settings say later.",
    "# Such a VM is never installed again unless that is asked for by its name (verb=reinstall).",
)
_ABOUT_DISKS = (
    "# made: the image of a VM that somebody installs from a CD; disks: further disks that a VM",
    "# has, or had. Images that were there are not made again.",
)


@dataclass(frozen=True)
class Ledger:
    """The entries of a server by the name of the VM, and what is in quarantine.

    owners are those of VMs that were purged, with the digests of their keys: the server still has
    their accounts and homes.
    """

    server: str
    entries: Mapping[str, Entry]
    quarantine: tuple[Purged, ...] = ()
    owners: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def purge(
        self, vm: str, today: date, owners: Mapping[str, frozenset[str]] | None = None
    ) -> Ledger:
        """Return the ledger with what the VM had in quarantine; the same if it has nothing.

        owners has the VM's owner, with the digests of the keys, where that is known.
        """
        entries = dict(self.entries)
        entry = entries.pop(vm, None)
        if entry is None:
            return self
        quarantine = (
            *self.quarantine,
            Purged(vm, today, replace(entry, installed=None, disks=(), made=None)),
        )
        former = {**self.owners, **(owners or {})}
        return replace(self, entries=entries, quarantine=quarantine, owners=former)

    def record(self, records: Mapping[str, Installed | None]) -> Ledger:
        """Return the ledger with these records of installations; None takes one out.

        With it go those of the further disks. Raises KeyError for a VM without a line.
        """
        changed = {
            vm: replace(self.entries[vm], installed=new, made=None) for vm, new in records.items()
        }
        changed |= {vm: replace(changed[vm], disks=()) for vm, new in records.items() if not new}
        return replace(self, entries={**self.entries, **changed})

    def record_disks(
        self, vm: str, made: RecordedDisk | None, more: Sequence[RecordedDisk]
    ) -> Ledger:
        """Return the ledger with disks that a VM has by now; what it has already stays as it is.

        Raises KeyError for a VM without a line.
        """
        entry = self.entries[vm]
        if entry.installed is None and entry.made is None:
            entry = replace(entry, made=made)
        entry = replace(entry, disks=(*entry.disks, *more[len(entry.disks) :]))
        return replace(self, entries={**self.entries, vm: entry})

    @property
    def source(self) -> str:
        return source(self.server)

    def render(self) -> str:
        """Return the file's text, sorted by number, the same for the same entries."""
        entries = self.entries.values()
        lines = [
            f"# Written by puffy.vmm: which number, MAC and addresses each VM of "
            f"{shown_name(self.server)} has, or had.",
            *(_ABOUT_RECORDS if any(entry.installed for entry in entries) else ()),
            *(_ABOUT_DISKS if any(entry.disks or entry.made for entry in entries) else ()),
            "---",
            "vms:" if self.entries else "vms: {}",
        ]
        in_order = sorted(self.entries.items(), key=lambda item: (item[1].number, item[0]))
        lines += [f"  {_name(name)}: {_flow(_parts(entry))}" for name, entry in in_order]
        if self.quarantine:
            lines += [
                "# Of VMs that were purged, by number; nobody gets it again for a while.",
                "quarantine:",
            ]
        for purged in sorted(
            self.quarantine, key=lambda purged: (purged.entry.number, purged.since)
        ):
            parts = {"vm": _name(purged.vm), "since": purged.since} | _parts(purged.entry)
            lines.append(f"  {parts.pop('number')}: {_flow(parts)}")
        if self.owners:
            lines += [
                "# Owners of purged VMs, with their keys: nobody else gets their accounts.",
                "owners:",
            ]
        for owner, keys in sorted(self.owners.items()):
            lines.append(f"  {_name(owner)}: [{', '.join(sorted(keys))}]")
        return "\n".join(lines) + "\n"


def source(server: str) -> str:
    """Return how problems name the ledger of a server."""
    return f"{DIRECTORY}/{shown_name(server)}{SUFFIX}"


def read_ledger(file: str, text: str, report: Report) -> Ledger | None:
    """Return the ledger that is in the file of this name ("server1.yml").

    None where the report says what is wrong with it: a part of a ledger is of no use.
    """
    before = len(report.problems)
    server = file.removesuffix(SUFFIX)
    where = source(server)
    if not file.endswith(SUFFIX):
        text = f"is not a ledger; its name has to end in {SUFFIX}"
        report.add(f"{DIRECTORY}/{shown_name(file)}", "", text)
        return None
    document = load(text, where, LONGEST_FILE)
    report.extend(document.problems)
    entries: dict[str, Entry] = {}
    quarantine: list[Purged] = []
    owners: dict[str, frozenset[str]] = {}
    for section, value in document.fields.items():
        if section not in _LINES:
            unknown = "is not a field of a ledger; it has only vms, quarantine and owners"
            report.add(where, shown(section)[1:-1], unknown)
            continue
        lines = report.attempt(where, section, _LINES[section], value)
        for name, line in (lines or {}).items():
            if section == "vms":
                if entry := _read_entry(name, line, where, report):
                    entries[name] = entry
            elif section == "owners":
                owners[name] = _read_owner(name, line, where, report)
            elif purged := _read_purged(name, line, where, report):
                quarantine.append(purged)
    if document.complete and not document.problems and "vms" not in document.fields:
        report.add(where, "vms", "is missing; a ledger without VMs has vms: {}")
    if len(report.problems) > before:
        return None
    return Ledger(server, entries, tuple(quarantine), owners)


_LINES = {
    "vms": lambda value: mapping(value, "a line for each VM"),
    "quarantine": lambda value: mapping(value, "a line for each number"),
    "owners": lambda value: mapping(value, "a line for each owner"),
}


def _read_entry(name: str, line: object, where: str, report: Report) -> Entry | None:
    if not re.fullmatch(VM_NAME_PATTERN, name):
        report.add(where, shown(name), "is not the name of a VM; take the line out")
        return None
    parts = _read_parts(name, line, _PARTS, where, report)
    if parts is not None and "number" not in parts:
        report.add(where, name, "has no number; give it one, or take the line out for a new one")
    return Entry(**parts) if parts and "number" in parts else None


def _read_purged(number: str, line: object, where: str, report: Report) -> Purged | None:
    label = f"quarantine: {shown(number)[1:-1]}"
    value = report.attempt(where, label, _number, number)
    known = {"vm": lambda value: vm_name(str(value)), "since": _day, **_PARTS}
    for part in ("number", *_IMAGES):
        del known[part]
    parts = _read_parts(label, line, known, where, report)
    if value is None or parts is None:
        return None
    if "vm" not in parts or "since" not in parts:
        report.add(where, label, "needs vm, the name it had, and since, the day it was purged")
        return None
    return Purged(parts.pop("vm"), parts.pop("since"), Entry(value, **parts))


def _read_owner(name: str, line: object, where: str, report: Report) -> frozenset[str]:
    label = f"owners: {shown(name)[1:-1]}"
    if not re.fullmatch(OWNER_PATTERN, name):
        report.add(where, label, "is not the name of an owner; take the line out")
    digests = report.attempt(
        where, label, lambda value: sequence(value, _key_digest, "fingerprints"), line
    )
    return frozenset(digests or ())


def _read_parts(
    label: str, line: object, parsers: Mapping[str, Parse], where: str, report: Report
) -> dict[str, Any] | None:
    return report.attempt(where, label, lambda value: record(value, parsers, _EXAMPLE), line)


def _parts(entry: Entry) -> dict[str, object]:
    """Return what an entry has, as YAML of the flow style by its names."""
    parts: dict[str, object] = {"number": entry.number}
    for part in ("mac", "ipv4", "ipv6"):
        if value := getattr(entry, part):
            parts[part] = _quoted(str(value))
    for part in ("other_macs", "other_ipv4", "other_ipv6"):
        if others := getattr(entry, part):
            parts[part] = f"[{', '.join(_quoted(str(other)) for other in others)}]"
    if entry.installed:
        parts["installed"] = _flow(entry.installed.as_data())
    if entry.made:
        parts["made"] = _flow(entry.made.as_data())
    if entry.disks:
        parts["disks"] = f"[{', '.join(_flow(disk.as_data()) for disk in entry.disks)}]"
    return parts


def _flow(parts: Mapping[str, object]) -> str:
    return f"{{{', '.join(f'{name}: {value}' for name, value in parts.items())}}}"


def _name(vm: str) -> str:
    """Return the name of a VM, in quotes where it may look like a number or a day."""
    return f"'{vm}'" if vm[0].isdigit() or vm.lower() in _NO_TEXT else vm


def _quoted(text: str) -> str:
    """Return text so that every reader of YAML takes it for text (or a number, for a number)."""
    unclear = text in _NO_TEXT or text[0] == ":" or text[-1] == ":"
    return f"'{text}'" if unclear or (":" in text and _BASE_60.fullmatch(text)) else text
