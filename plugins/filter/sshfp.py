# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

DOCUMENTATION = r"""
name: sshfp
short_description: The SSHFP record of a public SSH key
version_added: 0.1.0
author: puffy.vmm contributors (!UNKNOWN)
description:
  - Makes the data of the DNS record by which C(ssh -o VerifyHostKeyDNS=yes) recognises a host, with
    the SHA-256 digest of the host's key.
options:
  _input:
    description: The key, as in C(/etc/ssh/ssh_host_ed25519_key.pub).
    type: string
    required: true
seealso:
  - name: RFC 4255
    description: Using DNS to securely publish Secure Shell (SSH) key fingerprints.
    link: https://www.rfc-editor.org/rfc/rfc4255
  - name: RFC 7479
    description: Using Ed25519 in SSHFP resource records.
    link: https://www.rfc-editor.org/rfc/rfc7479
"""

EXAMPLES = r"""
- name: Show a line for a zone file
  ansible.builtin.debug:
    msg: "{{ inventory_hostname }}. IN SSHFP {{ key | puffy.vmm.sshfp }}"
  vars:
    key: "{{ lookup('ansible.builtin.file', 'server1/ssh_host_ed25519_key.pub') }}"
"""

RETURN = r"""
_value:
  description: The algorithm's number, the digest's number and the digest, with blanks between them.
  type: string
  sample: 4 2 8e8b9a1b2c6d1d6a6b7c2a6f3a0d1c4e5f60718293a4b5c6d7e8f90a1b2c3d4e
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.puffy.vmm.plugins.module_utils._grammar.ssh_keys import parse_ssh_key
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.filter import named, text


@named("sshfp")
def sshfp(value: Any) -> str:
    algorithm, digest_type, digest = parse_ssh_key(text(value).strip()).sshfp()
    return f"{algorithm} {digest_type} {digest}"


class FilterModule:
    def filters(self) -> dict[str, Callable[..., object]]:
        return {"sshfp": sshfp}
