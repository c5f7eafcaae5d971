# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What the inventory says that orders are checked against, where there is no Ansible to read it.

The fleet directory has a copy of it, a file of JSON, which is written with the ledgers. Nothing in
it is secret: the vmm_* settings of the servers, names of hosts and groups, names of accounts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.server import VARIABLES
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.names import VM_NAME_PATTERN

FILE_NAME = "inventory.json"


@dataclass(frozen=True)
class Inventory:
    """The settings of the servers by name, and their accounts that belong to no owner.

    names are those of hosts and groups other than VMs; no VM can have one of them.
    """

    settings: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    accounts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    names: frozenset[str] = frozenset()

    def render(self) -> str:
        """Return the file's text, the same for the same inventory."""
        settings = {
            server: {name: own[name] for name in VARIABLES if own.get(name) is not None}
            for server, own in self.settings.items()
        }
        names = sorted(name for name in self.names if re.fullmatch(VM_NAME_PATTERN, name))
        content = {"accounts": self.accounts, "names": names, "servers": settings}
        # YAML takes some words for dates, and no setting of a server is a date.
        return json.dumps(content, indent=1, sort_keys=True, default=str) + "\n"


def read_inventory(text: str) -> Inventory | None:
    """Return the inventory of the file's text, None of a damaged one."""
    try:
        content = json.loads(text)
        servers, accounts = _mappings(content["servers"]), _mappings(content["accounts"])
        names = frozenset(map(str, content["names"]))
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return Inventory(servers, accounts, names)


def _mappings(content: Any) -> dict[str, dict[str, Any]]:
    return {str(name): dict(own) for name, own in dict(content).items()}
