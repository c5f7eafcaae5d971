# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Whether a server can hold what a plan gives it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ansible_collections.puffy.vmm.plugins.module_utils._problems import Report
from ansible_collections.puffy.vmm.plugins.module_utils._server import MOST_VMS, ServerSettings
from ansible_collections.puffy.vmm.plugins.module_utils._sizes import scaled
from ansible_collections.puffy.vmm.plugins.module_utils._vm import VmFile, size_of


def check_capacity(server: ServerSettings, files: Sequence[VmFile], report: Report) -> None:
    """Report what is too much for a server; files are those of its VMs.

    Memory is needed by VMs that are present; a disk's image is there in every state.
    """
    present = [file for file in files if file.state == "present"]
    configured = [file for file in files if file.state in ("present", "suspended")]
    if len(present) > MOST_VMS:
        report.add(
            server.name,
            "",
            f"has {len(present)} present VMs; vmd(8) runs {MOST_VMS} at most, move some to another "
            f"server",
        )
    if server.tap_count is not None and server.tap_count < len(configured):
        report.add(
            server.name,
            "vmm_tap_count",
            f"{server.tap_count} is too low for {len(configured)} VMs; raise it, or take it out",
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
