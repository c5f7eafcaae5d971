# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

DOCUMENTATION = r"""
module: move
short_description: Carry out a step of a VM's move on one of the two servers
version_added: 0.1.0
author: puffy.vmm contributors (!UNKNOWN)
description:
  - The new server fetches the images over ssh(1), with a key of its own for this one transfer. The
    old server lets that key read these images, from the new server, and nothing else. Zeros are not
    sent. A transfer that was cut off is continued, and what arrived is read back and compared by
    SHA-256 before it is used.
  - The playbook C(puffy.vmm.vm) has the steps in their order.
options:
  move:
    description: A move as M(puffy.vmm.move_plan) returns it.
    type: dict
    required: true
  step:
    description:
      - V(check) fails where something prevents the move on this server, and changes nothing.
      - On the new server, V(make_key) makes the key, V(try) calls the other
        server, V(fetch) fetches the images and reads them back, V(drop_key) removes the key,
        V(accept) gives the images their names, V(tidy) removes what the transfer needed and
        V(discard) everything that arrived.
      - On the old server, V(offer) lets the key in, V(withdraw) ends that, V(prove)
        fails unless the VM is stopped and out of vm.conf(5), and V(retire) gives the old images
        their new names after the same proof. V(purge) removes them.
    type: str
    choices:
      - check
      - make_key
      - offer
      - try
      - prove
      - fetch
      - withdraw
      - drop_key
      - accept
      - retire
      - tidy
      - discard
      - purge
    required: true
  peer:
    description: What the other server returned.
    type: dict
    default: {}
  key:
    description: The public key that V(offer) lets in.
    type: str
    default: ""
extends_documentation_fragment:
  - puffy.vmm.attributes.no_diff
  - puffy.vmm.attributes
seealso:
  - module: puffy.vmm.vm_request
  - module: puffy.vmm.configure
"""

EXAMPLES = r"""
- name: Make sure that the VM is stopped, and not in vm.conf
  puffy.vmm.move:
    move: "{{ move_plan.moves[0] }}"
    step: prove
"""

RETURN = r"""
peer:
  description: How the other server reaches this one by ssh.
  type: dict
  returned: with V(check), on the old server
account:
  description: The account that ssh logs in to.
  type: dict
  returned: with V(check), on the old server
stamps:
  description: Sizes and times of the images.
  type: list
  elements: dict
  returned: with V(check), on the old server
arrived:
  description: Whether all images have their names already.
  type: bool
  returned: with V(check), on the new server
address:
  description: The address of the server, for others.
  type: str
  returned: with V(check), on the new server
key:
  description: The public key.
  type: str
  returned: with V(make_key)
sha256:
  description: The checksums of the images, by their paths.
  type: dict
  returned: with V(fetch)
changes:
  description: What was done, in words.
  type: list
  elements: str
  returned: with steps that change images
"""
