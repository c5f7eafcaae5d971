# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

DOCUMENTATION = r"""
module: credentials
short_description: Make the passwords of VMs once, and keep them encrypted
version_added: 0.1.0
author: puffy.vmm contributors (!UNKNOWN)
description:
  - Keeps one file per VM in C(credentials/) of the fleet directory, with a password and its bcrypt
    hash. The whole file is encrypted with Ansible Vault and can be read with C(ansible-vault view).
  - A file is written once and never changed. For a new password, remove the file.
  - Runs on the controller alone and connects to no server. A password is in no result, no log and
    no other file.
options:
  state:
    description:
      - With V(present), makes what is missing. One of the existing files is decrypted, which shows
        whether the vault secret is the right one.
      - With V(read), returns the hashes, for response files. All files must exist.
    type: str
    choices: [present, read]
    default: present
  vault_id:
    description:
      - The vault identity to encrypt for. The default is what C(vault_encrypt_identity) of
        C(ansible.cfg) says, else the first secret of the run.
    type: str
  length:
    description: How many characters a new password has.
    type: int
    default: 24
  alphabet:
    description:
      - The characters of a new password, each once, or a name for them.
      - V(letters+digits) are 62 characters that need no care anywhere, V(seed) the 94 printable
        ASCII characters other than blanks.
    type: str
    default: letters+digits
  cost:
    description: The cost of bcrypt for a new hash. One more doubles the work.
    type: int
    default: 10
extends_documentation_fragment:
  - puffy.vmm.attributes.no_diff
  - puffy.vmm.attributes
  - puffy.vmm.fleet.vms
  - puffy.vmm.fleet
  - puffy.vmm.fleet.lock
seealso:
  - plugin: puffy.vmm.password
    plugin_type: filter
  - plugin: puffy.vmm.bcrypt
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Make the credentials that are missing
  puffy.vmm.credentials:
    vms: [web1, mail1]
  run_once: true

- name: Read the hashes for response files
  puffy.vmm.credentials:
    vms: [web1]
    state: read
  register: credentials
"""

RETURN = r"""
credentials:
  description: The files that were made, relative to the fleet directory.
  type: list
  elements: str
  returned: with O(state=present)
  sample: [credentials/web1.yml]
hashes:
  description: The hash of each VM's password. This is not shown by callbacks.
  type: dict
  returned: with O(state=read)
  sample: {"web1": "$2b$10$abcdefghijklmnopqrstuuTEw8POU2MwwuYEM7WaKcjqZ948Hm7.W"}
missing:
  description: The names of VMs that have no file.
  type: list
  elements: str
  returned: when files are missing with O(state=read)
  sample: [web2]
"""
