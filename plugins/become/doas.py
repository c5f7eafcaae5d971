# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

DOCUMENTATION = r"""
name: doas
short_description: Become another user with doas(1), without a password
version_added: 0.1.0
author: puffy.vmm contributors (!UNKNOWN)
description:
  - Runs commands on OpenBSD as another user with doas(1).
  - There is no password, so C(/etc/doas.conf) of the server needs a rule with C(nopass), such as
    C(permit nopass puffy as root), and no later rule that takes it back. The last rule that
    matches decides.
  - What doas(1) refuses is reported at once, with what to do about it.
options:
  become_user:
    description: The user to become.
    type: str
    default: root
    keyword: [{name: become_user}]
    ini: [{section: privilege_escalation, key: become_user}]
    env: [{name: ANSIBLE_BECOME_USER}]
    vars: [{name: ansible_become_user}, {name: ansible_doas_user}]
  become_exe:
    description: The program to run.
    type: str
    default: doas
    keyword: [{name: become_exe}]
    ini: [{section: privilege_escalation, key: become_exe}]
    env: [{name: ANSIBLE_BECOME_EXE}]
    vars: [{name: ansible_become_exe}, {name: ansible_doas_exe}]
  become_flags:
    description: Options for doas(1). With C(-n) it fails where it would ask for a password.
    type: str
    default: "-n"
    keyword: [{name: become_flags}]
    ini: [{section: privilege_escalation, key: become_flags}]
    env: [{name: ANSIBLE_BECOME_FLAGS}]
    vars: [{name: ansible_become_flags}, {name: ansible_doas_flags}]
notes:
  - A password for becoming another user, such as C(--ask-become-pass) asks for, is not used.
"""

EXAMPLES = r"""
# group_vars/vmd_servers.yml
ansible_user: puffy
ansible_become: true
ansible_become_method: puffy.vmm.doas
"""

import shlex
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.become import BecomeBase

_PREFIX = "doas: "
_RULE = "/etc/doas.conf needs a rule for your user, such as: permit nopass puffy as root"

# What doas(1) of OpenBSD 7.8 says when it runs nothing, and what that means.
_REASONS = {
    "Operation not permitted": f"the last rule that matches denies it, or none matches; {_RULE}",
    "Authentication required": f"the last rule that matches has no nopass; {_RULE}",
    "a tty is required": f"the last rule that matches has no nopass; {_RULE}",
    "doas is not enabled": _RULE,
}


class BecomeModule(BecomeBase):
    name = "puffy.vmm.doas"

    def build_become_command(self, cmd: str, shell: Any) -> str:
        super().build_become_command(cmd, shell)
        if not cmd:
            return cmd
        user = self.get_option("become_user")
        parts = (
            self.get_option("become_exe"),
            self.get_option("become_flags"),
            f"-u {shlex.quote(user)}" if user else "",
            self._build_success_command(cmd, shell),
        )
        return " ".join(filter(None, parts))

    def check_incorrect_password(self, b_output: bytes) -> bool:
        """Raises AnsibleError when a line of output is doas(1) refusing.

        A connection asks only until the command begins, so the line is not the command's own.
        What it would say by itself is that a password is incorrect, and there is none.
        """
        line = b_output.decode("utf-8", "replace").strip()
        if not line.startswith(_PREFIX):
            return False
        said = line.removeprefix(_PREFIX)
        for beginning, meaning in _REASONS.items():
            if said.startswith(beginning):
                raise AnsibleError(f"{line}: {meaning}")
        raise AnsibleError(line)
