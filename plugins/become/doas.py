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
    C(permit nopass puffy as root), and no later rule that revokes it. The last rule that matches
    decides.
  - A refusal of doas(1) is reported at once, with what to do about it.
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
  become_pass:
    description:
      - A password cannot be used. The request for the server comes on the standard input of
        doas(1), so nothing can be typed there.
      - Where one is given, a refusal of doas(1) is reported with that.
    type: str
    vars: [{name: ansible_become_password}, {name: ansible_become_pass}, {name: ansible_doas_pass}]
    env: [{name: ANSIBLE_BECOME_PASS}]
  login_user:
    description: The user of the connection, whom messages name.
    type: str
    vars: [{name: ansible_user}]
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
_NO_PASSWORD = "the last rule that matches has no nopass"

# What doas(1) of OpenBSD 7.8 says when it runs nothing, and what that means.
_REASONS = {
    "Operation not permitted": "the last rule that matches denies it, or none matches",
    "Authentication required": _NO_PASSWORD,
    "a tty is required": _NO_PASSWORD,
    "doas is not enabled": "there is no /etc/doas.conf",
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
        """Raise AnsibleError when a line of output is a refusal of doas(1).

        A connection asks only until the command begins, so the line is not the command's own.
        Ansible's own message would be about an incorrect password, and there is none.
        """
        reason = refusal(
            b_output.decode("utf-8", "replace").strip(),
            self.get_option("login_user") or "USER",
            self.get_option("become_user") or "root",
            with_password=bool(self.get_option("become_pass")),
        )
        if reason:
            raise AnsibleError(reason)
        return False


def refusal(line: str, user: str, target: str, *, with_password: bool) -> str | None:
    """Return why doas(1) ran nothing, and what to do, or None for a line that is not its own."""
    if not line.startswith(_PREFIX):
        return None
    unused = "the password that was given is not used, since doas(1) cannot ask for one here; "
    rule = f"'permit nopass {user} as {target}' as the last rule that matches"
    advice = f"{unused if with_password else ''}/etc/doas.conf on the server needs {rule}"
    for beginning, meaning in _REASONS.items():
        if line.removeprefix(_PREFIX).startswith(beginning):
            return f"{line}: {meaning}; {advice}"
    return line
