# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

DOCUMENTATION = r"""
module: move_record
short_description: Write a move of a VM to the fleet directory
version_added: 0.1.0
author: puffy.vmm contributors (!UNKNOWN)
description:
  - Notes in C(moves/NAME.yml) that a move begins, and what it leaves when it is finished. With the
    note, the same command continues a move that was cut off, and every other run leaves the VM
    alone.
  - Changes the VM file and the ledgers of both servers. The VM belongs to the new server from the
    moment when the ledger there has it, which is one rename(2).
  - Runs on the controller alone and connects to no server.
options:
  move:
    description: A move as M(puffy.vmm.move_plan) returns it.
    type: dict
    required: true
  step:
    description:
      - V(begin) notes it. V(switch) gives the VM to the new server. V(finish) ends the note and
        records which images are left. V(abandon) ends it and leaves the VM where it is. V(purged)
        records that the images that moves left on the old server are gone.
    type: str
    choices: [begin, switch, finish, abandon, purged]
    required: true
extends_documentation_fragment:
  - puffy.vmm.attributes.no_diff
  - puffy.vmm.attributes
  - puffy.vmm.fleet.servers
  - puffy.vmm.fleet.lock
seealso:
  - module: puffy.vmm.vm_request
  - module: puffy.vmm.configure
"""

EXAMPLES = r"""
- name: Note that a move begins
  puffy.vmm.move_record:
    move: "{{ move_plan.moves[0] }}"
    step: begin
"""

RETURN = r"""#"""
