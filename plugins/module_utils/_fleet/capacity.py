# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Whether a server can hold what a plan gives it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.server import (
    MOST_TAPS,
    ServerSettings,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.vm import VmFile, size_of
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.sizes import scaled
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Report


def check_capacity(server: ServerSettings, files: Sequence[VmFile], report: Report) -> None:
    """Report what is too much for a server; files are those of its VMs.

    Memory is needed by VMs that are present; a disk's image is there in every state.
    """
    present = [file for file in files if file.state == "present"]
    configured = [file for file in files if file.state in ("present", "suspended")]
    taps = _interfaces(present)
    if taps > MOST_TAPS:
        report.add(
            server.name,
            "",
            f"has {taps} interfaces of {len(present)} present VMs; vmd(8) uses {MOST_TAPS} tap(4) "
            f"at most, move some to another server",
        )
    taps = _interfaces(configured)
    if server.tap_count is not None and server.tap_count < taps:
        report.add(
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
            report.add(
                server.name,
                variable,
                f"{scaled(limit)} is exceeded: {len(counted)} VMs have {scaled(total)} of {field}, "
                f"{scaled(total - limit)} too much; move VMs to another server, or raise it",
            )


def _total(files: Iterable[VmFile], field: str) -> int:
    return sum(size_of(file, field) or 0 for file in files)


def _interfaces(files: Sequence[VmFile]) -> int:
    return sum(1 + len(file.interfaces) for file in files)
