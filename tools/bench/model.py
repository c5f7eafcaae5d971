# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Reads, checks and allocates a site of fleets.py as the inventory plugin does, without Ansible.

`python -m bench.model DIRECTORY SERVERS`
"""

from __future__ import annotations

import sys
from pathlib import Path

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.server import VARIABLES
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.directory import FleetDirectory
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.load import build

from bench.fleets import SHARED, FleetSite, server_names, settings


def main() -> int:
    site, names = FleetSite(Path(sys.argv[1])), server_names(int(sys.argv[2]))
    texts = FleetDirectory(site.fleet).read()
    vmm = {name: value for name, value in SHARED.items() if name in VARIABLES}
    by_server = {name: {**vmm, **settings(number)} for number, name in enumerate(names, 1)}
    accounts = dict.fromkeys(names, dict[str, str]())
    fleet = build(texts, by_server, {"all", "vmd_servers", "vms"}, {}, accounts)
    if fleet.problems:
        print(*fleet.problems, sep="\n", file=sys.stderr)
        return 1
    for ledger in fleet.ledgers.values():
        ledger.render()
    print(f"{len(fleet.vms)} VMs on {len(names)} servers")
    return 0


if __name__ == "__main__":
    sys.exit(main())
