# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

DOCUMENTATION = r"""
module: backup
short_description: Back up images of virtual machines, and restore them
version_added: 0.1.0
author: puffy.vmm contributors (!UNKNOWN)
description:
  - One step of the playbooks C(puffy.vmm.backup) and C(puffy.vmm.restore_test), and of
    C(puffy.vmm.vm) with C(verb=restore-from). Use it through them.
  - A backup has all disks of a VM, each as a file of gzip(1) with the SHA-256 of the image and of
    the file, and a record of the VM. It is complete or does not count. Only root can read it, or
    on the controller its user.
  - The server copies on its own, and continues when the connection is lost. A VM that was paused or
    stopped for a copy runs again afterwards, even when the copying process is killed.
options:
  step:
    description:
      - V(take) copies O(vms) to O(place), and removes backups there that O(keep) and O(keep_days)
        do not keep. What is for another server stays on the controller until V(put).
      - V(put) brings O(taken) to O(place), which is on the host of this task.
      - V(note) notes O(taken) on the VMs' own server, where others ask how old backups are.
      - V(list) returns what O(place) has.
      - V(get) brings a backup from O(place), on the host of this task, to the controller.
      - V(restore) unpacks a backup next to the images of a stopped VM, compares it with its
        checksums, and then gives it their names, all of it or nothing.
      - V(test) unpacks a backup where it does no harm, compares it with its checksums, checks
        whether vmd(8) could start from it, and removes it again.
    type: str
    required: true
    choices: [take, put, note, list, get, restore, test]
  place:
    description:
      - Where backups are. V(/home/backups) is a directory of each VM's own server,
        V(server2:/home/backups) of another one, and V(controller:/srv/backups) of the controller.
    type: str
    default: ""
  vms:
    description: The names of VMs. The one whose backup it is for V(get) and V(restore).
    type: list
    elements: str
    default: []
  mode:
    description:
      - How a VM that runs is copied. V(paused) has vmd(8) pause it while its images are copied on
        the server. Its disks are then as after a loss of power at that moment.
      - V(stopped) has it shut down, and starts it again after the copy. A guest other than OpenBSD
        cannot be shut down by vmd(8) and loses its power at once; V(paused) is better for it.
      - V(crash-consistent) copies raw images while it runs. The guest has to cope with parts from
        different moments. It is refused for qcow2 images.
      - A VM that does not run is copied as it is, and its backup is V(stopped), whatever was asked
        for.
    type: str
    choices: [paused, stopped, crash-consistent]
    default: paused
  pause_limit:
    description:
      - The seconds that a copy of a paused VM may take. When they are over, the VM runs again and
        the backup fails.
    type: int
    default: 300
  stop_timeout:
    description: The seconds that a VM has to shut down. vmd(8) ends it after 123 s itself.
    type: int
    default: 180
  keep:
    description: How many intact backups of a VM are kept at least. The newest one always is.
    type: int
    default: 7
  keep_days:
    description: A backup that is younger than this many days is kept in any case.
    type: int
    default: 0
  taken:
    description: The records of backups that a task before this one returned.
    type: list
    elements: dict
    default: []
  backup:
    description: The name of a backup, or V(latest).
    type: str
    default: ""
  target:
    description: The VM that gets the images, if it is not the one that they come from.
    type: str
    default: ""
  overwrite:
    description:
      - The name of the VM whose images may be replaced. They are kept in the same directory, with
        C(replaced) and the time in their names.
    type: str
    default: ""
attributes:
  idempotent:
    description: Each run takes a backup.
    support: none
extends_documentation_fragment:
  - puffy.vmm.attributes.no_diff
  - puffy.vmm.attributes
seealso:
  - module: puffy.vmm.configure
"""

EXAMPLES = r"""
- name: Copy a VM to another directory of its server
  puffy.vmm.backup:
    step: take
    place: /home/backups
    vms: [web1]

- name: Show what the controller has
  puffy.vmm.backup:
    step: list
    place: controller:/srv/backups
"""

RETURN = r"""
changes:
  description: What was done, or would be in check mode.
  type: list
  elements: str
  returned: for V(take) and V(restore)
  sample: [back up web1 as 20261129T030000Z]
taken:
  description: The records of the backups that were taken.
  type: list
  elements: dict
  returned: for V(take)
  contains: &record
    vm:
      description: The VM.
      type: str
    id:
      description: The name of the backup, which is when it was begun, in UTC.
      type: str
    taken:
      description: The moment whose state it holds, in UTC.
      type: str
    mode:
      description: How the VM was then.
      type: str
    stood_still:
      description: For how many seconds the VM was paused or stopped.
      type: int
    server:
      description: The VM's server.
      type: str
    owner:
      description: The VM's owner.
      type: str
    disks:
      description: Its images, with their sizes in bytes and their checksums.
      type: list
      elements: dict
    tested:
      description: When it was last restored for a test, and whether it was found to be damaged.
      type: dict
backups:
  description: The records of the backups that are there.
  type: list
  elements: dict
  returned: for V(list) and V(get)
  contains: *record
tested:
  description: The name of the backup that was restored for a test.
  type: str
  returned: for V(test)
vm:
  description: The VM that it belongs to.
  type: str
  returned: for V(test)
progress:
  description: The progress lines of the task, as data.
  type: list
  elements: dict
  returned: when there are any
"""
