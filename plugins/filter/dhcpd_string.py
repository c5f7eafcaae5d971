# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

DOCUMENTATION = r"""
name: dhcpd_string
short_description: A string of dhcpd.conf(5)
version_added: 0.1.0
author: puffy.vmm contributors (!UNKNOWN)
description:
  - Puts a value in quotes for dhcpd.conf(5).
  - Nothing is escaped, because no escape of that language works for every character. What cannot
    be written safely is refused.
options:
  _input:
    description: The value.
    type: string
    required: true
seealso:
  - name: dhcpd.conf(5)
    description: The manual page.
    link: https://man.openbsd.org/dhcpd.conf.5
"""

EXAMPLES = r"""
# dhcpd.conf.j2
# option domain-name {{ vmm_host.domain | puffy.vmm.dhcpd_string }};
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


@named("dhcpd_string")
def dhcpd_string(value: Any) -> str:
    return quoting.dhcpd_string(text(value))


class FilterModule:
    def filters(self) -> dict[str, Callable[..., object]]:
        return {"dhcpd_string": dhcpd_string}
