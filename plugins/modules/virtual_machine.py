# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

DOCUMENTATION = r"""
module: virtual_machine
short_description: Install, start or rescue virtual machines
version_added: 0.1.0
author: puffy.vmm contributors (!UNKNOWN)
description:
  - Carries out what takes minutes in the life of VMs of one server, several at once.
    M(puffy.vmm.configure) decides which VMs that is, in its RV(puffy.vmm.configure#module:life),
    and does everything else. The playbooks C(puffy.vmm.site) and C(puffy.vmm.vm) put both together.
  - Each call of vmctl(8) has a time limit, since some calls never return although they work. What
    C(vmctl status) shows afterwards decides.
  - No image that holds anything is ever overwritten. An image that an installation replaces is
    kept under another name.
options:
  vms:
    description:
      - VMs as the inventory plugin gives them to their server, such as C(vmm_vms).
      - With an empty list, nothing is done.
    type: list
    elements: dict
    required: true
  step:
    description:
      - What to do.
      - V(install) boots the installer from a new image, shows the progress, and gives the image its
        name once it is proven that the installer finished, by its last words on the recorded
        console, or by a call from C(install.site) if nothing was recorded. Until then the old image
        is unchanged. An
        installer that had no network and left the disk alone is started once more. An installation
        that was cut off is continued. VMs that are not installed are in RV(failures) and do not
        fail the task, since others may be.
      - V(start) starts VMs that are stopped and waits until they answer on port 22. It fails before
        it starts any where C(/etc/firmware/vmm-bios) is missing, which V(install) and V(rescue) can
        do without. It returns the host keys of VMs that were just installed.
      - V(finish) notes on the server that VMs that were just installed have been started and handed
        over.
      - V(rescue) boots the installer's kernel, C(/bsd.rd) of the server, once, with the disk
        attached. It fails for a VM that runs.
    type: str
    required: true
    choices: [install, start, finish, rescue]
  template:
    description:
      - For V(install), the template of the vm.conf(5) from which a VM is booted, of the role
        C(vmd) or of the playbook.
    type: str
    default: install-vm.conf.j2
  timeout:
    description: After how many seconds without progress an installation is given up.
    type: int
    default: 1800
  total_timeout:
    description: After how many seconds in all an installation is given up, progress or not.
    type: int
    default: 7200
  interval:
    description: How many seconds to wait between two looks at an installation.
    type: float
    default: 2.0
  wait_for_ssh:
    description:
      - For V(start), how many seconds a VM has to answer on port 22. V(0) does not wait.
      - The task fails if one that was just installed does not. For any other it is a warning, after
        two minutes at most, since its owner may have closed the port.
    type: int
    default: 300
attributes:
  idempotent:
    description: Changes nothing when it is run again.
    support: partial
    details: O(step=rescue) boots the installer's kernel again once the VM was stopped.
extends_documentation_fragment:
  - puffy.vmm.attributes.no_diff
  - puffy.vmm.attributes
seealso:
  - module: puffy.vmm.configure
  - module: puffy.vmm.vm_record
  - module: puffy.vmm.hand_over
"""

EXAMPLES = r"""
- name: Install VMs
  puffy.vmm.virtual_machine:
    vms: "{{ vmm_vms | selectattr('name', 'in', server_state.life.install) }}"
    step: install
  register: vm_install

- name: Start those that are installed, and read their host keys
  puffy.vmm.virtual_machine:
    vms: "{{ vmm_vms | selectattr('name', 'in', vm_install.installed) }}"
    step: start
    wait_for_ssh: 900
  register: vm_start
"""

RETURN = r"""
changes:
  description: What was done, or in check mode would be, one string each.
  type: list
  elements: str
  returned: success
  sample: [start web1]
installed:
  description:
    - The names of the VMs that are installed now, and stopped. Empty in check mode.
  type: list
  elements: str
  returned: for O(step=install), where there are O(vms)
  sample: [web1]
failures:
  description: Why VMs were not installed, by their names.
  type: dict
  returned: for O(step=install), where there are O(vms)
  sample:
    mail1: "mail1: the installer gave up while it has its response file (64 s after ..."
progress:
  description:
    - The steps of each VM, in the order of their last lines. While the task works, the same lines
      are shown.
  type: list
  elements: dict
  returned: for O(step=install) and O(step=start), where there are O(vms), but not in check mode
  contains:
    vm:
      description: The VM.
      type: str
    step:
      description: What it does, as in C(fetches sets).
      type: str
    begun:
      description: How many seconds after the beginning this was first shown.
      type: int
    seconds:
      description: The same for its last line.
      type: int
    known:
      description: What was in parentheses in the last line.
      type: str
    waits_for:
      description: What it waited for, empty at the end.
      type: str
    fetched:
      description: Bytes of sets that were fetched, for O(step=install).
      type: int
    unpacked:
      description: Bytes of sets that were unpacked.
      type: int
    total:
      description: Bytes of all sets for this VM. V(0) where the server itself does not have them.
      type: int
    image:
      description: Bytes that its new image takes on the server's disk.
      type: int
  sample:
    - vm: web1
      step: fetches sets
      begun: 31
      seconds: 76
      known: base78.tgz 42 %, 198 of 501 MiB
      waits_for: the rest of base78.tgz
      fetched: 207618048
      unpacked: 0
      total: 525336576
      image: 8388608
host_keys:
  description: The public host keys of VMs that were just installed, by their names.
  type: dict
  returned: for O(step=start), where VMs were just installed, but not in check mode
  sample:
    web1: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBWcDBLMPu1WXn8+HKzegEKOQcDWqg3nfjnKqxlbiAyR]
server_keys:
  description: The public host keys of the server itself, for the owners of those VMs.
  type: list
  elements: str
  returned: for O(step=start), where VMs were just installed, but not in check mode
  sample: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHyeDe5dxgpdmYh+2nDqxnMCsiO4IUbXQMNAcEtQ1lWi]
"""
