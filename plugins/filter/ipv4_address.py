# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

DOCUMENTATION = r"""
name: ipv4_address
short_description: The IPv4 address of a VM from a server's range and the VM's number
version_added: 0.1.0
author: puffy.vmm contributors (!UNKNOWN)
description:
  - Counts from the first address of a server's range, as the fleet model does for a VM without an
    address of its own.
positional: number
options:
  _input:
    description:
      - A network, such as V(203.0.113.0/24), whose range begins with the first usable address of
        the network.
      - Or a range, as a list of its first and its last address.
    type: raw
    required: true
  number:
    description: The number of the VM, from 1 on. Number 1 has the first address.
    type: int
    required: true
seealso:
  - plugin: puffy.vmm.mac_address
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show the address of VM number 7, 203.0.113.7
  ansible.builtin.debug:
    msg: "{{ '203.0.113.0/24' | puffy.vmm.ipv4_address(7) }}"

- name: Show the address of VM number 7, 203.0.113.16
  ansible.builtin.debug:
    msg: "{{ ['203.0.113.10', '203.0.113.200'] | puffy.vmm.ipv4_address(7) }}"
"""

RETURN = r"""
_value:
  description: The address.
  type: string
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.puffy.vmm.plugins.module_utils._grammar.address_plan import ipv4_bounds
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.addresses import ipv4_network
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.networks import ipv4_range
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.filter import (
    named,
    nth_address,
    number,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.plain import plain


@named("ipv4_address")
def ipv4_address(value: Any, vm_number: Any) -> str:
    found = plain(value)
    first, last = ipv4_bounds(ipv4_network(found)) if isinstance(found, str) else ipv4_range(found)
    return nth_address(first, last, number(vm_number, "number"))


class FilterModule:
    def filters(self) -> dict[str, Callable[..., object]]:
        return {"ipv4_address": ipv4_address}
