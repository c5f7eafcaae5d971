# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The files of VMs as they were when they had no problems.

A VM whose file has a problem stays as it was: its definition on the server, its address and its
owner's account depend on it. So the fleet directory has a copy of the files of all VMs, a JSON
file for each server with a line for each VM, which is written with the ledgers and read only when
something is wrong.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.checks.claims import (
    GROUP,
    IMAGE,
    IPV4,
    IPV6,
    LABEL,
    MAC,
    NUMBER,
    PORT,
    Claim,
    Claims,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.checks.forwards import (
    check_forwards,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.checks.interfaces import (
    check_interfaces,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.checks.owners import key_digests
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.ledger import Ledger
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.server import ServerSettings
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.vm import (
    DIRECTORY,
    ORDERS,
    Names,
    Texts,
    Vm,
    VmFile,
    make_vm,
    read_vm,
)
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.images import stem
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.names import host_label
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Report

Copy = Mapping[str, str]


def read_copies(text: str) -> dict[str, Copy]:
    """Return the copies of a server's VM files by the name of the VM; none of a damaged file."""
    try:
        content = json.loads(text)
    except ValueError:
        return {}
    return {
        str(name): copy
        for name, copy in (content.items() if isinstance(content, dict) else ())
        if isinstance(copy, dict) and all(isinstance(value, str) for value in copy.values())
    }


def render_copies(copies: Mapping[str, Copy]) -> str:
    """Return the text of a server's file, a line for each VM."""
    lines = [f"  {json.dumps(name)}: {json.dumps(copies[name])}" for name in sorted(copies)]
    return "{\n" + ",\n".join(lines) + "\n}\n" if lines else "{}\n"


def copy_of(texts: Texts) -> Copy:
    """Return the copy of files that have no problems."""
    copy = {DIRECTORY: texts.operator or ""}
    return {**copy, ORDERS: texts.order or ""} if texts.ordered else copy


def texts_of(copy: Copy) -> Texts:
    """Return what copy_of() was made from."""
    return Texts(copy.get(DIRECTORY), copy.get(ORDERS, ""), ORDERS in copy)


def earlier_vm(
    name: str,
    copy: Copy,
    server: ServerSettings,
    ledger: Ledger,
    known: Names,
    *,
    seen: bool,
) -> Vm | None:
    """Return the VM as it was by this copy and the ledger, None if that is no longer valid."""
    report = Report()
    entry = ledger.entries.get(name)
    file = read_vm(name, texts_of(copy), known, report)
    check_interfaces(server, [file], (), report)
    check_forwards(server, [file], (), report)
    if report.problems or file.server != server.name or not (entry and entry.mac and entry.ipv4):
        return None
    vm = make_vm(file, server, entry, seen=seen)
    # An interface in a network whose address only the ledger had may have lost it.
    return vm if all(nic.ipv4 or not nic.network for nic in vm.interfaces) else None


def owners_of(
    names: Collection[str], copies: Mapping[str, Copy], server: str
) -> dict[str, frozenset[str]]:
    """Return the owners that these VMs had by their copies, with the digests of the keys."""
    owners: dict[str, frozenset[str]] = {}
    for name in sorted(copies.keys() & names):
        values = read_vm(name, texts_of(copies[name]), Names({server}), Report()).values
        if values.keys() >= {"owner", "ssh_keys"}:
            owners[values["owner"]] = key_digests(values["ssh_keys"])
    return owners


def clashing(vms: Sequence[Vm], earlier: Sequence[Vm]) -> frozenset[str]:
    """Return those of the earlier VMs that share something with another VM."""
    claims = Claims()
    for vm in vms:
        claims.add_all(_claims(vm, kept=True), Report())
    names: set[str] = set()
    for vm in earlier:
        names |= claims.add_all(_claims(vm, kept=False), Report())
    return frozenset(names)


def _claims(vm: Vm, *, kept: bool) -> list[Claim]:
    values: list[tuple[str, object]] = [(NUMBER, vm.number)]
    values += [(GROUP, nic.group) for nic in vm.interfaces if nic.network]
    values += [(LABEL, host_label(vm.name))]
    values += [(IMAGE, stem(disk.image)) for disk in (vm.disk, *vm.disks)]
    for interface in vm.interfaces:
        values += [(MAC, interface.mac), (IPV4, interface.ipv4), (IPV6, interface.ipv6)]
    values += [(PORT, port) for forward in vm.forward for port in forward.each]
    return [
        Claim(kind, value, vm.name, vm.server, "", "", kept=kept)
        for kind, value in values
        if value is not None
    ]


def candidates(file: VmFile, known: Mapping[str, Collection[str]]) -> list[str]:
    """Return the servers that a VM may be on by the ledgers: only its own if that has a line."""
    own = file.server or ""
    if file.name in known.get(own, ()):
        return [own]
    return sorted(server for server, names in known.items() if file.name in names)
