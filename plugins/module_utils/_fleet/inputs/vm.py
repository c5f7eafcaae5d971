# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""VMs: what their files say, and a VM with all its values.

The operator's file vms/NAME.yml says on which server a VM is, and may say everything else. What
the customer ordered may be in orders/NAME.yml instead, which has only the customer's fields. No
field is in both.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from typing import Any

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.disks import (
    Disk,
    Wishes,
    detached,
    first_disk,
    further_disks,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.disks import (
    refusal as disk_refusal,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.fields import (
    AUTOINSTALL,
    BY_NAME,
    FIELDS,
    ISO,
    Field,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.installed import Installed
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.interfaces import (
    Interface,
    further_addresses,
    further_macs,
    network_of,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.ledger import Entry
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.ledger import (
    source as ledger_source,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.move import UnderWay
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.server import ServerSettings
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.disks import FurtherDisk
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.forwards import Forward
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.images import format_of
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.interfaces import (
    FurtherInterface,
    default_group,
)
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.names import (
    in_small_letters,
    login_of,
    vm_name,
)
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.plain.yaml_text import (
    Document,
    load,
)
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.questions import (
    answered_by_collection,
)
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.sizes import Size
from ansible_collections.puffy.vmm.plugins.module_utils._problems import (
    Refused,
    Report,
    shown,
    shown_name,
)

DIRECTORY = "vms"
ORDERS = "orders"
SUFFIX = ".yml"

LONGEST_FILE = 64 * 1024

# Fields that a VM has as its files have them.
_TAKEN = "owner ssh_keys hostname install cdrom boot autostart state install_options".split()
# What the operator's file alone can say.
_OPERATORS = frozenset(field.name for field in FIELDS if not field.customer)
_CUSTOMERS = tuple(field.name for field in FIELDS if field.customer)


@dataclass(frozen=True)
class VmFile:
    """What the files of a VM say: the values of the fields that fit their grammar.

    source is the operator's file; ordered are the fields that the customer's order has. unknown are
    the fields that are there but not usable; any field of the operator's file may be when complete
    is False.
    """

    name: str
    source: str
    values: Mapping[str, Any]
    unknown: frozenset[str] = frozenset()
    complete: bool = True
    ordered: frozenset[str] = frozenset()

    @property
    def server(self) -> str | None:
        server: str | None = self.values.get("server")
        return server

    @property
    def state(self) -> str | None:
        """The state, None when the file has an invalid one."""
        return None if "state" in self.unknown else self.values.get("state", "present")

    @property
    def interfaces(self) -> tuple[FurtherInterface, ...]:
        """The interfaces besides the first."""
        further: tuple[FurtherInterface, ...] = self.values.get("interfaces", ())
        return further

    @property
    def disks(self) -> tuple[FurtherDisk, ...]:
        """The disks besides the first."""
        further: tuple[FurtherDisk, ...] = self.values.get("disks", ())
        return further

    @property
    def forward(self) -> tuple[Forward, ...]:
        """The ports of the server that lead to it."""
        forward: tuple[Forward, ...] = self.values.get("forward", ())
        return forward

    @property
    def install(self) -> str:
        """What makes its system: autoinstall, none or iso."""
        install: str = self.values.get("install", AUTOINSTALL)
        return install

    def knows(self, *fields: str) -> bool:
        """Return whether these fields are either usable or not there at all."""
        return self.complete and not self.unknown.intersection(fields)

    def source_of(self, field: str) -> str:
        """Return the file to change for another value of the field."""
        return order_source(self.name) if field in self.ordered else self.source


@dataclass(frozen=True)
class Vm:
    """A VM with all its values; only the note of its file is left out.

    The first of interfaces has the VM's mac, addresses and group, and ipv6_prefix is routed to its
    ipv6. disk has the system; disks are the further ones. seen says that the fleet directory has
    host keys or a hand-over sheet of the VM, refusal why nothing is done with it, whatever is asked
    for, and moving is its move that is under way.
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
    ipv6_prefix: IPv6Network | None
    network: str
    group: str
    interfaces: tuple[Interface, ...]
    forward: tuple[Forward, ...]
    memory: Size
    disk: Disk
    disks: tuple[Disk, ...]
    detached: tuple[str, ...]
    install: str
    cdrom: str | None
    boot: str | None
    installed: Installed | None
    seen: bool
    refusal: str | None
    moving: UnderWay | None
    autostart: bool
    state: str
    timezone: str
    sets: tuple[str, ...]
    install_options: Mapping[str, str]


def vm_of(file: str) -> str:
    """Return the name of the VM that a file is for.

    A file that is not a VM's by its name gets a name that no VM can have.
    """
    return file.removesuffix(SUFFIX) if file.endswith(SUFFIX) else f"{file}?"


def source(name: str) -> str:
    """Return how problems name the operator's file of a VM."""
    return f"{DIRECTORY}/{shown_name(name)}{SUFFIX}"


def order_source(name: str) -> str:
    """Return how problems name the customer's order of a VM."""
    return f"{ORDERS}/{shown_name(name)}{SUFFIX}"


@dataclass(frozen=True)
class Texts:
    """The texts of a VM's files; None for one that is there and cannot be read."""

    operator: str | None
    order: str | None = ""
    ordered: bool = False


@dataclass(frozen=True)
class Names:
    """The servers that a VM may be on, and groups; no VM can have the name of either."""

    servers: Collection[str]
    groups: Collection[str] = ()

    @cached_property
    def hosts(self) -> frozenset[str]:
        """The servers' names in lower case: DNS does not tell capitals apart."""
        return frozenset(server.lower() for server in self.servers)


def read_vm(name: str, texts: Texts, known: Names, report: Report) -> VmFile:
    """Return what the files of this VM say; the report names what is wrong."""
    own = _read_file(source(name), texts.operator, (), report)
    order = _Part()
    if texts.ordered:
        order = _read_file(order_source(name), texts.order, _OPERATORS, report)
    _check_name(name, known, report)
    for twice in sorted(own.present & order.present):
        report.add(order_source(name), twice, f"is in {source(name)} too; keep one of them")
    values = {**order.values, **own.values}
    unknown = own.unknown | order.unknown
    if own.complete and order.complete:
        present = own.present | order.present | unknown
        for field in FIELDS:
            where = order_source(name) if texts.ordered and field.customer else source(name)
            if field.required and field.name not in present:
                _report_missing(where, field, report)
    if "server" in values and values["server"] not in known.servers:
        text = _unknown_server(values.pop("server"), known.servers)
        report.add(source(name), "server", text)
        unknown |= {"server"}
    _check_questions(source(name), values, report)
    _check_guest(source(name), values, unknown, report)
    ordered = frozenset(order.present - own.present)
    return VmFile(name, source(name), values, frozenset(unknown), own.complete, ordered)


def read_order(where: str, document: Document, report: Report) -> Mapping[str, Any]:
    """Return the values of a customer's order, checked by the customer's grammar alone.

    where is how problems name it.
    """
    part = _read_document(where, document, _OPERATORS, report)
    for field in FIELDS:
        if part.complete and field.customer and field.required and field.name not in part.present:
            _report_missing(where, field, report)
    return part.values


@dataclass(frozen=True)
class _Part:
    """What one file says; present are the fields that it has, whatever their values."""

    values: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    unknown: frozenset[str] = frozenset()
    present: frozenset[str] = frozenset()
    complete: bool = True


def _read_file(where: str, text: str | None, refused: Collection[str], report: Report) -> _Part:
    """Read a file that may have all fields but the refused ones."""
    if text is None:
        return _Part(complete=False)
    return _read_document(where, load(text, where, LONGEST_FILE), refused, report)


def _read_document(
    where: str, document: Document, refused: Collection[str], report: Report
) -> _Part:
    report.extend(document.problems)
    values: dict[str, Any] = {}
    unknown = set(document.spoiled) & BY_NAME.keys()
    for name, value in document.fields.items():
        if name not in BY_NAME:
            report.add(where, _label(name), _unknown_field(name, refused))
        elif name in refused:
            report.add(
                where,
                name,
                f"is not for the customer to say; an order has {', '.join(_CUSTOMERS)}, all else "
                f"is in {DIRECTORY}/",
            )
        elif name not in document.spoiled:
            field = BY_NAME[name]
            parse = (refused and field.order) or field.parse
            parsed = report.attempt(where, name, parse, value)
            if parsed is None:
                unknown.add(name)
                continue
            values[name] = parsed
            for remark in field.remarks(value):
                report.warn(where, name, remark)
    present = frozenset({*document.fields, *unknown}.difference(refused))
    complete = document.complete and "" not in document.spoiled
    return _Part(values, frozenset(unknown), present, complete)


def make_vm(
    file: VmFile,
    server: ServerSettings,
    entry: Entry,
    *,
    seen: bool = False,
    refusal: str | None = None,
    moving: UnderWay | None = None,
) -> Vm:
    """Return the VM of a file without problems and a complete entry of the ledger."""
    values = {field.name: field.default for field in FIELDS} | dict(file.values)
    wishes = Wishes(
        file.name,
        file.source,
        FurtherDisk(_size(values, "disk"), values["disk_format"], values["image"]),
        file.disks,
        entry.installed or entry.made,
        entry.disks,
        server.image_directory,
        server.disk_format,
    )
    if entry.mac is None or entry.ipv4 is None:
        raise ValueError(f"the entry of {file.name} is not complete")
    group = values["group"] or default_group(entry.number)
    network = server.network_of(entry.ipv4) or server.networks[0]
    ipv6 = entry.ipv6 if network.ipv6 else None
    first = Interface(network.switch, entry.mac, group, network.name, entry.ipv4, ipv6)
    return Vm(
        **{name: values[name] for name in _TAKEN},
        name=file.name,
        server=server.name,
        user=values["user"] or _user_of(values["owner"], values["install"]),
        number=entry.number,
        mac=entry.mac,
        ipv4=entry.ipv4,
        ipv6=ipv6,
        ipv6_prefix=network.prefix(entry.number) if ipv6 else None,
        network=network.name,
        group=group,
        interfaces=(first, *_further(values["interfaces"], server, entry)),
        forward=file.forward,
        memory=_size(values, "memory"),
        disk=first_disk(wishes),
        disks=further_disks(wishes),
        detached=detached(wishes),
        installed=entry.installed,
        seen=seen,
        refusal=refusal or disk_refusal(wishes, ledger_source(server.name)),
        moving=moving,
        timezone=values["timezone"] or server.timezone,
        sets=values["sets"] or server.sets,
    )


def _user_of(owner: str, install: str) -> str:
    """Return the first user of a VM that is given none; the installer takes few letters."""
    return login_of(owner) if install == AUTOINSTALL else owner


def size_of(file: VmFile, field: str) -> int | None:
    """Return the bytes of the field memory or disk, None for what is not a valid size."""
    return None if field in file.unknown else _size(file.values, field).bytes


def _further(
    declared: Sequence[FurtherInterface], server: ServerSettings, entry: Entry
) -> Iterator[Interface]:
    networks = server.networks
    ipv4 = further_addresses(declared, networks, "ipv4", entry.other_ipv4)
    ipv6 = further_addresses(declared, networks, "ipv6", entry.other_ipv6)
    macs = further_macs(declared, entry.mac or "")
    for place, interface in enumerate(declared):
        network, group = network_of(interface, networks), interface.group
        if network is None:
            yield Interface(interface.switch, macs[place], group)
            continue
        group = group or default_group(entry.number, place + 1)
        own6 = ipv6[place] if network.ipv6 else None
        yield Interface(interface.switch, macs[place], group, network.name, ipv4[place], own6)


def _size(values: Mapping[str, Any], field: str) -> Size:
    value = values.get(field, BY_NAME[field].default)
    size: Size = value if isinstance(value, Size) else BY_NAME[field].parse(value)
    return size


def _check_name(name: str, known: Names, report: Report) -> None:
    where = source(name)
    if report.attempt(where, "name", lambda _: vm_name(name), name) is None:
        return
    taken = {"server": name.lower() in known.hosts, "group": name in known.groups}
    for kind in (kind for kind, is_taken in taken.items() if is_taken):
        text = f"{shown(name)} is the name of a {kind} in the inventory; rename the file"
        report.add(where, "name", text)


def _check_questions(source: str, values: dict[str, Any], report: Report) -> None:
    """Refuse answers to what the collection answers itself."""
    user = values.get("user") or in_small_letters(values.get("owner", "user"))
    for key in values.get("install_options", {}):
        for question, instead in answered_by_collection(key, user):
            advice = f"use {instead} instead" if instead else "take it out"
            report.add(
                source,
                "install_options",
                f"{shown(key)} would answer {question!r}, which this collection answers itself; "
                f"{advice}",
            )
            break


def _check_guest(
    where: str, values: Mapping[str, Any], unknown: Collection[str], report: Report
) -> None:
    """Report what a guest needs and does not have."""
    present = {*values, *unknown}
    install = "" if "install" in unknown else values.get("install", AUTOINSTALL)
    if install == ISO and "cdrom" not in present:
        _report_missing(where, BY_NAME["cdrom"], report, f", for install: {ISO}")
    image = values.get("image")
    if image and not format_of(image) and "disk_format" not in present:
        text = f"is missing, and the name of {image} does not end with a format; give raw or qcow2"
        report.add(where, "disk_format", text)
    if install == AUTOINSTALL and "owner" in values and "user" not in present:
        try:
            login_of(values["owner"])
        except Refused:
            owner = values["owner"]
            text = f"is missing, and OpenBSD's installer takes no user {owner}; name another one"
            report.add(where, "user", text)


def _label(field: str) -> str:
    return field if field.isidentifier() and field.isascii() else shown(field)


def _unknown_field(field: str, refused: Collection[str]) -> str:
    known = [name for name in BY_NAME if name not in refused]
    near = difflib.get_close_matches(field, known, 1)
    advice = f"is {near[0]} meant?" if near else f"known are {', '.join(known)}"
    return f"is not a field of a VM file; {advice}"


def _unknown_server(name: str, servers: Collection[str]) -> str:
    near = difflib.get_close_matches(name, list(servers), 1)
    advice = f"is {near[0]} meant?" if near else "use the name of one of the inventory's servers"
    return f"{shown(name)} is not a server of the inventory; {advice}"


def _report_missing(where: str, field: Field, report: Report, reason: str = "") -> None:
    example = f", such as {field.example}" if field.example else ""
    about = field.about[0].lower() + field.about[1:]
    report.add(where, field.name, f"is missing{reason}; give {about}{example}")
