# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

DOCUMENTATION = r"""
name: vm_conf_string
short_description: A string of vm.conf(5)
version_added: 0.1.0
author: puffy.vmm contributors (!UNKNOWN)
description:
  - Puts a value in quotes for vm.conf(5).
  - Nothing is escaped, because no escape of that language works for every character. What cannot
    be written safely is refused.
options:
  _input:
    description: The value.
    type: string
    required: true
seealso:
  - name: vm.conf(5)
    description: The manual page.
    link: https://man.openbsd.org/vm.conf.5
"""

EXAMPLES = r"""
# vm.conf.j2
# vm {{ item.name | puffy.vmm.vm_conf_string }} {
#     disk {{ item.image.path | puffy.vmm.vm_conf_string }} format {{ item.image.format }}
# }
"""

RETURN = r"""
_value:
  description: The value in quotes.
  type: string
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.puffy.vmm.plugins.module_utils._formats import quoting
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.filter import named, text


@named("vm_conf_string")
def vm_conf_string(value: Any) -> str:
    return quoting.vm_conf_string(text(value))


class FilterModule:
    def filters(self) -> dict[str, Callable[..., object]]:
        return {"vm_conf_string": vm_conf_string}
