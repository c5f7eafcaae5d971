# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

DOCUMENTATION = r"""
module: report
short_description: Write a report of the fleet, as a page and as JSON
version_added: 0.1.0
author: puffy.vmm contributors (!UNKNOWN)
description:
  - Writes one self-contained HTML page, and the same as JSON. They show how many VMs are deployed,
    the servers with their memory, disks and addresses, who has the addresses of each network, all
    VMs, which of them wait for a restart, differences from the fleet, drives, and versions.
  - No password, hash, key or one-time path is in it. Names of customers and VMs are.
  - Connects to no server. M(puffy.vmm.configure) looks at them before, with
    O(puffy.vmm.configure#module:compare) and O(puffy.vmm.configure#module:survey). A server
    that was not looked at is shown from the fleet directory alone, and the report says so.
  - Runs on the controller. The playbook C(puffy.vmm.report) uses it.
options:
  results:
    description:
      - The result of M(puffy.vmm.configure) by the name of the server. One that failed, or whose
        server was not reached, belongs here as well, and an empty one for a server that was not
        asked.
    type: dict
    default: {}
  directory:
    description:
      - A directory on the controller, which gets C(index.html) and C(report.json). It is created if
        it is missing; its parent must exist.
      - C(report) in the fleet directory by default.
      - Both files are written in check mode too, each atomically.
    type: path
  mode:
    description:
      - The permissions of the files, in octal. A directory that is created can be entered by those
        who may read the files.
    type: str
    default: "0640"
attributes:
  idempotent:
    description: The report has the time at which it was made.
    support: none
extends_documentation_fragment:
  - puffy.vmm.attributes.no_diff
  - puffy.vmm.attributes
  - puffy.vmm.fleet.servers
seealso:
  - module: puffy.vmm.configure
  - module: puffy.vmm.drift
"""

EXAMPLES = r"""
- name: Write a report of what the fleet directory says
  puffy.vmm.report:
  delegate_to: localhost
  run_once: true

- name: Write a report for a web server, with what a server showed
  puffy.vmm.report:
    results:
      server1: "{{ hostvars.server1.server_state }}"
    directory: /var/www/htdocs/fleet
    mode: "0644"
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
summary:
  description: The report in one line.
  type: str
  returned: success
  sample: 304 VMs deployed on 8 servers, 1 without live data (server3)
deployed:
  description: How many VMs have a system and are not archived.
  type: int
  returned: success
  sample: 304
live:
  description: Whether any server was asked.
  type: bool
  returned: success
page:
  description: The path of the page.
  type: str
  returned: success
  sample: /home/mira/fleets/production/report/index.html
data:
  description: The path of the JSON.
  type: str
  returned: success
  sample: /home/mira/fleets/production/report/report.json
"""
