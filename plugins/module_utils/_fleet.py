# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The fleet model: VM files, ledgers and server variables in; a checked fleet out."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.puffy.vmm.plugins.module_utils._ledger import Ledger
from ansible_collections.puffy.vmm.plugins.module_utils._server import ServerSettings
from ansible_collections.puffy.vmm.plugins.module_utils._vm import Vm


@dataclass(frozen=True)
class Inputs:
    """What an operator wrote, as text and plain data.

    vms and ledgers map the names of files ("web1.yml") to their text, servers the names of servers
    to their vmm_* variables; groups are the names of the inventory's groups.
    """

    vms: Mapping[str, str]
    ledgers: Mapping[str, str]
    servers: Mapping[str, Mapping[str, object]]
    groups: Collection[str] = ()


@dataclass(frozen=True)
class Fleet:
    """All servers, all VMs in the order of server and number, and the ledgers as they should be."""

    servers: Mapping[str, ServerSettings]
    vms: tuple[Vm, ...]
    ledgers: Mapping[str, Ledger]


def build_fleet(inputs: Inputs) -> Fleet:
    """Return the fleet, with a number, a MAC and addresses for every VM.

    Raises Problems with all problems of all files.
    """
    raise NotImplementedError


def server_variables(fleet: Fleet, server: str) -> dict[str, Any]:
    """Return vmm_host, vmm_vms and vmm_owners of a server, as plain data."""
    raise NotImplementedError


def vm_variables(fleet: Fleet, vm: Vm) -> dict[str, Any]:
    """Return the variables of a VM as an inventory host, as plain data."""
    raise NotImplementedError
