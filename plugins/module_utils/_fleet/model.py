# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The fleet model: VM files, ledgers and server variables in; a checked fleet out."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.allocation import allocate
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.capacity import check_capacity
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.claims import IMAGE, Claim, Claims
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.fields import BY_NAME
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.interface_checks import (
    check_interfaces,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.ledger import (
    SUFFIX,
    Entry,
    Ledger,
    read_ledger,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.moves import moved, with_records
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.server import (
    PREFIX,
    ServerSettings,
    read_server,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.variables import (
    SERVER_VARIABLES,
    archived,
    configured,
    describe_server,
    describe_vm,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.vm import Vm, make_vm, read_vm
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Report

# Names with the prefix of server variables that a server may have and that are none.
_FOREIGN = frozenset({f"{PREFIX}{field}" for field in BY_NAME} | {*SERVER_VARIABLES, "vmm_image"})


@dataclass(frozen=True)
class Inputs:
    """What an operator wrote, as text and plain data.

    vms and ledgers map the names of files ("web1.yml") to their text, servers the names of servers
    to their vmm_* variables; groups are the names of the inventory's groups. today (UTC) ends
    quarantines; without it none ends. seen are the names of VMs of which the fleet directory has
    host keys or a hand-over sheet.
    """

    vms: Mapping[str, str]
    ledgers: Mapping[str, str]
    servers: Mapping[str, Mapping[str, object]]
    groups: Collection[str] = ()
    today: date = date.min
    seen: Collection[str] = ()


@dataclass(frozen=True)
class Fleet:
    """All servers, all VMs in the order of server and number, and the ledgers as they should be.

    There is a ledger for each file that there was and for each server with VMs.
    """

    servers: Mapping[str, ServerSettings]
    vms: tuple[Vm, ...]
    ledgers: Mapping[str, Ledger]


def build_fleet(inputs: Inputs) -> Fleet:
    """Return the fleet, with a number, a MAC and addresses for every VM.

    Raises Problems with all problems of all files.
    """
    report = Report()
    servers = {
        name: settings
        for name, variables in sorted(inputs.servers.items())
        if (settings := read_server(name, variables, _FOREIGN, report))
    }
    groups = frozenset(inputs.groups)
    files = [
        read_vm(file, text, inputs.servers.keys(), groups, report)
        for file, text in sorted(inputs.vms.items())
    ]
    ledgers = {
        file.removesuffix(SUFFIX): read_ledger(file, text, report)
        for file, text in sorted(inputs.ledgers.items())
    }
    known = {
        name: _released(ledger, servers.get(name), inputs.today)
        for name, ledger in ledgers.items()
        if ledger is not None
    }
    usable = {
        name: settings for name, settings in servers.items() if name in known or name not in ledgers
    }
    moves = moved(files, known, usable, report)
    files = [moves[file.name].file if file.name in moves else file for file in files]
    entries = allocate(usable, files, known, report)
    for name, settings in servers.items():
        own = [file for file in files if file.server == name]
        check_capacity(settings, own, report)
        check_interfaces(settings, own, report)
    report.raise_problems()
    entries = with_records(entries, files, known)
    vms = [
        make_vm(
            file,
            servers[file.server or ""],
            entries[file.name],
            seen=file.name in inputs.seen,
            refusal=moves[file.name].refusal if file.name in moves else None,
        )
        for file in files
    ]
    Claims().add_all(_images(vms), report)
    report.raise_problems()
    in_order = sorted(vms, key=lambda vm: (vm.server, vm.number))
    return Fleet(servers, tuple(in_order), _new_ledgers(known, vms, entries))


def server_variables(fleet: Fleet, server: str) -> dict[str, Any]:
    """Return vmm_host, vmm_vms, vmm_archived and vmm_owners of a server, as plain data."""
    vms = fleet.vms
    return describe_server(fleet.servers[server], configured(vms, server), archived(vms, server))


def vm_variables(fleet: Fleet, vm: Vm) -> dict[str, Any]:
    """Return the variables of a VM as an inventory host, as plain data."""
    return describe_vm(vm)


def _images(vms: Sequence[Vm]) -> Iterator[Claim]:
    for vm in vms:
        yield Claim(IMAGE, vm.image_path, vm.name, vm.server, f"vms/{vm.name}.yml", "disk_format")


def _released(ledger: Ledger, server: ServerSettings | None, today: date) -> Ledger:
    """Return the ledger without what has been in quarantine for long enough."""
    if server is None:
        return ledger
    days = server.quarantine_days
    left = tuple(one for one in ledger.quarantine if not one.is_over(days, today))
    return replace(ledger, quarantine=left)


def _new_ledgers(
    ledgers: Mapping[str, Ledger], vms: Sequence[Vm], entries: Mapping[str, Entry]
) -> dict[str, Ledger]:
    """Return the old ledgers with the entries of all VMs; no entry is ever dropped here."""
    content = {name: dict(ledger.entries) for name, ledger in ledgers.items()}
    quarantine = {name: ledger.quarantine for name, ledger in ledgers.items()}
    for vm in vms:
        content.setdefault(vm.server, {})[vm.name] = entries[vm.name]
    return {name: Ledger(name, content[name], quarantine.get(name, ())) for name in sorted(content)}
