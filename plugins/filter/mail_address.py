# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

DOCUMENTATION = r"""
name: mail_address
short_description: A mail address that is an argument of mail(1)
version_added: 0.1.0
author: puffy.vmm contributors (!UNKNOWN)
description:
  - Returns its input if that is a plain mail address, or the name of an account, and refuses it
    otherwise.
  - What it returns is no option of a program, and nothing that a shell would change.
options:
  _input:
    description: The value.
    type: string
    required: true
seealso:
  - name: mail(1)
    description: The manual page.
    link: https://man.openbsd.org/mail.1
"""

EXAMPLES = r"""
# drive.j2
# mail -s 'A drive failed' -r {{ sensorsd_mail_from | puffy.vmm.mail_address }} root
"""

RETURN = r"""
_value:
  description: The address.
  type: string
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.puffy.vmm.plugins.module_utils._formats import quoting
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.filter import named, text


@named("mail_address")
def mail_address(value: Any) -> str:
    return quoting.mail_address(text(value))


class FilterModule:
    def filters(self) -> dict[str, Callable[..., object]]:
        return {"mail_address": mail_address}
