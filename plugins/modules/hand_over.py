# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

DOCUMENTATION = r"""
module: hand_over
short_description: Keep host keys of VMs that were installed, and write their hand-over sheets
version_added: 0.1.0
author: puffy.vmm contributors (!UNKNOWN)
description:
  - Writes C(host_keys/NAME.pub), from which SSHFP records are made, and the sheet for the VM's
    owner, as the text C(handover/NAME.md) and the page C(handover/NAME.html), into the fleet
    directory. There is no secret in any of them.
  - The sheet can be sent as it is. Where the first password is, which only the operator needs, is
    shown by the run and returned as RV(first_passwords).
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
  server_keys:
    description: The public host keys of the server, where owners reach the consoles of their VMs.
    type: list
    elements: str
    default: []
  server:
    description: The name by which owners know the server, for the lines of its fingerprints.
    type: str
    default: ""
  passwords:
    description:
      - Whether VMs whose credentials are in the fleet were installed with them. With V(false) they
        have no password.
    type: bool
    default: true
  template:
    description:
      - The template of the text, of the role C(vmd). It has the VM as C(item); C(fingerprints),
        C(server_fingerprints) and C(key_fingerprints), of the VM, the server and the owner's keys,
        as lines of C(ssh-keygen -l); C(sshfp), the data of the VM's SSHFP records; and C(password),
        whether it has one.
      - The text is in a part of Markdown that reads well as plain text. Blocks with empty lines
        between them are headings (C(#), C(##)), code (four spaces), lists (C(- )) or paragraphs. A
        list in which every item is C(Label) C(:) text becomes a table in the page.
    type: str
    default: hand-over.md.j2
  page:
    description:
      - The template of the page. It has C(title), the first heading as text, and C(body), the whole
        text as HTML.
    type: str
    default: hand-over.html.j2
attributes:
  check_mode:
    description: Can run in check mode and show what would change without changing it.
    support: partial
    details: In check mode nothing is known of a VM that is not installed yet.
extends_documentation_fragment:
  - puffy.vmm.attributes.no_diff
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
  sample: [host_keys/web1.pub, handover/web1.html, handover/web1.md]
first_passwords:
  description: The files with first passwords, relative to the fleet directory, by the VM's name.
  type: dict
  returned: success
  sample: {web1: credentials/web1.yml}
"""
