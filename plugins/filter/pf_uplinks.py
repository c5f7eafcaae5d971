# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

DOCUMENTATION = r"""
name: pf_uplinks
short_description: Check which interfaces of a switch lead out
version_added: 0.1.0
author: puffy.vmm contributors (!UNKNOWN)
description:
  - Returns the names of interfaces unchanged. It fails where one of them does not lead out, such as
    an interface group, or a VM's tap(4), which may be another VM's after the next boot.
options:
  _input:
    description: Names of interfaces, as of the variable C(pf_uplinks).
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Show them
  ansible.builtin.debug:
    msg: "{{ ['em1', 'vlan42'] | puffy.vmm.pf_uplinks }}"
"""

RETURN = r"""
_value:
  description: The same names.
  type: list
  elements: str
"""

from collections.abc import Callable, Sequence
from typing import Any

from ansible_collections.puffy.vmm.plugins.module_utils._grammar.uplink import pf_uplink
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.filter import named
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.plain import plain


@named("pf_uplinks")
def pf_uplinks(value: Any) -> list[str]:
    names = plain(value)
    if isinstance(names, str) or not isinstance(names, Sequence):
        raise ValueError("pf_uplinks must be a list of interfaces, such as [em1]")
    return [pf_uplink(name) for name in names]


class FilterModule:
    def filters(self) -> dict[str, Callable[..., object]]:
        return {"pf_uplinks": pf_uplinks}
