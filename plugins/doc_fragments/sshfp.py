# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Options of the modules that bring SSHFP records to a zone: whose, and in which zone."""

from __future__ import annotations


class ModuleDocFragment:
    """What the documentation of a module includes."""

    DOCUMENTATION = r"""
options:
  zone:
    description: The zone, such as V(example.org).
    type: str
    required: true
  names:
    description:
      - The public keys of each name, a list of lines as in C(/etc/ssh/ssh_host_ed25519_key.pub).
      - A name without a dot is in the zone, any other is complete. A name outside of the zone is
        refused.
      - A name with an empty list loses its SSHFP records.
      - There is at most one key of each kind, since ssh(1) takes a host for an impostor as soon as
        one record of the key's kind does not match.
    type: dict
    default: {}
  vms:
    description:
      - Names of VMs whose keys are in C(host_keys/NAME.pub) of the fleet directory. That file is
        written when a VM first answers; a VM without it is left out.
      - A VM's record is that of its name in O(vm_domain), in lower case and with hyphens for
        dots and underscores. The host name in its VM file is its owner's choice, and could be the
        name of somebody else's machine.
    type: list
    elements: str
    default: []
  vm_domain:
    description: The domain of the VMs' names, in the zone; needed with O(vms).
    type: str
  all_vms:
    description:
      - Names of all VMs of the fleet, not just those of one server.
      - A name in O(vm_domain) that the file of M(puffy.vmm.sshfp_fragment) has and that belongs to
        none of these loses its records, since the VM was purged.
      - Where O(vm_domain) is the whole zone, nothing is removed.
    type: list
    elements: str
  ttl:
    description: How long resolvers keep the records, in seconds.
    type: int
    default: 3600
"""
