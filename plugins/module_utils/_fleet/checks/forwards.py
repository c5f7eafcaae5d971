# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Whether the ports of a server that lead to its VMs are free, and lead to one VM each."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.checks.claims import (
    PORT,
    Claim,
    Claims,
    oldest_first,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.presets import NAT
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.server import ServerSettings
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.vm import VmFile
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Report


def check_forwards(
    server: ServerSettings, files: Sequence[VmFile], known: Collection[str], report: Report
) -> None:
    """Report ports that the server uses itself, that lead to two VMs, or of servers without NAT.

    files are those of its VMs, known the names of VMs that were there before.
    """
    for file in files:
        part = report.about(vms=[file.name])
        if file.forward and server.preset != NAT:
            part.add(
                file.source,
                "forward",
                f"is for servers with vmm_preset: {NAT}, and {server.name} has {server.preset}; "
                f"take it out",
            )
        for forward in file.forward:
            for own in filter(forward.ports.overlaps, server.reserved_ports):
                part.add(
                    file.source,
                    "forward",
                    f"{forward}: {own} is a port of {server.name} itself, by vmm_reserved_ports; "
                    f"use another",
                )
    claims = Claims()
    claims.add_all(_ports(claims, server.name, files, known), report)


def _ports(
    claims: Claims, server: str, files: Sequence[VmFile], known: Collection[str]
) -> Iterator[Claim]:
    for file in oldest_first(files, known):
        kept = file.name in known
        for forward in file.forward:
            for port in forward.each:
                holder = claims.holder(PORT, server, port)
                yield Claim(PORT, port, file.name, server, file.source, "forward", kept)
                if holder and holder.vm != file.name:
                    # The first port of a range that is another VM's says enough.
                    break
