# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

DOCUMENTATION = r"""
module: vm_record
short_description: Record in the ledger that VMs were installed
version_added: 0.1.0
author: puffy.vmm contributors (!UNKNOWN)
description:
  - Writes into the ledger of a server when its VMs were installed, and the path and the format of
    the images that they have. From then on these VMs keep their images, whatever C(vmm_preset),
    C(vmm_image_directory) or C(disk_format) say, and are never installed again unless somebody asks
    for that by name.
  - Runs on the controller alone and connects to no server.
options:
  vms:
    description: VMs as the inventory plugin gives them to their server. The list may be empty.
    type: list
    elements: dict
    required: true
  state:
    description:
      - V(present) records that they are installed now. V(absent) removes the records, for VMs that
        are about to be purged.
      - Nothing is written if another run has meanwhile recorded an installation of one of them.
    type: str
    choices: [present, absent]
    default: present
attributes:
  idempotent:
    description: Changes nothing when it is run again.
    support: partial
    details: The time of an installation is that of the run.
extends_documentation_fragment:
  - puffy.vmm.attributes.no_diff
  - puffy.vmm.attributes
  - puffy.vmm.fleet
  - puffy.vmm.fleet.lock
seealso:
  - module: puffy.vmm.virtual_machine
  - module: puffy.vmm.allocate
"""

EXAMPLES = r"""
- name: Record that a VM was installed
  puffy.vmm.vm_record:
    vms: "{{ vmm_vms | selectattr('name', 'eq', 'web1') }}"
  delegate_to: localhost
"""

RETURN = r"""#"""
