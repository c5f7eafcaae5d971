# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

DOCUMENTATION = r"""
name: response_value
short_description: An answer of a response file
version_added: 0.1.0
author: puffy.vmm contributors (!UNKNOWN)
description:
  - Checks that a value can be the answer in a line of a response file of autoinstall(8).
  - Nothing is escaped, because no escape of that language works for every character. What cannot
    be written safely is refused.
options:
  _input:
    description: The value.
    type: string
    required: true
seealso:
  - name: autoinstall(8)
    description: The manual page.
    link: https://man.openbsd.org/autoinstall.8
"""

EXAMPLES = r"""
# install.conf.j2
# System hostname = {{ item.hostname | puffy.vmm.response_value }}
"""

RETURN = r"""
_value:
  description: The value, as it was.
  type: string
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.puffy.vmm.plugins.module_utils._formats import quoting
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.filter import named, text


@named("response_value")
def response_value(value: Any) -> str:
    return quoting.response_value(text(value))


class FilterModule:
    def filters(self) -> dict[str, Callable[..., object]]:
        return {"response_value": response_value}
