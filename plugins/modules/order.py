# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

DOCUMENTATION = r"""
module: order
short_description: Check the order of a VM, and write it into the fleet directory
version_added: 0.1.0
author: puffy.vmm contributors (!UNKNOWN)
description:
  - Checks a customer's order against the customers' grammar, and against the fleet. The VM's name
    must be new, an owner who has VMs must give the same keys, and a server must have room.
  - Then writes it to C(orders/NAME.yml) of the fleet directory, where it waits for C(vms/NAME.yml),
    which names its server. With O(accept=true) that file is written too.
  - An existing file is never replaced. When it holds the same order, nothing changes.
  - Runs on the controller alone and connects to no server. The command C(bin/check-vm) of the
    collection makes the same checks without Ansible, against a copy of the inventory.
options:
  src:
    description: The file with the order, YAML or JSON of at most 64 KiB.
    type: path
    required: true
  name:
    description: The name of the VM; by default that of the file, without its ending.
    type: str
  server:
    description: The server that the VM is to be on. By default any server with room will do.
    type: str
  accept:
    description:
      - Whether to accept the order on O(server), so that the next run makes the VM without anybody
        having reviewed it.
    type: bool
    default: false
  fail:
    description: Whether to fail when something is wrong with the order.
    type: bool
    default: true
extends_documentation_fragment:
  - puffy.vmm.attributes.no_diff
  - puffy.vmm.attributes
  - puffy.vmm.fleet.servers
seealso:
  - module: puffy.vmm.allocate
"""

EXAMPLES = r"""
- name: Check the order, and put it into the fleet
  puffy.vmm.order:
    src: incoming/web1.json
  run_once: true
  delegate_to: localhost
"""

RETURN = r"""
name:
  description: The name of the VM.
  type: str
  returned: success
  sample: web1
files:
  description: The files that were written, relative to the fleet directory.
  type: list
  elements: str
  returned: success
  sample: [orders/web1.yml]
problems:
  description: What is wrong with the order.
  type: list
  elements: dict
  returned: success
  sample:
    - field: memory
      message: "'2 GB' is not a valid size; use a number with K, M or G, such as 1G"
      detail: ""
  contains:
    field:
      description: The field, empty where the problem concerns the order as a whole.
      type: str
    message:
      description: What the customer may see.
      type: str
    detail:
      description: What only the operator should see, such as names of other VMs. May be empty.
      type: str
"""
