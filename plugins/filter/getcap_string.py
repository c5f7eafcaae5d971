# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

DOCUMENTATION = r"""
name: getcap_string
short_description: A value of a getcap(3) database
version_added: 0.1.0
author: puffy.vmm contributors (!UNKNOWN)
description:
  - Writes a value for a capability of a getcap(3) database such as sensorsd.conf(5), where C(:)
    would end it.
  - Line breaks and other characters that are not printable are refused.
options:
  _input:
    description: The value.
    type: string
    required: true
seealso:
  - name: getcap(3)
    description: The manual page.
    link: https://man.openbsd.org/cgetent.3
"""

EXAMPLES = r"""
# sensorsd.conf.j2
# drive:command={{ '/etc/sensorsd/drive %x:%t%n %s' | puffy.vmm.getcap_string }}
"""

RETURN = r"""
_value:
  description: The value with its special characters escaped.
  type: string
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.puffy.vmm.plugins.module_utils._formats import quoting
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.filter import named, text


@named("getcap_string")
def getcap_string(value: Any) -> str:
    return quoting.getcap_string(text(value))


class FilterModule:
    def filters(self) -> dict[str, Callable[..., object]]:
        return {"getcap_string": getcap_string}
