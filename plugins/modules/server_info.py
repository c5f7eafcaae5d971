# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

DOCUMENTATION = r"""
module: server_info
short_description: Release, name and host keys of an OpenBSD machine
version_added: 0.1.0
author: puffy.vmm contributors (!UNKNOWN)
description:
  - Asks a machine what it runs and which public keys its sshd(8) has, in one SSH execution.
  - The keys come over the connection that Ansible has already, so they are as trustworthy as that
    connection, and not those of an impostor.
  - Works for servers and, as soon as they accept logins, for VMs. Needs OpenBSD's base system, but
    neither Python nor root's rights.
options: {}
attributes:
  check_mode:
    description: Can run in check mode and show what would change without changing it.
    support: full
    details: It never changes anything.
extends_documentation_fragment:
  - puffy.vmm.attributes.no_diff
  - puffy.vmm.attributes
seealso:
  - module: puffy.vmm.sshfp_publish
  - module: puffy.vmm.sshfp_fragment
  - plugin: puffy.vmm.sshfp
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Look at the server
  puffy.vmm.server_info:
  register: server

- name: Show its fingerprints as DNS has them
  ansible.builtin.debug:
    var: server.sshfp
"""

RETURN = r"""
system:
  description: The operating system.
  type: str
  returned: success
  sample: OpenBSD
release:
  description: The release of the running kernel.
  type: str
  returned: success
  sample: "7.8"
machine:
  description: The hardware.
  type: str
  returned: success
  sample: amd64
hostname:
  description: The name that the machine gives itself.
  type: str
  returned: success
  sample: server1.example.org
host_keys:
  description:
    - The public keys in C(/etc/ssh), as type and base64, at most one each of ECDSA, Ed25519, RSA.
    - A key that cannot have an SSHFP record, or is too short, is left out with a warning.
  type: list
  elements: str
  returned: success
  sample:
    - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKSUTyz1HwHReFVvD5obVsALAgJRNarH4TRpNePnAS
sshfp:
  description: The data of the SSHFP records of these keys.
  type: list
  elements: str
  returned: success
  sample:
    - 4 2 a87f1b687ac0e57d2a081a2f282672334d90ed316d2b818ca9580ea384d92401
"""
