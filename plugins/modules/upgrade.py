# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

DOCUMENTATION = r"""
module: upgrade
short_description: Install errata or another release on a server, and bring its VMs back
version_added: 0.1.0
author: puffy.vmm contributors (!UNKNOWN)
description:
  - Brings one server to the errata of its release by syspatch(8), or to the next release by
    sysupgrade(8), in steps. Each is noted on the server, so that a run that was cut off anywhere
    is continued by the next one, and nothing is done twice.
  - Checks that there is room, that the mirror answers, that no VM is being installed or paused,
    that every running VM is in vm.conf(5), and that the server is as the fleet says. Then it
    installs, has all VMs that run shut down at the same time, reboots, and waits until the server
    is back with all that rc(8) does once, such as fetching firmware.
  - The VMs that ran are started by the server itself when it boots, staggered as always, and no
    others. A VM that its owner had stopped stays stopped. Those that answered on port 22 before
    have to answer again.
  - A step that fails before the reboot has the VMs started again that it had stopped.
  - The playbook C(puffy.vmm.upgrade) does this for one server after the other, and compares each
    with the fleet before and afterwards.
options:
  step:
    description:
      - V(upgrade) does all up to the VMs that answer. V(finish) ends it, after the server was
        compared with the fleet.
    type: str
    choices: [upgrade, finish]
    default: upgrade
  to:
    description:
      - The release that the server gets, the one that follows its own, such as V(7.9).
      - Without it, the errata of its own release are installed.
    type: str
  announce_hours:
    description:
      - Announces the upgrade to the owners of the VMs this many hours before, in C(/etc/motd) and
        by mail to each owner's account on the server, and ends. The same task begins when that time
        has come.
      - V(0) begins even though another time was announced.
    type: int
  backup_hours:
    description:
      - Refuses to begin unless each VM has a backup that is younger than this many hours.
    type: int
  boot_minutes:
    description: How many minutes the server may take to come back after its reboot.
    type: int
    default: 60
  wait_for_ssh:
    description: How long VMs may take, in seconds, until they answer on port 22 again.
    type: int
    default: 300
  interval:
    description: Seconds between two looks at a server that boots.
    type: float
    default: 5.0
  drift:
    description:
      - The result of M(puffy.vmm.configure) with O(puffy.vmm.configure#module:compare=true). An
        upgrade does not begin where something differs.
    type: dict
    default: {}
attributes:
  check_mode:
    description: Shows what would be done, in order and with the names of VMs.
    support: full
  idempotent:
    description: Changes nothing where all errata are installed.
    support: full
extends_documentation_fragment:
  - puffy.vmm.attributes.no_diff
  - puffy.vmm.attributes
seealso:
  - module: puffy.vmm.configure
"""

EXAMPLES = r"""
- name: Install the errata of the server's release
  puffy.vmm.upgrade:

- name: Upgrade the server to the next release
  puffy.vmm.upgrade:
    to: "7.9"
"""

RETURN = r"""
changes:
  description: What was done in this run, or would be in check mode.
  type: list
  elements: str
  returned: always
  sample: [run syspatch, stop web1, reboot the server]
next:
  description:
    - What comes next. V(finish) is to compare the server with the fleet, V(await) to wait for the
      time that was announced, V(nothing) that nothing was to be done.
  type: str
  returned: when O(step=upgrade)
release:
  description: The release that the server ran before.
  type: str
  returned: when O(step=upgrade)
begun:
  description: Whether an upgrade is to be compared and finished.
  type: bool
  returned: when O(step=upgrade)
"""
