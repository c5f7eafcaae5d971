# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Which servers' new VMs could get what a file gives that nobody can read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.checks.claims import (
    IPV4,
    IPV6,
    MAC,
    NUMBER,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.ledger import Ledger
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.ledger import (
    source as ledger_source,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.networks import overlapping
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.server import ServerSettings
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.vm import VmFile


def unread(
    files: Sequence[VmFile],
    ledgers: Mapping[str, Ledger | None],
    servers: Mapping[str, ServerSettings],
) -> dict[str, frozenset[str] | None]:
    """Return the files that might hold unknown values, each with the servers that it concerns.

    None stands for all servers. A customer's order holds no such values.
    """
    sources = {file.source: file.server or "" for file in files if _hides(file)}
    sources |= {ledger_source(name): name for name, ledger in ledgers.items() if ledger is None}
    return {
        source: frozenset(near(servers[server], servers)) if server in servers else None
        for source, server in sources.items()
    }


def _hides(file: VmFile) -> bool:
    if not file.knows(NUMBER, MAC, IPV4, IPV6, "network", "interfaces"):
        return True
    return file.server is None and NUMBER in file.values


def near(server: ServerSettings, servers: Mapping[str, ServerSettings]) -> Iterator[str]:
    """Yield the server, and those that have addresses or MACs in common with it."""
    for name, other in servers.items():
        shorter, longer = sorted((server.mac.prefix, other.mac.prefix), key=len)
        if longer.startswith(shorter) or any(
            map(any, map(overlapping, product(server.networks, other.networks)))
        ):
            yield name
