# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Whether the interfaces of a server's VMs are on its switches, and in groups of their own."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.checks.claims import (
    GROUP,
    Claim,
    Claims,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.server import ServerSettings
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.vm import VmFile
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Report, shown


def check_interfaces(
    server: ServerSettings, files: Sequence[VmFile], known: Collection[str], report: Report
) -> None:
    """Report switches that a server has not, and groups that are another VM's.

    files are those of its VMs, known the names of VMs that were there before. pf(4) binds the
    addresses of a VM to the group of its first interface, so no other interface may be in it. A
    group that is not given is never one that is.
    """
    claims = Claims()
    claims.add_all(_groups(files, server.name, known), report)
    names = [switch.name for switch in server.switches]
    for file in files:
        for interface in file.interfaces:
            if interface.switch not in names:
                report.about(vms=[file.name]).add(
                    file.source,
                    "interfaces",
                    f"{shown(interface.switch)} is not a switch of {server.name}; use one of "
                    f"{', '.join(names)}, or add it to vmm_switches",
                )
            holder = claims.holder(GROUP, server.name, interface.group)
            if holder is not None:
                report.about(vms=[file.name]).add(
                    file.source,
                    "interfaces",
                    f"{interface.group} is the group of {holder.vm}'s first interface; use another",
                )


def _groups(files: Sequence[VmFile], server: str, known: Collection[str]) -> Iterator[Claim]:
    for file in sorted(files, key=lambda file: (file.name not in known, file.name)):
        if "group" in file.values:
            group, old = file.values["group"], file.name in known
            yield Claim(GROUP, group, file.name, server, file.source, "group", kept=old)
