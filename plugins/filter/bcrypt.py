# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

DOCUMENTATION = r"""
name: bcrypt
short_description: The bcrypt hash of a password, as OpenBSD uses it
version_added: 0.1.0
author: puffy.vmm contributors (!UNKNOWN)
description:
  - Hashes a password with a new salt, as encrypt(1) does on OpenBSD. The hash is different
    each time.
  - A password that bcrypt would cut off or reject is refused.
positional: cost
options:
  _input:
    description: The password.
    type: string
    required: true
  cost:
    description: The cost, from 8 to 16. One more doubles the work.
    type: int
    default: 10
seealso:
  - plugin: puffy.vmm.password
    plugin_type: filter
  - module: puffy.vmm.credentials
"""

EXAMPLES = r"""
- name: Hash a password
  ansible.builtin.set_fact:
    hash: "{{ password | puffy.vmm.bcrypt(cost=11) }}"
  no_log: true
"""

RETURN = r"""
_value:
  description: The hash, which begins with C($2b$).
  type: string
  sample: $2b$10$abcdefghijklmnopqrstuuTEw8POU2MwwuYEM7WaKcjqZ948Hm7.W
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.puffy.vmm.plugins.module_utils._formats.passwords import (
    DEFAULT_COST,
    bcrypt_hash,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.filter import named, number, text


@named("bcrypt")
def bcrypt(value: Any, cost: int = DEFAULT_COST) -> str:
    return bcrypt_hash(text(value), number(cost, "cost"))


class FilterModule:
    def filters(self) -> dict[str, Callable[..., object]]:
        return {"bcrypt": bcrypt}
