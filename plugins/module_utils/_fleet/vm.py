# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""VMs: what a VM file says, and a VM with all its values."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.fields import BY_NAME, FIELDS
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.installed import Installed
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.interfaces import (
    Interface,
    further_macs,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.ledger import Entry
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.ledger import source as ledger_source
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.presets import IMAGE_SUFFIXES
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.server import ServerSettings
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.interfaces import (
    FurtherInterface,
    default_group,
)
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.names import (
    vm_name,
)
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.questions import (
    answered_by_collection,
)
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.sizes import Size
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.yaml_text import load
from ansible_collections.puffy.vmm.plugins.module_utils._problems import (
    Report,
    shown,
    shown_name,
)

DIRECTORY = "vms"
SUFFIX = ".yml"

LONGEST_FILE = 64 * 1024


@dataclass(frozen=True)
class VmFile:
    """What a VM file says: the values of its fields that fit their grammar.

    unknown are the fields that are there but not usable, all of them when complete is False.
    """

    name: str
    source: str
    values: Mapping[str, Any]
    unknown: frozenset[str] = frozenset()
    complete: bool = True

    @property
    def server(self) -> str | None:
        server: str | None = self.values.get("server")
        return server

    @property
    def state(self) -> str | None:
        """The state, None when what stands there is no state."""
        return None if "state" in self.unknown else self.values.get("state", "present")

    @property
    def interfaces(self) -> tuple[FurtherInterface, ...]:
        """The interfaces next to the first."""
        further: tuple[FurtherInterface, ...] = self.values.get("interfaces", ())
        return further

    def knows(self, *fields: str) -> bool:
        """Return whether these fields are either usable or not there at all."""
        return self.complete and not self.unknown.intersection(fields)


@dataclass(frozen=True)
class Vm:
    """A VM with all its values; only the note of its file is left out.

    The first of interfaces is the one with the VM's mac and group. An installed VM keeps the image
    that its record names, whatever settings say later. seen says that the fleet directory has host
    keys or a hand-over sheet of it, and refusal why nothing is done with it, whatever is asked for.
    """

    name: str
    server: str
    owner: str
    user: str
    ssh_keys: tuple[str, ...]
    hostname: str
    number: int
    mac: str
    ipv4: IPv4Address
    ipv6: IPv6Address | None
    group: str
    interfaces: tuple[Interface, ...]
    memory: Size
    disk: Size
    disk_format: str
    image_path: str
    installed: Installed | None
    seen: bool
    refusal: str | None
    autostart: bool
    state: str
    timezone: str
    sets: tuple[str, ...]
    install_options: Mapping[str, str]


def read_vm(
    file: str, text: str, servers: Collection[str], groups: Collection[str], report: Report
) -> VmFile:
    """Return what the VM file of this name ("web1.yml") says; the report tells what is wrong."""
    source = f"{DIRECTORY}/{shown_name(file)}"
    document = load(text, source, LONGEST_FILE)
    report.extend(document.problems)
    name = _read_name(file, source, servers, groups, report)
    values: dict[str, Any] = {}
    unknown = set(document.spoiled)
    for field, value in document.fields.items():
        if field not in BY_NAME:
            report.add(source, _label(field), _unknown_field(field))
        elif field not in document.spoiled:
            values[field] = report.attempt(source, field, BY_NAME[field].parse, value)
            if values[field] is None:
                unknown.add(field)
                del values[field]
    if document.complete and "" not in document.spoiled:
        for required in FIELDS:
            if required.required and required.name not in {*document.fields, *unknown}:
                report.add(source, required.name, f"is missing; give {_wanted(required.name)}")
    if "server" in values and values["server"] not in servers:
        report.add(source, "server", _unknown_server(values.pop("server"), servers))
        unknown.add("server")
    _check_questions(source, values, report)
    return VmFile(name, source, values, frozenset(unknown), document.complete)


def make_vm(
    file: VmFile,
    server: ServerSettings,
    entry: Entry,
    *,
    seen: bool = False,
    refusal: str | None = None,
) -> Vm:
    """Return the VM of a file without problems and a complete entry of the ledger."""
    values = {field.name: field.default for field in FIELDS} | dict(file.values)
    installed = entry.installed
    disk_format = values["disk_format"] or server.disk_format
    image_path = f"{server.image_directory}/{file.name}.{IMAGE_SUFFIXES[disk_format]}"
    if installed:
        refusal = refusal or _other_format(file, server, installed)
        disk_format, image_path = installed.format, installed.image
    sets = values["sets"] or server.sets
    if entry.mac is None or entry.ipv4 is None:
        raise ValueError(f"the entry of {file.name} is not complete")
    group = values["group"] or default_group(entry.number)
    return Vm(
        name=file.name,
        server=server.name,
        owner=values["owner"],
        user=values["user"] or values["owner"],
        ssh_keys=values["ssh_keys"],
        hostname=values["hostname"],
        number=entry.number,
        mac=entry.mac,
        ipv4=entry.ipv4,
        ipv6=entry.ipv6 if server.ipv6 else None,
        group=group,
        interfaces=(
            Interface(server.switch.name, entry.mac, group),
            *_further(values["interfaces"], entry.mac),
        ),
        memory=_size(values, "memory"),
        disk=_size(values, "disk"),
        disk_format=disk_format,
        image_path=image_path,
        installed=installed,
        seen=seen,
        refusal=refusal,
        autostart=values["autostart"],
        state=values["state"],
        timezone=values["timezone"] or server.timezone,
        sets=sets,
        install_options=values["install_options"],
    )


def _other_format(file: VmFile, server: ServerSettings, installed: Installed) -> str | None:
    """Return why a VM file that asks for another format than the image has is refused."""
    wanted = file.values.get("disk_format")
    if wanted in (None, installed.format):
        return None
    return (
        f"{file.source}: disk_format: {wanted} is asked for, and {ledger_source(server.name)} has "
        f"the image {installed.image} in the format {installed.format} since {installed.since}; an "
        f"image that exists is not converted: write disk_format: {installed.format} or take the "
        f"line out, or archive and purge {file.name} for a new VM without its data"
    )


def size_of(file: VmFile, field: str) -> int | None:
    """Return the bytes of the field memory or disk, None when what stands there is no size."""
    return None if field in file.unknown else _size(file.values, field).bytes


def _further(given: Sequence[FurtherInterface], first: str) -> Iterator[Interface]:
    for interface, mac in zip(given, further_macs(given, first), strict=True):
        yield Interface(interface.switch, mac, interface.group)


def _size(values: Mapping[str, Any], field: str) -> Size:
    value = values.get(field, BY_NAME[field].default)
    size: Size = value if isinstance(value, Size) else BY_NAME[field].parse(value)
    return size


def _read_name(
    file: str, source: str, servers: Collection[str], groups: Collection[str], report: Report
) -> str:
    if not file.endswith(SUFFIX):
        report.add(source, "", f"is no VM file; its name has to end in {SUFFIX}")
        return file
    name = file.removesuffix(SUFFIX)
    if report.attempt(source, "name", lambda _: vm_name(name), name) is None:
        return name
    for kind, others in (("server", servers), ("group", groups)):
        if name in others:
            report.add(
                source,
                "name",
                f"{shown(name)} is the name of a {kind} in the inventory; rename the file",
            )
    return name


def _check_questions(source: str, values: dict[str, Any], report: Report) -> None:
    """Refuse answers to what the collection answers itself."""
    user = values.get("user") or values.get("owner") or "user"
    for key in values.get("install_options", {}):
        for question, use in answered_by_collection(key, user):
            advice = f"use {use} instead" if use else "take it out"
            report.add(
                source,
                "install_options",
                f"{shown(key)} would answer {question!r}, which this collection answers itself; "
                f"{advice}",
            )
            break


def _label(field: str) -> str:
    return field if field.isidentifier() and field.isascii() else shown(field)


def _unknown_field(field: str) -> str:
    near = difflib.get_close_matches(field, BY_NAME, 1)
    if near:
        return f"is no field of a VM file; is {near[0]} meant?"
    return f"is no field of a VM file; known are {', '.join(BY_NAME)}"


def _unknown_server(name: str, servers: Collection[str]) -> str:
    near = difflib.get_close_matches(name, list(servers), 1)
    advice = f"is {near[0]} meant?" if near else "use the name of one of the inventory's servers"
    return f"{shown(name)} is no server of the inventory; {advice}"


def _wanted(field: str) -> str:
    about, example = BY_NAME[field].about, BY_NAME[field].example
    what = about[0].lower() + about[1:]
    return f"{what}, such as {example}" if example else what
