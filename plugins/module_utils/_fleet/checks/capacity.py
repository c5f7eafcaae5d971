# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Whether a server can hold what a plan gives it, and a VM what it is given."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.fields import AUTOINSTALL
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.server import (
    MOST_RUNNING,
    MOST_TAPS,
    ServerSettings,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.vm import VmFile, size_of
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.sizes import MEBI, scaled
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Report

# What OpenBSD's installer needs, with its own layout: prefetcharea_fs_list() of install.sub wants
# more than 2 GiB free in /usr, which disklabel(8) makes large enough from 3632 MiB on (alloc_medium
# of sbin/disklabel/editor.c; newfs(8) takes 8% of it). 3 GB did not suffice.
SMALLEST_INSTALLATION = 3700 * MEBI


def check_sizes(
    server: ServerSettings, files: Sequence[VmFile], known: Collection[str], report: Report
) -> None:
    """Report what is too much for one VM, and disks of new VMs that are too small.

    files are those of a server's VMs, known the names of VMs that were there before.
    """
    for file in files:
        for field, variable, limit in (
            ("memory", "vmm_vm_memory_limit", server.vm_memory_limit),
            ("disk", "vmm_vm_disk_limit", server.vm_disk_limit),
        ):
            size = _amount(file, field)
            if size is not None and size > limit:
                report.about(vms=[file.name]).add(
                    file.source_of(field),
                    field,
                    f"{scaled(size)} is more than one VM may have on {server.name}: "
                    f"{scaled(limit)}; use less, or raise {variable}",
                )
        disk = size_of(file, "disk")
        new = file.name not in known and file.state == "present" and file.install == AUTOINSTALL
        if new and disk is not None and disk < SMALLEST_INSTALLATION:
            report.about(vms=[file.name]).add(
                file.source_of("disk"),
                "disk",
                f"{scaled(disk)} is too small for OpenBSD's installer, which needs "
                f"{scaled(SMALLEST_INSTALLATION)} to have room for the sets; use 8G or more",
            )


def check_capacity(
    server: ServerSettings, files: Sequence[VmFile], known: Collection[str], report: Report
) -> None:
    """Report what is too much for a server; files are those of its VMs.

    VMs need memory while they are present; their disks' images exist in every state. When it is too
    much, new VMs wait; where no VM is new, the problem is the server's. More VMs than vmd(8) can
    start are left as they are, as long as none is new.
    """

    def about(counted: Sequence[VmFile]) -> Report:
        new = [file.name for file in counted if file.name not in known]
        return report.about(vms=new) if new else report.about(server=server.name)

    present = [file for file in files if file.state == "present"]
    new = [file.name for file in present if file.name not in known]
    if new and len(present) > MOST_RUNNING:
        report.about(vms=new).add(
            server.name,
            "",
            f"has {len(present)} present VMs, and vmd(8) may be unable to start more than "
            f"{MOST_RUNNING}; put the new ones on another server",
        )
    configured = [file for file in files if file.state in ("present", "suspended")]
    taps = _interfaces(present)
    if taps > MOST_TAPS:
        about(present).add(
            server.name,
            "",
            f"has {taps} interfaces of {len(present)} present VMs; vmd(8) uses at most {MOST_TAPS} "
            f"tap(4), so move some to another server",
        )
    taps = _interfaces(configured)
    if server.tap_count is not None and server.tap_count < taps:
        about(configured).add(
            server.name,
            "vmm_tap_count",
            f"{server.tap_count} is too low for {taps} interfaces of {len(configured)} VMs; raise "
            f"it, or take it out",
        )
    for variable, limit, field, counted in (
        ("vmm_memory_limit", server.memory_limit, "memory", present),
        ("vmm_disk_limit", server.disk_limit, "disk", files),
    ):
        total = _total(counted, field)
        if limit is not None and total > limit:
            about(counted).add(
                server.name,
                variable,
                f"{scaled(limit)} is exceeded: {len(counted)} VMs have {scaled(total)} of {field}, "
                f"{scaled(total - limit)} too much; move VMs to another server, or raise it",
            )


def _total(files: Iterable[VmFile], field: str) -> int:
    return sum(_amount(file, field) or 0 for file in files)


def _amount(file: VmFile, field: str) -> int | None:
    """Return the bytes of memory, or of all disks; None for what is not a valid size."""
    size = size_of(file, field)
    if size is None or field != "disk":
        return size
    return size + sum(disk.size.bytes for disk in file.disks)


def _interfaces(files: Sequence[VmFile]) -> int:
    return sum(1 + len(file.interfaces) for file in files)
