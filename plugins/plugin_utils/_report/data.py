# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""From a fleet, and what its servers showed, to the report."""

from __future__ import annotations

import typing as t
from collections import Counter
from datetime import datetime
from pathlib import PurePosixPath

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs import vm as fleet_vm
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.model import Fleet
from ansible_collections.puffy.vmm.plugins.module_utils._problems import shown_text
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.secrets import masked
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.facts import Image
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.measures import Drive
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.table import vm_state
from ansible_collections.puffy.vmm.plugins.plugin_utils._report.addresses import (
    addresses_of,
    networks,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._report.model import (
    ALARMING,
    RUNNING,
    Difference,
    Disk,
    Memory,
    Network,
    Reach,
    Report,
    Server,
    Vm,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.drift import drift

# The result of puffy.vmm.configure with compare and survey; {} where the server was not asked, or
# that of a task that was skipped.
Result = t.Mapping[str, t.Any]


def report(
    fleet: Fleet,
    servers: t.Iterable[str],
    results: t.Mapping[str, Result],
    *,
    at: datetime,
    version: str,
) -> Report:
    """Return the report. `servers` names all of the inventory, `results` has those that were asked.

    Foreign text can be shown after this: no character acts on a terminal or is invisible, and no
    one-time path is in it.
    """
    asked = {
        name: result for name, result in results.items() if result and not result.get("skipped")
    }
    maps = networks(fleet, {name: _survey(asked, name).get("hosts", ()) for name in servers})
    broken = fleet.broken
    vms = tuple(_vm(vm, asked.get(vm.server, {}), broken.get(vm.name, ())) for vm in fleet.vms)
    by_server: dict[str, list[Vm]] = {name: [] for name in sorted(servers)}
    for vm in vms:
        by_server.setdefault(vm.server, []).append(vm)
    rows = drift(asked).rows
    return Report(
        at=at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        version=version,
        live=bool(asked),
        servers=tuple(
            _server(fleet, name, own, asked.get(name, {}), maps) for name, own in by_server.items()
        ),
        networks=maps,
        vms=vms,
        differences=tuple(
            Difference(row.server, row.role, row.kind, _clean(row.what), row.last_applied)
            for row in rows
            if row.kind != "pending restart"
        ),
        problems=tuple(_clean(text) for text in dict.fromkeys(map(str, fleet.problems))),
    )


def _clean(text: object) -> str:
    return masked(shown_text(str(text)))


def _survey(results: t.Mapping[str, Result], name: str) -> t.Mapping[str, t.Any]:
    data: t.Mapping[str, t.Any] = results.get(name, {}).get("survey") or {}
    return data


def _vm(vm: fleet_vm.Vm, result: Result, problems: t.Sequence[str]) -> Vm:
    look: t.Mapping[str, t.Any] | None = (result.get("vms") or {}).get(vm.name)
    shown = vm_state({"installed": vm.installed, "seen": vm.seen}, look) if look else None
    pending = bool(look and look["pending"]) or vm.name in (result.get("pending_restart") or ())
    known = vm.installed is not None or vm.seen
    has_system = look["image"] == Image.DATA if look else known
    return Vm(
        name=vm.name,
        server=vm.server,
        number=vm.number,
        owner=vm.owner,
        hostname=vm.hostname,
        mac=vm.mac,
        ipv4=str(vm.ipv4),
        ipv6=str(vm.ipv6) if vm.ipv6 else None,
        wanted=vm.state,
        shown=shown,
        pending=pending,
        deployed=has_system and vm.state != "archived",
        memory=vm.memory.bytes,
        disk=sum(disk.size.bytes for disk in (vm.disk, *vm.disks)),
        used=look["disk_bytes"] if look else None,
        installed=vm.installed.since if vm.installed else None,
        attention=tuple(_attention(vm, shown, problems)),
    )


def _attention(vm: fleet_vm.Vm, shown: str | None, problems: t.Sequence[str]) -> t.Iterator[str]:
    if shown in ALARMING:
        yield str(shown)
    if vm.state != "present" and shown == RUNNING:
        yield f"runs, and its file says {vm.state}"
    if vm.refusal:
        yield _clean(vm.refusal)
    yield from map(_clean, problems)


def _server(
    fleet: Fleet, name: str, vms: t.Sequence[Vm], result: Result, maps: t.Sequence[Network]
) -> Server:
    settings = fleet.servers.get(name)
    survey: t.Mapping[str, t.Any] = result.get("survey") or {}
    reach, message = _reach(result)
    present = [vm for vm in vms if vm.wanted == "present"]
    counts = Counter(
        total=len(vms),
        deployed=sum(vm.deployed for vm in vms),
        running=sum(vm.shown == RUNNING for vm in vms),
        pending=sum(vm.pending for vm in vms),
    )
    return Server(
        name=name,
        reach=reach,
        message=message,
        usable=settings is not None,
        preset=settings.preset if settings else None,
        release=survey.get("release") and _clean(survey["release"]),
        kernel=survey.get("kernel") and _clean(survey["kernel"]),
        processors=survey.get("processors"),
        load=survey.get("load"),
        applied=result.get("last_applied"),
        vms=dict(counts),
        memory=Memory(
            promised=sum(vm.memory for vm in present),
            running=sum(vm.memory for vm in vms if vm.shown == RUNNING) if survey else None,
            total=survey.get("memory"),
            limit=settings.memory_limit if settings else None,
        ),
        disks=_disks(fleet, name, vms, survey),
        addresses=addresses_of(settings, maps) if settings else None,
        drives=tuple(
            Drive(*(_clean(drive[part]) for part in ("name", "value", "status")))
            for drive in survey.get("drives", ())
        ),
        strangers=tuple(map(_clean, survey.get("strangers", ()))),
    )


def _reach(result: Result) -> tuple[Reach, str]:
    if not result:
        return Reach.NOT_ASKED, ""
    message = _clean(result.get("msg") or "").strip().removeprefix("Task failed: ")
    if result.get("unreachable"):
        return Reach.UNREACHABLE, message
    return (Reach.REACHED, "") if "survey" in result else (Reach.FAILED, message)


def _disks(
    fleet: Fleet, server: str, vms: t.Sequence[Vm], survey: t.Mapping[str, t.Any]
) -> tuple[Disk, ...]:
    """Return the directories of images: those of VMs, and that of the server's settings."""
    settings = fleet.servers.get(server)
    where = {vm.name: str(PurePosixPath(vm.disk.image).parent) for vm in fleet.vms_of(server)}
    own = [settings.image_directory] if settings else []
    systems = {system["directory"]: system for system in survey.get("file_systems", ())}
    disks = []
    for directory in sorted({*where.values(), *own}):
        here = [vm for vm in vms if where[vm.name] == directory]
        system = systems.get(directory, {})
        disks.append(
            Disk(
                directory,
                promised=sum(vm.disk for vm in here),
                images=sum(vm.used or 0 for vm in here) if survey else None,
                **{part: system.get(part) for part in ("size", "used", "free")},
            )
        )
    return tuple(disks)
