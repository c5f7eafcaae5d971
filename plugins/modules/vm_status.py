# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

DOCUMENTATION = r"""
module: vm_status
short_description: Show VMs of all servers in one table
version_added: 0.1.0
author: puffy.vmm contributors (!UNKNOWN)
description:
  - Shows what the VM files say about VMs, and what their servers show, in one table with a line per
    VM. A VM whose server was not reached is in it as well.
  - Connects to no server. M(puffy.vmm.configure) looks at them before.
options:
  results:
    description: The result of M(puffy.vmm.configure), such as with V(verb=status), by server.
    type: dict
    required: true
attributes:
  idempotent:
    description: Changes nothing.
    support: full
extends_documentation_fragment:
  - puffy.vmm.attributes.no_diff
  - puffy.vmm.attributes
  - puffy.vmm.fleet.vms
seealso:
  - module: puffy.vmm.configure
"""

EXAMPLES = r"""
- name: Show a VM
  puffy.vmm.vm_status:
    vms: [web1]
    results:
      server1: "{{ hostvars.server1.server_state }}"
"""

RETURN = r"""
vms:
  description: The VMs with their values, and under C(found) what the server shows, or nothing.
  type: list
  elements: dict
  returned: success
"""
