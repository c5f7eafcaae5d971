# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Options of the modules that read the fleet directory, and of those that write to it."""

from __future__ import annotations


class ModuleDocFragment:
    """`puffy.vmm.fleet`; `.lock` for modules that write, `.servers` and `.vms` for options."""

    DOCUMENTATION = r"""
options:
  fleet:
    description: The fleet directory. The default is the one of the inventory.
    type: path
"""

    LOCK = r"""
options:
  lock_timeout:
    description: How many seconds to wait for another run that writes to the same directory.
    type: float
    default: 60.0
"""

    SERVERS = r"""
options:
  servers:
    description: The group of the servers.
    type: str
    default: vmd_servers
"""

    VMS = r"""
options:
  vms:
    description: The names of the VMs.
    type: list
    elements: str
    required: true
"""
