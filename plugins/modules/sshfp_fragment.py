# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

DOCUMENTATION = r"""
module: sshfp_fragment
short_description: Write fingerprints of SSH host keys for a zone file
version_added: 0.1.0
author: puffy.vmm contributors (!UNKNOWN)
description:
  - Keeps a file of SSHFP records on the controller that a zone file includes with
    C($INCLUDE example.org.sshfp), for nsd(8), BIND and others. C(ssh -o VerifyHostKeyDNS=yes)
    finds the records.
  - Records of the names that are given are replaced, records of other names stay, so that each
    server adds its own to the file of the whole fleet. The file is sorted and holds nothing else.
  - All names in it are absolute and have a TTL, so that it means the same wherever it is included.
  - The serial number of the zone is in the zone file and remains the operator's.
options:
  path:
    description: The file. Its directory is created if it is missing, but not the one above it.
    type: path
    required: true
attributes:
  diff_mode:
    description: Shows the file before and after.
    support: full
extends_documentation_fragment:
  - puffy.vmm.attributes
  - puffy.vmm.fleet
  - puffy.vmm.fleet.lock
  - puffy.vmm.sshfp
seealso:
  - module: puffy.vmm.server_info
  - module: puffy.vmm.sshfp_publish
"""

EXAMPLES = r"""
- name: Look at the server
  puffy.vmm.server_info:
  register: server

- name: Write its fingerprints
  puffy.vmm.sshfp_fragment:
    path: "{{ vmm_fleet_directory }}/dns/example.org.sshfp"
    zone: example.org
    names: "{{ {inventory_hostname: server.host_keys} }}"
"""

RETURN = r"""
path:
  description: The absolute path of the file.
  type: str
  returned: success
  sample: /srv/fleet/dns/example.org.sshfp
"""
