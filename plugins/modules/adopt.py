# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

DOCUMENTATION = r"""
module: adopt
short_description: Take a server that was set up by hand into the fleet
version_added: 0.1.0
author: puffy.vmm contributors (!UNKNOWN)
description:
  - Reads what a server has, vm.conf(5) with its includes, dhcpd.conf(5), httpd.conf(5), response
    files, interfaces, images, owners and their keys, and what runs, and proposes C(host_vars), VM
    files and a ledger that say the same, so that the next C(site.yml --check --diff) shows nothing
    but a different layout. Each VM is recorded as installed, so no run installs it again.
  - What the fleet cannot express is kept by variables such as C(vmd_extra) and
    C(dhcpd_manage=false), or reported line by line. No password and no hash is copied.
  - With O(files) and O(mapping) it reads an operator's own text files as well, or without O(server)
    those alone.
  - Nothing is changed on the server. Without O(write=true) nothing is written here either. An
    existing file is never overwritten, and of the new files all are written or none.
options:
  server:
    description: The name of the server in the inventory. The task runs on it.
    type: str
  files:
    description: A directory with a text file per VM, with a key and a value in each line.
    type: path
  mapping:
    description:
      - A YAML file that says what the keys of O(files) are, C(fields) such as
        C({vm_number{:} number, mem{:} {field{:} memory, unit{:} M}}), with C(defaults), keys that
        are C(left_out), and whether the VMs are C(installed), which is the default.
    type: path
  owner:
    description:
      - The owner of VMs that have none in vm.conf(5), or one that may become root. The next run
        creates the account if it is missing.
    type: str
  ssh_keys:
    description: A file with the public keys of O(owner), one per line.
    type: path
  inventory:
    description: The directory of C(host_vars); by default that of the server's inventory.
    type: path
  write:
    description: Whether to write the files. Otherwise they are shown.
    type: bool
    default: false
  report:
    description: A file to write the output to.
    type: path
extends_documentation_fragment:
  - puffy.vmm.attributes.no_diff
  - puffy.vmm.attributes
  - puffy.vmm.fleet.servers
seealso:
  - module: puffy.vmm.configure
  - module: puffy.vmm.allocate
"""

EXAMPLES = r"""
- name: Show what the fleet would say of a server that was set up by hand
  puffy.vmm.adopt:
    server: server1
"""

RETURN = r"""
files:
  description: The texts of the files that were written, or would be, by their paths.
  type: dict
  returned: success
  sample: {/home/ops/fleets/production/vms/web1.yml: "server: server1"}
reported:
  description: What is not in the fleet, a line of a file each, with the reason.
  type: list
  elements: str
  returned: success
  sample: ["/etc/vm.conf:12: rdomain 2: there is no field of a VM file for it"]
kept:
  description: What is kept unchanged, and by which variable.
  type: list
  elements: str
  returned: success
  sample: ["/etc/dhcpd.conf: subnet 192.0.2.0, host printer: dhcpd_extra"]
expected:
  description: What the next check shows although it means the same, with the reason.
  type: list
  elements: str
  returned: success
  sample: ["/etc/rc.local: a line that calls /etc/rc.vmm"]
"""
