# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

DOCUMENTATION = r"""
module: virtual_machine
short_description: Carry out one step in the life of virtual machines
version_added: 0.1.0
author: puffy.vmm contributors (!UNKNOWN)
description:
  - Looks at, installs, starts, stops, archives, restores or purges VMs of one server, several at
    once. The playbook C(puffy.vmm.vm) puts such steps together.
  - Every call of vmctl(8) has a time limit, since some do their work and never return, and what
    C(vmctl status) shows afterwards decides.
  - No image that holds anything is ever overwritten. An image that an installation replaces is
    kept under another name.
options:
  vms:
    description: VMs as the inventory plugin gives them to their server. None is nothing to do.
    type: list
    elements: dict
    required: true
  step:
    description:
      - What to do.
      - V(look) tells what is there, and what is to be done about it, and changes nothing.
      - V(check) fails where the server lacks what O(new) needs, and says what; it changes nothing.
      - V(begin) notes on the server that they are being installed. Until that is through, each run
        on this server leaves their response files alone and them out of vm.conf(5).
      - V(install) boots the installer from a new image, shows how far it is, and gives the image
        its name once it is proven that the installer finished, by its last words on the recorded
        console or by a call from C(install.site). Until then the old image is what it was. An
        installer that had no network and left the disk alone is started once more. A run that was
        cut off is continued. VMs that are not installed are in RV(failures) and do not fail the
        task, since others may be.
      - V(start) starts VMs that rest and waits until they answer on port 22. It fails before it
        starts any where C(/etc/firmware/vmm-bios) is missing, which V(install) and V(rescue) can do
        without. Of VMs that were just installed it returns the host keys, until V(finish) notes
        that this is through.
      - V(after) carries out what of O(plan) comes after the rights of owners were taken from
        vm.conf(5). It has guests shut down, and those of archived and purged VMs that an owner
        started in between, renames images of archived VMs, and removes all images of purged VMs for
        good, also those that were replaced.
      - V(rescue) boots the installer's kernel once, with the disk attached.
    type: str
    required: true
    choices:
      [look, check, before, install, after, start, finish, rescue]
  verb:
    description: For V(look), what is asked for.
    type: str
    choices:
      [apply, reinstall, suspend, resume, archive, restore, purge, restart, status, rescue]
    default: apply
  names:
    description: For V(look), the names of the VMs that it is asked for; all of O(vms) by default.
    type: list
    elements: str
  install:
    description: For V(look), whether VMs that were never installed may be.
    type: bool
    default: true
  plan:
    description: For V(before) and V(after), the RV(plan) of V(look).
    type: dict
    default: {}
  new:
    description: For V(check), the names of those of O(vms) that are to be installed.
    type: list
    elements: str
    default: []
  needs:
    description: For V(check), paths on the server without which nothing can be installed.
    type: list
    elements: path
    default: []
  limited:
    description:
      - For V(check), whether the fleet has a limit of its own for the memory of this server, which
        was checked already. Otherwise VMs may have what the server has, less 256 MiB for itself.
    type: bool
    default: false
  at_once:
    description:
      - For V(check), how many of O(new) may be installed at the same time. RV(at_once) is less
        where the server has fewer processors that are idle, or less memory that is free.
    type: int
    default: 16
  template:
    description: The template of the vm.conf(5) that an installation loads, of the role C(vmd).
    type: str
    default: install-vm.conf.j2
  timeout:
    description: After how many seconds without anything new an installation is given up.
    type: int
    default: 1800
  total_timeout:
    description: After how many seconds in all an installation is given up, whatever is new.
    type: int
    default: 7200
  interval:
    description: How many seconds to wait between two looks at an installation.
    type: float
    default: 2.0
  wait_for_ssh:
    description:
      - How many seconds a VM that was started has to answer on port 22; 0 does not wait.
      - One that was just installed has to. Of any other it is a warning after two minutes at most,
        since its owner may have closed the port.
    type: int
    default: 300
attributes:
  diff_mode:
    description: There is nothing to show a difference of.
    support: none
  idempotent:
    description: Changes nothing when it is run again.
    support: partial
    details: An installation that is asked for is carried out.
extends_documentation_fragment:
  - puffy.vmm.attributes
seealso:
  - module: puffy.vmm.host_state
"""

EXAMPLES = r"""
- name: Look at the VMs of this server
  puffy.vmm.virtual_machine:
    vms: "{{ vmm_vms }}"
    step: look
  register: look

- name: Stop those that are suspended
  puffy.vmm.virtual_machine:
    vms: "{{ vmm_vms }}"
    step: after
    plan: "{{ look.plan }}"
"""

RETURN = r"""
changes:
  description: What was done, or in check mode would be, one string each.
  type: list
  elements: str
  returned: when something was to be done
  sample: [stop web1]
at_once:
  description: How many VMs the server can install at the same time, O(at_once) at most.
  type: int
  returned: for O(step=check), where there are VMs to install
  sample: 4
installed:
  description: The names of the VMs that are installed now, and rest.
  type: list
  elements: str
  returned: for O(step=install)
  sample: [web1]
host_keys:
  description: The public host keys of VMs that were just installed, by their names.
  type: dict
  returned: for O(step=start)
  sample:
    web1: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBWcDBLMPu1WXn8+HKzegEKOQcDWqg3nfjnKqxlbiAyR]
failures:
  description: Why VMs were not installed, by their names.
  type: dict
  returned: for O(step=install)
  sample:
    mail1: "mail1: the installer gave up while it fetches sets (base78.tgz: 404)"
found:
  description: What is there, by the name of the VM.
  type: dict
  returned: for O(step=look)
  sample:
    web1:
      image: data
      archived: false
      installing: false
      installed: false
      state: running
      running: true
      pending: false
      pid: 56946
      disk_bytes: 1073741824
"""
