# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

DOCUMENTATION = r"""
module: rollback
short_description: Show which replaced files a server keeps, and go back to them
version_added: 0.1.0
author: puffy.vmm contributors (!UNKNOWN)
description:
  - A generation is a transaction that changed files on a server, such as that of a role in
    C(puffy.vmm.site). The server keeps the last 100 of them, 256 MiB at most, with the old files
    and their modes and owners, readable only by root.
  - Without O(to), shows them, the newest first, and changes nothing.
  - With O(to), undoes all later generations, the newest first, so that each file has the content,
    mode and owner again that it had right after that one. A file that did not exist then is
    removed.
  - This is a transaction like any other. Files are guarded by their checksums, read by the daemons'
    own checkers before they are put into place, and loaded again by their running services. A
    change of files of the network, of pf(4) or of sshd_config(5) is confirmed over a new
    connection. If anything fails, everything is undone. It is a generation too, so that one can go
    back to before it.
  - Only files go back. Accounts and keys of owners, interfaces, values of the kernel, which
    services are enabled and with which flags, images, VMs, sets and packages stay as they are. The
    task names what it leaves. No secret, such as a response file, is kept, shown or put back.
  - No VM is started, stopped or cut off. It is refused where the old vm.conf(5) or dhcpd.conf(5)
    lacks a VM that runs, where vmd(8) would start a VM as it reads its file, or where vmd(8)
    refuses the file, such as for an image that is gone.
  - Inventory and fleet are not changed, and the next C(puffy.vmm.site) brings the server back to
    what they say.
options:
  to:
    description:
      - The number of a generation.
      - One less than the oldest that is kept stands for the state before that one.
    type: int
  edited:
    description:
      - What to do about a file that somebody has edited since this collection last wrote it.
      - V(refuse) names it and changes nothing. V(overwrite) replaces it too, and keeps the edited
        file in the new generation.
    type: str
    choices: [refuse, overwrite]
    default: refuse
attributes:
  idempotent:
    description: Changes nothing where all files are as they should be.
    support: full
  diff_mode:
    description: Shows what changes, without secrets.
    support: full
extends_documentation_fragment:
  - puffy.vmm.attributes
seealso:
  - module: puffy.vmm.configure
  - module: puffy.vmm.drift
"""

EXAMPLES = r"""
- name: Show what the server keeps
  puffy.vmm.rollback:

- name: Put the files back as they were right after generation 41
  puffy.vmm.rollback:
    to: 41
"""

RETURN = r"""
generations:
  description: What is kept on the server, the oldest first.
  type: list
  elements: dict
  returned: success
  contains:
    number:
      description: The number of the generation.
      type: int
    role:
      description: The state document that was carried out, or which rollback it was.
      type: str
    time:
      description: When it began, in UTC.
      type: str
    by:
      description: Who ran it.
      type: str
    changes:
      description: What it changed, in words.
      type: list
      elements: str
  sample:
    - number: 41
      role: dhcpd
      time: "2026-11-23T12:00:00Z"
      by: mira@control, process 4711
      changes: [change /etc/dhcpd.conf]
generation:
  description:
    - The newest of them before this task, which is how the files are now, as
      RV(puffy.vmm.configure#module:generation).
  type: dict
  returned: when there is one
changes:
  description: What was changed, or would be in check mode.
  type: list
  elements: str
  returned: when O(to) is given
  sample: [change /etc/dhcpd.conf, restart dhcpd]
details:
  description: The changes with their documents, as RV(puffy.vmm.configure#module:details).
  type: list
  elements: dict
  returned: when O(to) is given
notices:
  description: What stays as it is, as RV(puffy.vmm.configure#module:notices).
  type: list
  elements: dict
  returned: when O(to) is given
last_applied:
  description: When this collection last changed the server before this task, in UTC.
  type: str
  returned: when O(to) is given and it ever did
pending_restart:
  description: VMs that run with another definition than that of vm.conf until they are restarted.
  type: list
  elements: str
  returned: when there are any
"""
