# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

DOCUMENTATION = r"""
module: vm_request
short_description: Check a request for virtual machines, and write their new states
version_added: 0.1.0
author: puffy.vmm contributors (!UNKNOWN)
description:
  - Checks the names, the verb and whether the verb suits VMs in their states, and writes the new
    state into the VM files where the verb changes it. The rest of a file stays as it is.
  - Other VMs, servers and ledgers may have problems. A VM whose own files have problems is refused
    except for V(status), and so is a new state that the fleet has no room for.
  - Runs on the controller alone and connects to no server.
options:
  vm:
    description: One or more names, separated by commas.
    type: str
    default: ""
  verb:
    description:
      - What to do. One of V(apply), V(reinstall), V(suspend), V(resume), V(archive), V(restore),
        V(purge), V(restart), V(installed), V(status), V(rescue), V(move) and V(restore-from).
    type: str
    default: apply
  confirm:
    description: The names again, without which V(purge) is refused.
    type: str
    default: ""
  to:
    description: The server that V(move) is to bring the VMs to.
    type: str
    default: ""
  drain:
    description: A server whose VMs are all to be moved to others, instead of O(vm) and O(verb).
    type: str
    default: ""
  left:
    description: The server from which V(purge) removes what moves of the VM left there.
    type: str
    default: ""
  target:
    description:
      - For V(restore-from), the VM that gets the images of a backup, if it is not O(vm).
      - If the fleet has no such VM, its file is written like that of O(vm), without addresses,
        number and state, with C(install) V(none) and without C(autostart).
    type: str
    default: ""
extends_documentation_fragment:
  - puffy.vmm.attributes.no_diff
  - puffy.vmm.attributes
  - puffy.vmm.fleet.servers
seealso:
  - module: puffy.vmm.configure
"""

EXAMPLES = r"""
- name: Check the request
  puffy.vmm.vm_request:
    vm: web1
    verb: suspend
  register: vm_request
"""

RETURN = r"""
verb:
  description: The verb.
  type: str
  returned: success
vms:
  description: The names of the VMs, sorted.
  type: list
  elements: str
  returned: success
  sample: [web1]
source:
  description: The VM whose backup it is.
  type: str
  returned: for V(restore-from)
installable:
  description: Those of them that may be installed.
  type: list
  elements: str
  returned: success
servers:
  description: The servers of the VMs, sorted.
  type: list
  elements: str
  returned: success
  sample: [server1]
fleet:
  description: The fleet directory.
  type: str
  returned: when the verb does not move VMs
move:
  description: Which VMs are to be moved, where, and which servers have to be looked at for that.
  type: dict
  returned: when VMs are to be moved
left:
  description: What moves left of each VM on a server, as M(puffy.vmm.move) takes it.
  type: list
  elements: dict
  returned: when that is to be purged
"""
