# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

DOCUMENTATION = r"""
name: httpd_string
short_description: A string of httpd.conf(5)
version_added: 0.1.0
author: puffy.vmm contributors (!UNKNOWN)
description:
  - Puts a value in quotes for httpd.conf(5).
  - Nothing is escaped, because no escape of that language works for every character. What cannot
    be written safely is refused.
options:
  _input:
    description: The value.
    type: string
    required: true
seealso:
  - name: httpd.conf(5)
    description: The manual page.
    link: https://man.openbsd.org/httpd.conf.5
"""

EXAMPLES = r"""
# httpd.conf.j2
# root {{ httpd_root | puffy.vmm.httpd_string }}
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


@named("httpd_string")
def httpd_string(value: Any) -> str:
    return quoting.httpd_string(text(value))


class FilterModule:
    def filters(self) -> dict[str, Callable[..., object]]:
        return {"httpd_string": httpd_string}
