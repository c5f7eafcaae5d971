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
    description: The file. Its directory is made when it is missing, but not the one above it.
    type: path
    required: true
  zone:
    description: The zone, such as V(example.org).
    type: str
    required: true
  names:
    description:
      - The public keys of each name, a list of lines as in C(/etc/ssh/ssh_host_ed25519_key.pub).
      - A name without a dot is one of the zone, any other is complete as it is. A name outside of
        the zone is refused.
      - A name with an empty list loses its SSHFP records.
      - There is one key of each kind at most, since ssh(1) takes a host for an impostor as soon as
        one record of the key's kind does not fit.
    type: dict
    default: {}
  vms:
    description:
      - Names of VMs whose keys are in C(host_keys/NAME.pub) of the fleet directory. That file is
        written when a VM was first met; a VM without it is left out.
      - A VM's record is that of its name in O(vm_domain). The host name in its VM file is its
        owner's choice, and could be the name of a machine that is somebody else's.
    type: list
    elements: str
    default: []
  vm_domain:
    description: The domain of the VMs' names, in the zone; needed with O(vms).
    type: str
  all_vms:
    description:
      - Names of all VMs of the fleet, and not just those of one server.
      - A name in O(vm_domain) that the file has and that belongs to none of these loses its
        records, since the VM was purged.
      - Where O(vm_domain) is the whole zone, nothing is taken away.
    type: list
    elements: str
  fleet:
    description: The fleet directory. The default is the one of the inventory.
    type: path
  ttl:
    description: How long resolvers keep the records, in seconds.
    type: int
    default: 3600
  lock_timeout:
    description: How many seconds to wait for another run that writes to the same directory.
    type: float
    default: 60.0
attributes:
  diff_mode:
    description: Shows the file before and after.
    support: full
  idempotent:
    description: Changes nothing when it is run again. It does not even write the same again.
    support: full
extends_documentation_fragment:
  - puffy.vmm.attributes
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
