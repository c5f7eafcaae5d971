# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

DOCUMENTATION = r"""
module: drift
short_description: Show what differs on servers, in one table
version_added: 0.1.0
author: puffy.vmm contributors (!UNKNOWN)
description:
  - Takes the results that M(puffy.vmm.configure) had in check mode on many servers, and shows them
    as one table with the server, the role, the difference, and when the server was last changed by
    this collection.
  - A server that could not be looked at is in the table too, and counts as a difference.
  - Runs on the controller. The playbook C(puffy.vmm.check) uses it.
options:
  results:
    description:
      - The result of M(puffy.vmm.configure) by the name of the server.
      - A result that failed, or whose server was not reached, belongs here as well.
    type: dict
    required: true
  path:
    description:
      - A file on the controller that gets the table, or JSON if its name ends in V(.json).
      - It is written in check mode too, since it is a report.
    type: path
extends_documentation_fragment:
  - puffy.vmm.attributes.no_diff
  - puffy.vmm.attributes
seealso:
  - module: puffy.vmm.configure
  - module: puffy.vmm.rollback
"""

EXAMPLES = r"""
- name: Show what differs
  puffy.vmm.drift:
    results:
      server1: "{{ hostvars.server1.server_state }}"
  register: drift

- name: Fail where something differs
  ansible.builtin.fail:
    msg: "{{ drift.summary }}"
  when: drift.differs
"""

RETURN = r"""
differs:
  description: Whether anything differs, or could not be looked at.
  type: bool
  returned: success
summary:
  description: The result in one line.
  type: str
  returned: success
  sample: of 2 servers, 1 not as the fleet says (server1)
generations:
  description:
    - By server, its present generation of files with its C(number), C(role) and C(time).
    - See M(puffy.vmm.rollback).
  type: dict
  returned: success
  sample: {server1: {number: 41, role: dhcpd, time: "2026-11-23T12:00:00Z"}}
drift:
  description: The rows of the table.
  type: list
  elements: dict
  returned: success
  contains:
    server:
      description: The server.
      type: str
    role:
      description: The role.
      type: str
    kind:
      description: The kind of row.
      type: str
      choices: [change, notice, pending restart, failed, unreachable, unchecked]
    what:
      description: What a run would do, or why there is no answer.
      type: str
    last_applied:
      description: When the server was last changed by this collection, in UTC.
      type: str
  sample:
    - server: server1
      role: dhcpd
      kind: change
      what: change /etc/dhcpd.conf
      last_applied: "2026-11-23T12:00:00Z"
"""
