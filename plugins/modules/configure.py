# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

DOCUMENTATION = r"""
module: configure
short_description: Bring an OpenBSD server to what roles and VM files say
version_added: 0.1.0
author: puffy.vmm contributors (!UNKNOWN)
description:
  - Looks at a server once, for the state documents of all O(roles) and for its VMs, decides what to
    do with each VM, and sends one request that changes everything. Each role of this collection
    is one task of this module, and the playbooks C(puffy.vmm.site), C(puffy.vmm.vm) and
    C(puffy.vmm.check) use one for all roles of a server.
  - The state document of a role is data in its C(vars/main.yml), with the options of
    M(puffy.vmm.host_state). Its variables are checked against its C(meta/argument_specs.yml).
  - Each document is a transaction of its own, in the order of O(roles). The first that fails is
    undone and ends the run for this server. The error names those before it, which stay.
  - A change that has to be confirmed, such as one of the network, is confirmed over a new
    connection before the next document is carried out.
  - What takes minutes is left to the tasks that follow. RV(life) names the VMs that are to be
    installed, started and rescued with M(puffy.vmm.virtual_machine).
  - A VM that was installed is not installed again unless O(verb=reinstall) names it. The reasons
    why a request for a VM is refused are in RV(errors), and that VM is left as it is. The task
    fails before it changes anything when all O(vms) are refused, or when what the server has under
    the name of a VM could be another one.
  - Takes one SSH execution where nothing changes, two where something does. One more with C(--diff)
    where files change, for each change that is confirmed, where VMs are to be installed, whose
    needs are checked first, and where the server raises further questions, such as an image without
    a record in the ledger, or an unexpected release where C(vmm_release) is not set.
options:
  roles:
    description:
      - Names of roles of this collection, in the order in which they are carried out.
      - C(--tags) and C(--skip-tags) select among them by these names.
      - An empty list looks at the VMs and at nothing else.
    type: list
    elements: str
    required: true
  verb:
    description:
      - What is asked for the VMs, as C(-e verb=) of the playbook C(puffy.vmm.vm).
      - V(apply) brings each to the state in its VM file. V(status) changes no VM.
      - V(leave) stops a VM that is being moved and takes it out of vm.conf(5). V(arrive) is for
        where it comes to.
    type: str
    choices:
      - apply
      - reinstall
      - suspend
      - resume
      - archive
      - restore
      - purge
      - restart
      - installed
      - status
      - rescue
      - leave
      - arrive
    default: apply
  vms:
    description: Names of the VMs that O(verb) is for. By default all VMs of the server.
    type: list
    elements: str
  install:
    description: Whether VMs that were never installed may be.
    type: bool
    default: true
  others:
    description:
      - Whether anything else than O(vms) may be changed.
      - With V(false), the task fails before it changes anything and names what it would touch.
    type: bool
    default: true
  mirrors:
    description:
      - Whether this run has the server mirror the sets of its release.
      - Before VMs are installed, the installer's kernel and the sets must be on the server
        otherwise.
    type: bool
    default: false
  life:
    description:
      - Whether VMs are stopped, archived, restored and purged, and which are to be installed.
      - With V(false), only the O(roles) are carried out, as each role does when it is used alone.
    type: bool
    default: true
  credentials:
    description:
      - Whether VMs that are installed get their first passwords, whose hashes are read from the
        fleet directory with the vault secret.
      - With V(false), they are installed with keys only.
    type: bool
    default: true
  compare:
    description:
      - Shows all differences, for check mode. A role that cannot be understood, or a document that
        cannot be carried out, is in RV(errors) and does not hide the others.
    type: bool
    default: false
  survey:
    description:
      - Whether RV(survey) is asked for as well, in the same look.
    type: bool
    default: false
  installing:
    description: With O(render_to), names of VMs to write files for as if they were being installed.
    type: list
    elements: str
    default: []
  render_to:
    description:
      - A directory of the controller. The files that the server would get are written there, below
        a directory of its name, and the server is not connected to.
    type: path
attributes:
  idempotent:
    description: Changes nothing when it is run again.
    support: partial
    details: O(verb=restart) and O(verb=reinstall) are carried out each time.
extends_documentation_fragment:
  - puffy.vmm.attributes
seealso:
  - module: puffy.vmm.host_state
  - module: puffy.vmm.virtual_machine
  - module: puffy.vmm.drift
"""

EXAMPLES = r"""
- name: Configure dhcpd(8) and httpd(8)
  puffy.vmm.configure:
    roles: [dhcpd, httpd]
    life: false

- name: Bring one VM to what its file says, and touch no other
  puffy.vmm.configure:
    roles: [pf, accounts, vmd, dhcpd, httpd, autoinstall]
    vms: [web1]
    others: false
  register: server_state

- name: Show what is left to do for it
  ansible.builtin.debug:
    var: server_state.life

- name: Look at all VMs of the server
  puffy.vmm.configure:
    roles: []
    verb: status

- name: Write the files that the server would get
  puffy.vmm.configure:
    roles: [vmd, dhcpd, autoinstall]
    installing: [web1]
    render_to: /tmp/review
"""

