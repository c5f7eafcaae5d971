# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

DOCUMENTATION = r"""
module: quarantine
short_description: Remove purged VMs from the fleet, and put their numbers into quarantine
version_added: 0.1.0
author: puffy.vmm contributors (!UNKNOWN)
description:
  - Moves the lines of these VMs in the ledgers to the numbers in quarantine, with the present day,
    and removes their VM files, orders, credentials, host keys and hand-over sheets. VMs that the
    fleet does not have are skipped.
  - Such a number, its MACs and its addresses are not handed out again for C(vmm_quarantine_days)
    days. A new VM file of the same name is another VM, and gets another number.
  - The ledger keeps the owner of such a VM, with the fingerprints of the keys. A new VM of an owner
    with the same name and other keys is refused.
  - Runs on the controller alone and connects to no server. M(puffy.vmm.configure) removes what
    the servers have of the VMs before.
extends_documentation_fragment:
  - puffy.vmm.attributes.no_diff
  - puffy.vmm.attributes
  - puffy.vmm.fleet.vms
  - puffy.vmm.fleet
  - puffy.vmm.fleet.lock
seealso:
  - module: puffy.vmm.configure
  - module: puffy.vmm.allocate
"""

EXAMPLES = r"""
- name: Forget a VM
  puffy.vmm.quarantine:
    vms: [web1]
  delegate_to: localhost
"""

RETURN = r"""
removed:
  description: The files that were removed, relative to the fleet directory.
  type: list
  elements: str
  returned: success
  sample: [credentials/web1.yml, vms/web1.yml]
"""
