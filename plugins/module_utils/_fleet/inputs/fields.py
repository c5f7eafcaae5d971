# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The fields of a VM: the one table of what is allowed, and of what a customer may say.

The JSON Schemas for editors and web forms are made from it. Where a schema cannot say all of a
grammar it says what is necessary, and parse decides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from ansible_collections.puffy.vmm.plugins.module_utils._grammar import (
    addresses,
    disks,
    forwards,
    images,
    interfaces,
    names,
    questions,
    ssh_keys,
)
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.address_plan import HIGHEST_NUMBER
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.further import MOST_FURTHER
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.plain.values import (
    as_text,
    as_written,
    boolean,
    choice,
    mapping,
    part,
    sequence,
    whole_number,
)
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.server import kernel
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.sizes import (
    DISK,
    MEMORY,
    Size,
    SizeGrammar,
)
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.timezones import TIMEZONES
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Refused, shown

AUTOINSTALL, NONE, ISO = "autoinstall", "none", "iso"
INSTALL = (AUTOINSTALL, NONE, ISO)
STATES = ("present", "suspended", "archived")

Schema = Mapping[str, Any]


@dataclass(frozen=True)
class Field:
    """A field: how it is read, what a schema can say of it, and what it is for.

    parse takes what the file has, or what the inventory has, and raises Refused. remarks takes the
    same and yields what is left out of it. customer is set for what a customer's order may have;
    order and order_schema are set where an order may have less than an operator's file.
    """

    name: str
    about: str
    parse: Callable[[object], Any]
    schema: Schema
    required: bool = False
    default: Any = None
    example: Any = None
    customer: bool = False
    order: Callable[[object], Any] | None = None
    order_schema: Schema | None = None
    remarks: Callable[[Any], Iterable[str]] = lambda _value: ()


def _install_options(value: object) -> Mapping[str, str]:
    options = mapping(value, "questions and answers, as in {Question: answer}")
    return MappingProxyType(
        {
            questions.check_question(question): part(question, options, questions.check_answer)
            for question in options
        }
    )


def _ssh_key(value: object) -> str:
    """Return a key that an answer of the response file can hold, without its comment if need be."""
    key = ssh_keys.parse_ssh_key(as_text(value))
    line = str(key)
    if len(line) > questions.LONGEST_ANSWER:
        line = str(replace(key, comment=""))
    if len(line) > questions.LONGEST_ANSWER:
        raise Refused(
            f"is {len(line)} characters long, and the installer is given up to "
            f"{questions.LONGEST_ANSWER}; use an RSA key of up to 4096 bits, or better an ed25519 "
            f"key"
        )
    return line


def _comments(value: list[object]) -> Iterator[str]:
    """Yield why comments of keys are left out."""
    for position, item in enumerate(value, start=1):
        key = ssh_keys.parse_ssh_key(as_text(item))
        if key.left_out:
            yield f"item {position}: {key.left_out}"
        elif len(str(key)) > questions.LONGEST_ANSWER:
            yield f"item {position}: the comment {shown(key.comment)} is left out, for its length"


def _text(pattern: str, refused: Iterable[str] = ()) -> Schema:
    words = {"not": {"enum": sorted(refused)}} if refused else {}
    return {"type": "string", "pattern": f"^(?:{pattern})$", **words}


def _number(highest: int) -> Schema:
    return {"type": "integer", "minimum": 1, "maximum": highest}


def _words(pattern: str) -> Schema:
    return {"type": "array", "items": _text(pattern), "minItems": 1, "uniqueItems": True}


def _records(most: int, required: str, properties: Schema) -> Schema:
    items = {
        "type": "object",
        "properties": properties,
        "required": [required],
        "additionalProperties": False,
    }
    return {"type": "array", "items": items, "maxItems": most}


def _size(grammar: SizeGrammar) -> Callable[[object], Size]:
    return lambda value: grammar.parse(as_text(value))