RETURN = r"""
changes:
  description:
    - What was changed, or in check mode would be, one string each.
    - In check mode VMs that would be installed or started are included.
  type: list
  elements: str
  returned: success
  sample: [change /etc/dhcpd.conf, restart dhcpd]
details:
  description: The changes with their documents.
  type: list
  elements: dict
  returned: when a server was looked at
  contains:
    document:
      description:
        - The name of the document, which is that of its role unless the role has several.
        - C(VMs) for what is done with VMs.
      type: str
    change:
      description: The change in words.
      type: str
    consequence:
      description: Whether it only follows from another change.
      type: bool
notices:
  description: What an operator should know, with the documents that it concerns.
  type: list
  elements: dict
  returned: when a server was looked at
  contains:
    document:
      description: The name of the document.
      type: str
    text:
      description: The notice.
      type: str
errors:
  description:
    - Why requests for single VMs were refused, for which nothing was changed.
    - With O(compare), also the roles and documents that cannot be carried out.
  type: list
  elements: dict
  returned: when a server was looked at
  contains:
    document:
      description: The name of the document, or C(VMs).
      type: str
    text:
      description: What is wrong, and what to do.
      type: str
life:
  description: What is decided about VMs. With O(life=false), none of it is carried out.
  type: dict
  returned: when a server was looked at
  contains:
    refuse:
      description: Why VMs are left as they are, by their names.
      type: dict
    clashes:
      description: VMs that may not be those that the server has, a reason to change nothing.
      type: list
      elements: str
    hold:
      description: VMs whose installation is under way. Their response files stay.
      type: list
      elements: str
    forget:
      description: VMs that lose the note of an installation that never began.
      type: list
      elements: str
    claim:
      description: VMs that get the note of an installation.
      type: list
      elements: str
    stop:
      description: VMs that are stopped.
      type: list
      elements: str
    restore:
      description: VMs whose archived images get their names back.
      type: list
      elements: str
    archive:
      description: VMs whose images are renamed to be kept.
      type: list
      elements: str
    purge:
      description: VMs whose images are removed. M(puffy.vmm.quarantine) is left to do.
      type: list
      elements: str
    install:
      description: VMs that are left to be installed.
      type: list
      elements: str
    start:
      description: VMs that are left to be started, those of C(install) included.
      type: list
      elements: str
    rescue:
      description: VMs that are left to be booted into the installer's shell.
      type: list
      elements: str
    record:
      description: VMs whose images were found without a record in the ledger, which has one now.
      type: list
      elements: str
    create:
      description: VMs that get blank images, for disks that never existed.
      type: list
      elements: str
    disks:
      description: VMs whose further disks are all in vm.conf(5), and in the ledger.
      type: list
      elements: str
    cdrom:
      description: VMs that boot from their CDs.
      type: list
      elements: str
    kernel:
      description: VMs that boot a kernel of the server.
      type: list
      elements: str
    defined:
      description: VMs that vm.conf(5) has.
      type: list
      elements: str
    lost:
      description: VMs that are left out of vm.conf(5) while their images are missing.
      type: list
      elements: str
vms:
  description: What the server showed of each VM before the change, by its name.
  type: dict
  returned: when a server was looked at
  contains:
    image:
      description: Whether its image is there, and holds a system or was never written to.
      type: str
      choices: [absent, blank, data]
    archived:
      description: Whether there is an archived image.
      type: bool
    installing:
      description: Whether an installation is under way.
      type: bool
    installed:
      description: Whether it was just installed, and has not answered since.
      type: bool
    from_cdrom:
      description: Whether it boots from its CD.
      type: bool
    state:
      description: The state that vmctl(8) shows, or V(unknown) for a VM that vmd(8) does not know.
      type: str
    running:
      description: Whether it runs.
      type: bool
    pending:
      description: Whether it runs with an older definition until it is restarted.
      type: bool
    pid:
      description: The process of vmd(8) that runs it.
      type: int
    disk_bytes:
      description: How much space its images take on the server's disks.
      type: int
    image_bytes:
      description: How much each of them takes, the first disk's first.
      type: list
      elements: int
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
      image_bytes: [1073741824]
at_once:
  description: How many VMs the server can install at the same time, C(vmm_install_limit) at most.
  type: int
  returned: when a server was looked at
  sample: 4
last_applied:
  description: When this collection last changed the server before this run, in UTC.
  type: str
  returned: when it ever did
  sample: "2026-11-23T12:00:00Z"
generation:
  description: The server's present generation of files before this run, see M(puffy.vmm.rollback).
  type: dict
  returned: when there is one
  contains:
    number:
      description: Its number.
      type: int
    role:
      description: The state document that was carried out, or which rollback it was.
      type: str
    time:
      description: When it began, in UTC.
      type: str
pending_restart:
  description: VMs that run with an older definition than vm.conf's until they are restarted.
  type: list
  elements: str
  returned: when there are any
survey:
  description: What the server has, including what the fleet does not know.
  type: dict
  returned: with O(survey)
  contains:
    memory:
      description: Its memory in bytes.
      type: int
    processors:
      description: How many processors it uses.
      type: int
    load:
      description: Its load average of the last minute.
      type: float
    release:
      description: The release of OpenBSD.
      type: str
    kernel:
      description: Its kernel, as in V(GENERIC.MP#1).
      type: str
    file_systems:
      description:
        - C(directory), C(mount), and in bytes C(size), C(used) and C(free), of each directory of
          images.
      type: list
      elements: dict
    drives:
      description: C(name), C(value) and C(status) of the sensors of its drives.
      type: list
      elements: dict
    strangers:
      description: Names of VMs that vmd(8) or vm.conf(5) has and the fleet does not.
      type: list
      elements: str
    hosts:
      description: C(name), C(mac) and C(addresses) of hosts in dhcpd.conf(5) that are not VMs.
      type: list
      elements: dict
    based:
      description: Paths of images of the fleet's VMs whose qcow2 header names a base image.
      type: list
      elements: str
roles:
  description: The roles of O(roles) that C(--tags) and C(--skip-tags) left.
  type: list
  elements: str
  returned: when a server was looked at
"""
