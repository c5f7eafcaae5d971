# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

DOCUMENTATION = r"""
module: hand_over
short_description: Keep host keys of VMs that were installed, and write their hand-over sheets
version_added: 0.1.0
author: puffy.vmm contributors (!UNKNOWN)
description:
  - Writes C(host_keys/NAME.pub), from which SSHFP records are made, and C(handover/NAME.md), a page
    for the VM's owner, into the fleet directory. There is no secret in either.
  - Runs on the controller alone and connects to no server.
options:
  vms:
    description: VMs as the inventory plugin gives them to their server.
    type: list
    elements: dict
    required: true
  host_keys:
    description: The public host keys of each, a list of lines by the VM's name.
    type: dict
    required: true
  template:
    description:
      - The template of the sheet, of the role C(vmd). It has the VM as C(item), C(fingerprints) as
        ssh-keygen(1) shows them, and C(sshfp), the data of its SSHFP records.
    type: str
    default: hand-over.md.j2
attributes:
  check_mode:
    description: Can run in check mode and show what would change without changing it.
    support: partial
    details: In check mode nothing is known of a VM that is not installed yet.
  diff_mode:
    description: The files are written whole.
    support: none
extends_documentation_fragment:
  - puffy.vmm.attributes
  - puffy.vmm.fleet
seealso:
  - module: puffy.vmm.virtual_machine
  - module: puffy.vmm.sshfp_publish
"""

EXAMPLES = r"""
- name: Write a sheet
  puffy.vmm.hand_over:
    vms: "{{ vmm_vms | selectattr('name', 'eq', 'web1') }}"
    host_keys:
      web1:
        - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBWcDBLMPu1WXn8+HKzegEKOQcDWqg3nfjnKqxlbiAyR
  delegate_to: localhost
"""

RETURN = r"""
written:
  description: The files that were written, relative to the fleet directory.
  type: list
  elements: str
  returned: success
  sample: [host_keys/web1.pub, handover/web1.md]
"""
