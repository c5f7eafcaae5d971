# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

DOCUMENTATION = r"""
name: mac_address
short_description: The MAC address of a VM from a server's prefix and the VM's number
version_added: 0.1.0
author: puffy.vmm contributors (!UNKNOWN)
description:
  - Puts the number of a VM behind the prefix that a server has for its VMs, as the fleet model does
    for a VM without an address of its own.
positional: number, base
options:
  _input:
    description: The first four or five octets, with colons.
    type: string
    required: true
  number:
    description: The number of the VM, from 1 on.
    type: int
    required: true
  base:
    description:
      - With V(hex), number 10 becomes the octet C(0a).
      - With V(decimal), it becomes the octet C(10).
    type: string
    choices: [hex, decimal]
    default: hex
seealso:
  - plugin: puffy.vmm.ipv4_address
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show the MAC address of VM number 10, fe:e1:bb:d1:c8:0a
  ansible.builtin.debug:
    msg: "{{ 'fe:e1:bb:d1:c8' | puffy.vmm.mac_address(10) }}"
"""

RETURN = r"""
_value:
  description: The MAC address, in lower case with colons.
  type: string
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.puffy.vmm.plugins.module_utils._grammar.address_plan import MacPlan
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.addresses import mac_prefix
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.plain.values import choice
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.filter import named, number, text


@named("mac_address")
def mac_address(prefix: Any, vm_number: Any, base: str = "hex") -> str:
    plan = MacPlan(mac_prefix(text(prefix)), choice(text(base, "base"), ("hex", "decimal")))
    return plan.mac(number(vm_number, "number"))


class FilterModule:
    def filters(self) -> dict[str, Callable[..., object]]:
        return {"mac_address": mac_address}