_GROUP = _text(interfaces.GROUP_PATTERN, interfaces.REFUSED_GROUPS)
_IPV4: Schema = {"type": "string", "format": "ipv4"}
_IPV6: Schema = {"type": "string", "format": "ipv6"}
_PORT = _number(forwards.HIGHEST_PORT)
_IMAGE_FORMAT: Schema = {"enum": list(images.DISK_FORMATS)}


FIELDS: tuple[Field, ...] = (
    Field(
        "server",
        "The server that the VM is on: its name in the inventory",
        as_text,
        {"type": "string"},
        required=True,
        example="server6",
    ),
    Field(
        "owner",
        "The account on the server that may start, stop and reach the console of the VM",
        names.owner,
        _text(names.OWNER_PATTERN, names.REFUSED_ACCOUNTS),
        required=True,
        example="puffy",
        customer=True,
        order=names.ordered_owner,
        order_schema=_text(names.ORDERED_OWNER_PATTERN, names.REFUSED_ACCOUNTS),
    ),
    Field(
        "ssh_keys",
        "Public SSH keys of the owner, each a line of authorized_keys(5) without options",
        lambda value: sequence(value, _ssh_key, "public SSH keys"),
        _words(ssh_keys.PATTERN),
        required=True,
        customer=True,
        remarks=_comments,
    ),
    Field(
        "hostname",
        "The host name that the VM gives itself",
        names.hostname,
        _text(names.HOSTNAME_PATTERN),
        required=True,
        example="web1.example.org",
        customer=True,
    ),
    Field(
        "user",
        "The first user in the VM; by default the owner's name, in lower case and with _ for a dot",
        names.account,
        _text(names.ACCOUNT_PATTERN, names.REFUSED_ACCOUNTS),
        example="puffy",
        customer=True,
    ),
    Field(
        "number",
        "The number of the VM on its server; the ledger hands one out by default",
        lambda value: whole_number(value, 1, HIGHEST_NUMBER),
        _number(HIGHEST_NUMBER),
        example=7,
    ),
    Field(
        "mac",
        "The MAC address; from the server's prefix and the number by default",
        addresses.mac,
        _text(addresses.MAC_PATTERN),
        example="fe:e1:bb:d1:c8:07",
    ),
    Field(
        "ipv4",
        "The IPv4 address; from the server's range and the number by default",
        addresses.ipv4,
        _IPV4,
        example="203.0.113.16",
    ),
    Field(
        "ipv6",
        "The IPv6 address; from the server's network and the number by default",
        addresses.ipv6,
        _IPV6,
        example="2001:db8:6::7",
    ),
    Field(
        "network",
        "The server's network that the first interface is in; the first of vmm_networks that has "
        "room by default",
        interfaces.network_name,
        _text(interfaces.NETWORK_NAME_PATTERN),
        example="lan",
    ),
    Field(
        "group",
        "Interface group of the VM's tap(4), for pf(4); vm7nic by default, with the VM's number",
        interfaces.group,
        _GROUP,
        example="customer-web",
    ),
    Field(
        "interfaces",
        "Further network interfaces, each on a switch of the server. A MAC is derived from the "
        "VM's own by default. One with a network has an address of it, and rules of pf(4); the "
        "ledger hands the address out unless it is given here",
        interfaces.further_interfaces,
        _records(
            MOST_FURTHER,
            "switch",
            {
                "switch": _text(interfaces.SWITCH_NAME_PATTERN),
                "mac": _text(addresses.MAC_PATTERN),
                "group": _GROUP,
                "network": _text(interfaces.NETWORK_NAME_PATTERN),
                "ipv4": _IPV4,
                "ipv6": _IPV6,
            },
        ),
        default=(),
        example=[{"switch": "backup"}],
    ),
    Field(
        "forward",
        "Ports of the server's own address that lead to the VM, with the preset nat: one port or a "
        "range, of tcp by default, to the same port of the VM by default",
        forwards.forwards,
        _records(
            forwards.MOST_FORWARDS,
            "port",
            {
                "port": {"anyOf": [_PORT, _text(forwards.PORTS_PATTERN)]},
                "protocol": {"enum": list(forwards.PROTOCOLS)},
                "to": _PORT,
            },
        ),
        default=(),
        example=[{"port": 2201, "to": 22}, {"protocol": "udp", "port": "8000-8010"}],
    ),
    Field("memory", "Memory", _size(MEMORY), _text(MEMORY.pattern), default="1G", customer=True),
    Field(
        "disk",
        "Size of the first disk",
        _size(DISK),
        _text(DISK.pattern),
        default="50G",
        customer=True,
    ),
    Field(
        "disk_format",
        "Format of the disk's image; qcow2 by default, raw with the preset bridge",
        lambda value: choice(value, images.DISK_FORMATS),
        _IMAGE_FORMAT,
    ),
    Field(
        "image",
        "Path of the disk's image; NAME.qcow2 or NAME.img in vmm_image_directory by default",
        images.image,
        _text(images.PATH),
        example="/home/vms/web1.img",
    ),
    Field(
        "disks",
        "Further disks. One that is missing is made once, and never changed afterwards; NAME.disk2 "
        "in vmm_image_directory is the first of them by default",
        disks.further_disks,
        _records(
            MOST_FURTHER,
            "size",
            {
                "size": _text(DISK.pattern),
                "format": _IMAGE_FORMAT,
                "image": _text(images.PATH),
            },
        ),
        default=(),
        example=[{"size": "100G"}],
    ),
    Field(
        "install",
        "What makes the VM's system: autoinstall, OpenBSD's installer, without anybody; none, an "
        "image that was brought along; iso, somebody at the console, from the cdrom, until "
        "verb=installed says that it was done",
        lambda value: choice(value, INSTALL),
        {"enum": list(INSTALL)},
        default=AUTOINSTALL,
    ),
    Field(
        "cdrom",
        "The image of a CD on the server, which the VM has as long as this field names it",
        images.file,
        _text(images.PATH),
        example="/home/iso/alpine.iso",
    ),
    Field(
        "boot",
        "A kernel on the server that the VM boots, in the place of what is on its disk",
        kernel,
        _text(images.PATH),
        example="/home/kernels/bsd.gdb",
    ),
    Field(
        "autostart",
        "Whether the VM is started when the server boots",
        boolean,
        {"type": "boolean"},
        default=True,
    ),
    Field(
        "state",
        "present; suspended: stopped, and the owner cannot start it; archived: out of all "
        "configuration, image and ledger entry kept",
        lambda value: choice(value, STATES),
        {"enum": list(STATES)},
        default="present",
    ),
    Field(
        "timezone",
        "A name of the IANA time zone database; the server's by default",
        names.timezone,
        {"enum": sorted(TIMEZONES)},
        example="Europe/Amsterdam",
        customer=True,
    ),
    Field(
        "sets",
        "Patterns of sets to install (+) or leave out (-), in order; the server's by default",
        names.set_patterns,
        _words(names.SET_PATTERN),
        example=["-x*", "+site*"],
        customer=True,
    ),
    Field(
        "install_options",
        "Further questions of the installer, each with its answer",
        _install_options,
        {
            "type": "object",
            "propertyNames": _text(questions.QUESTION_PATTERN),
            # A reader of YAML 1.1 takes the answers yes and 115200 for something else than text.
            "additionalProperties": {
                **_text(questions.ANSWER_PATTERN),
                "type": ["string", "boolean", "integer"],
            },
        },
        default=MappingProxyType({}),
    ),
    Field(
        "note",
        "Free text, never written to a server",
        as_written,
        {"type": "string"},
        default="",
        customer=True,
    ),
)

BY_NAME: Mapping[str, Field] = {field.name: field for field in FIELDS}
