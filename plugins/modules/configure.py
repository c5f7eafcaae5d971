# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

DOCUMENTATION = r"""
module: configure
short_description: Bring an OpenBSD server to what roles of this collection want of it
version_added: 0.1.0
author: puffy.vmm contributors (!UNKNOWN)
description:
  - Reads the variables and the state documents of roles, checks their arguments, looks at the
    server once, and sends one request that changes everything.
  - Each role is a transaction of its own within that request, in order. The first that fails is
    put back and ends the run for the server. What went before stays, says the error.
  - A change that has to be confirmed, such as one of the network, is confirmed over a new
    connection before the next role is carried out.
  - That is one SSH execution where nothing changes, two where something does or with C(--diff), and
    one more for each confirmed change.
options:
  roles:
    description:
      - Names of roles of this collection, in the order in which they are carried out.
      - C(--tags) and C(--skip-tags) leave those that they name.
    type: list
    elements: str
    required: true
  installing:
    description: Names of VMs that this run installs.
    type: list
    elements: str
    default: []
  held:
    description: Names of VMs that are being installed, by this run or another.
    type: list
    elements: str
    default: []
  only:
    description:
      - Names of the VMs that the run is for. It fails if anything else would be changed.
      - All of the server may be changed where it is not given.
    type: list
    elements: str
  render_to:
    description: A directory of the controller to write the files to, without a server.
    type: path
extends_documentation_fragment:
  - puffy.vmm.attributes
"""

EXAMPLES = r"""
- name: Configure all of a server
  puffy.vmm.configure:
    roles: [sysctl, tap, network, pf, accounts, vmd, dhcpd, httpd, sets, autoinstall, sensorsd]
"""

RETURN = r"""
changes:
  description: What is changed, a line each; in check mode, what a run would change.
  returned: always
  type: list
  elements: str
  sample: ["change /etc/dhcpd.conf", "restart dhcpd"]
details:
  description: The changes with the documents that want them.
  returned: when a server was looked at
  type: list
  elements: dict
  contains:
    document:
      description: The name of the document, which is that of a role but for a few.
      type: str
    change:
      description: The change in words.
      type: str
    consequence:
      description: Whether it follows from another change and is not a difference by itself.
      type: bool
notices:
  description: What an operator should know, with the documents that it concerns.
  returned: when a server was looked at
  type: list
  elements: dict
  contains:
    document:
      description: The name of the document.
      type: str
    text:
      description: The notice.
      type: str
pending_restart:
  description: VMs that run with an older definition than their files have.
  returned: when there are some
  type: list
  elements: str
last_applied:
  description: When this collection last changed the server, in UTC.
  returned: when it ever did
  type: str
  sample: "2026-01-31T12:00:00Z"
roles:
  description: The roles that were carried out.
  returned: when a server was looked at
  type: list
  elements: str
"""
