# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

DOCUMENTATION = r"""
module: sshfp_publish
short_description: Publish fingerprints of SSH host keys in DNS
version_added: 0.1.0
author: puffy.vmm contributors (!UNKNOWN)
description:
  - Brings the SSHFP records of hosts to the primary server of their zone, by an update as in RFC
    2136 that a TSIG key signs. C(ssh -o VerifyHostKeyDNS=yes) finds them there.
  - The records of a name are replaced as a whole when they differ. Other types of records, other
    names and other zones stay untouched.
  - A change between the look and the update stops the run, so that nobody's edit is lost. All names
    of an update, up to a hundred, change together or not at all.
  - Speaks TCP from the controller; no server is connected to. The answers of the name server have
    to be signed as well.
requirements:
  - dnspython >= 2.3 on the controller
options:
  fragment:
    description: The file that M(puffy.vmm.sshfp_fragment) writes, for O(all_vms).
    type: path
  server:
    description: Name or address of the zone's primary server.
    type: str
    required: true
  port:
    description: Its TCP port.
    type: int
    default: 53
  key_name:
    description: Name of the TSIG key.
    type: str
    required: true
  key_secret:
    description: The key's secret in base64, as tsig-keygen(8) prints it. Keep it in a vault.
    type: str
    required: true
  key_algorithm:
    description: The key's algorithm.
    type: str
    choices: [hmac-sha224, hmac-sha256, hmac-sha384, hmac-sha512]
    default: hmac-sha256
  timeout:
    description: How many seconds the name server may take for an answer.
    type: float
    default: 10.0
notes:
  - BIND allows such an update with C(update-policy { grant KEY zonesub SSHFP; };) in the zone.
  - nsd(8) takes no updates; M(puffy.vmm.sshfp_fragment) is for it.
attributes:
  diff_mode:
    description: Shows the records before and after.
    support: full
extends_documentation_fragment:
  - puffy.vmm.attributes
  - puffy.vmm.fleet
  - puffy.vmm.sshfp
seealso:
  - module: puffy.vmm.server_info
  - module: puffy.vmm.sshfp_fragment
  - name: RFC 4255
    description: Using DNS to securely publish Secure Shell (SSH) key fingerprints.
    link: https://www.rfc-editor.org/rfc/rfc4255
  - name: RFC 2136
    description: Dynamic updates in the Domain Name System.
    link: https://www.rfc-editor.org/rfc/rfc2136
"""

EXAMPLES = r"""
- name: Look at the server
  puffy.vmm.server_info:
  register: server

- name: Publish its fingerprints
  puffy.vmm.sshfp_publish:
    zone: example.org
    names: "{{ {inventory_hostname: server.host_keys} }}"
    server: ns1.example.org
    key_name: sshfp
    key_secret: "{{ sshfp_key_secret }}"

- name: Remove the records of a server that is gone
  puffy.vmm.sshfp_publish:
    zone: example.org
    names: {server9: []}
    server: ns1.example.org
    key_name: sshfp
    key_secret: "{{ sshfp_key_secret }}"
  delegate_to: localhost
"""

RETURN = r"""
names:
  description: The absolute names whose records changed, or would change in check mode.
  type: list
  elements: str
  returned: success
  sample: [server1.example.org.]
"""
