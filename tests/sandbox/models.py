# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Which models a server is made of: the one list of their modules."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .call import Handler

# Module of sandbox.model, and the attribute of the machine that its class of that name becomes.
# The class is called with the machine; it may have install(), called once when a server is made,
# start() and stop(), called after loading the state and before saving it, and watch(), called after
# each modelled command.
PARTS = {
    "accounts": ("accounts", "Accounts"),
    "processes": ("processes", "Processes"),
    "network": ("network", "Network"),
    "rcctl": ("services", "Services"),
    "sysctl": ("sysctl", "Sysctl"),
    "pfctl": ("pf", "Pf"),
    "vmd": ("vmd", "Vmd"),
    "dhcpd": ("dhcpd", "Dhcpd"),
    "httpd": ("httpd", "Httpd"),
    "sensorsd": ("sensorsd", "Sensorsd"),
    "sshd": ("sshd", "Sshd"),
    "ttys": ("ttys", "Ttys"),
    "ping": ("wire", "Wire"),
}
# Modules that only bring commands.
COMMANDS = (
    "useradd",
    "groupadd",
    "identity",
    "switch_user",
    "system",
    "devices",
    "vmctl",
    "mail",
    "nc",
    "fw_update",
    "ssh_keyscan",
)


def load() -> dict[str, ModuleType]:
    """All model modules by name."""
    names = (*PARTS, *COMMANDS)
    return {name: importlib.import_module(f"{__package__}.model.{name}") for name in names}


def commands(modules: dict[str, ModuleType]) -> dict[str, Handler]:
    """Path of each modelled command and its handler; a path stands in one module only."""
    table: dict[str, Handler] = {}
    for name, module in modules.items():
        own: dict[str, Handler] = getattr(module, "COMMANDS", {})
        if clash := table.keys() & own.keys():
            raise ValueError(f"model {name}: {', '.join(sorted(clash))} is modelled already")
        table |= own
    return table
