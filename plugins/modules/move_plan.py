# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

DOCUMENTATION = r"""
module: move_plan
short_description: Plan moves of VMs from one server to another
version_added: 0.1.0
author: puffy.vmm contributors (!UNKNOWN)
description:
  - Decides where VMs go, by the fleet directory and what the servers showed, and shows that and
    what changes for the owners of the VMs. Changes nothing.
  - Of a move that was cut off, what is left to do is planned. Where O(to) is the server that the VM
    comes from, the plan is to abandon the move, as long as the VM has not arrived.
  - Fails with all reasons where one of the moves is not possible. Other servers' problems do not
    matter.
  - Runs on the controller alone and connects to no server.
options:
  to:
    description: The server that they go to.
    type: str
    default: ""
  drain:
    description:
      - The server that all O(vms) leave, each for another server that has room for it.
      - A server on which a VM keeps its addresses is preferred.
    type: str
    default: ""
  looks:
    description:
      - What M(puffy.vmm.configure) returned of servers with O(puffy.vmm.configure#module:survey),
        by their names.
    type: dict
    required: true
extends_documentation_fragment:
  - puffy.vmm.attributes.no_diff
  - puffy.vmm.attributes
  - puffy.vmm.fleet.vms
  - puffy.vmm.fleet.servers
seealso:
  - module: puffy.vmm.vm_request
  - module: puffy.vmm.configure
"""

EXAMPLES = r"""
- name: Plan a move
  puffy.vmm.move_plan:
    vms: [web1]
    to: server2
    looks: "{{ {'server1': hostvars.server1.look, 'server2': hostvars.server2.look} }}"
  register: move_plan
"""

RETURN = r"""
moves:
  description: The moves, in the order in which they are to be carried out.
  type: list
  elements: dict
  returned: success
  contains:
    vm:
      description: The name of the VM.
      type: str
    do:
      description: V(move), V(finish) for one that has arrived already, or V(abandon).
      type: str
    source:
      description: The server that it leaves.
      type: str
    to:
      description: The server that it moves to.
      type: str
    ran:
      description: Whether it ran before.
      type: bool
    images:
      description: The paths of its images on both servers.
      type: list
      elements: dict
    owner:
      description: What its owner has to change afterwards.
      type: list
      elements: str
servers:
  description: The servers of all moves, sorted.
  type: list
  elements: str
  returned: success
"""
