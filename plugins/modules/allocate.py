# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

DOCUMENTATION = r"""
module: allocate
short_description: Check a fleet and write its ledgers
version_added: 0.1.0
author: puffy.vmm contributors (!UNKNOWN)
description:
  - Checks the whole fleet, that is all VM files, all ledgers and the C(vmm_*) variables of all
    servers, and writes the numbers, MAC addresses and IP addresses that new VMs got to the
    ledgers.
  - With each ledger it writes a copy of the files of the VMs that have no problems. A VM whose
    files have problems stays as the copy has it.
  - With C(--limit), the whole fleet is checked, but only the ledgers and copies of the servers of
    the play are written. So runs for parts of the servers, each with its own copy of the fleet
    directory, as job slices have it, never write the same file, except C(inventory.json), which is
    the same for all of them.
  - Problems of some files do not affect the others. All problems are shown, and unless
    O(fail=false) the task fails when everything else is done.
  - Fails at once when the fleet is no longer what the inventory plugin
    P(puffy.vmm.vms#inventory) read, and when something is wrong with all of it. It belongs before
    everything that changes a server.
  - Runs on the controller alone and connects to no server. Once for a play is enough.
options:
  fail:
    description:
      - Whether to fail when there are problems. A playbook that continues with what is sound sets
        it to V(false), and fails at its end if RV(problems) is not empty.
    type: bool
    default: true
attributes:
  diff_mode:
    description: Shows what changes in the ledgers.
    support: full
extends_documentation_fragment:
  - puffy.vmm.attributes
  - puffy.vmm.fleet
  - puffy.vmm.fleet.lock
  - puffy.vmm.fleet.servers
seealso:
  - plugin: puffy.vmm.vms
    plugin_type: inventory
"""

EXAMPLES = r"""
- name: Check the fleet and write its ledgers
  puffy.vmm.allocate:
  run_once: true
"""

RETURN = r"""
ledgers:
  description: The ledgers that changed, relative to the fleet directory.
  type: list
  elements: str
  returned: success
  sample: [allocations/server1.yml]
vms:
  description: The names of all VMs of the fleet by their state.
  type: dict
  returned: success
  sample:
    present: [mail1, web1]
    suspended: []
    archived: [old1]
with_password:
  description: The names of present VMs of the play's servers that autoinstall(8) installs, with a
    first password each.
  type: list
  elements: str
  returned: success
  sample: [mail1, web1]
problems:
  description: What is wrong with the fleet, one string per problem.
  type: list
  elements: str
  returned: success
  sample:
    - "vms/web1.yml: memory: '1 GB' is not a valid size; use a number with K, M or G, such as 1G"
"""
