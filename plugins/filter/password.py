# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

DOCUMENTATION = r"""
name: password
short_description: A new random password
version_added: 0.1.0
author: puffy.vmm contributors (!UNKNOWN)
description:
  - Makes a password from the system's source of randomness, a new one each time it is evaluated. In
    C(vars) that is each time the variable is used.
  - M(puffy.vmm.credentials) makes passwords once and keeps them.
positional: alphabet
options:
  _input:
    description: How many characters, at most 72. An empty string stands for 24.
    type: raw
    required: true
  length:
    description: How many characters, in place of the input.
    type: int
  alphabet:
    description:
      - The characters to choose from, each once, or a name for them.
      - V(letters+digits) are 62 characters that need no care anywhere, V(seed) the 94 printable
        ASCII characters other than blanks.
    type: string
    default: letters+digits
seealso:
  - plugin: puffy.vmm.bcrypt
    plugin_type: filter
  - module: puffy.vmm.credentials
"""

EXAMPLES = r"""
- name: Make a password of 24 letters and digits
  ansible.builtin.set_fact:
    password: "{{ '' | puffy.vmm.password }}"
  no_log: true

- name: Make a password of 20 characters as OpenBSD Amsterdam does
  ansible.builtin.set_fact:
    password: "{{ 20 | puffy.vmm.password(alphabet='seed') }}"
  no_log: true
"""

RETURN = r"""
_value:
  description: The password.
  type: string
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.puffy.vmm.plugins.module_utils._formats.passwords import (
    DEFAULT_ALPHABET,
    DEFAULT_LENGTH,
)
from ansible_collections.puffy.vmm.plugins.module_utils._formats.passwords import (
    password as new_password,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.filter import named, number, text


@named("password")
def password(value: Any, alphabet: str = DEFAULT_ALPHABET, length: int | None = None) -> str:
    if length is None:
        length = DEFAULT_LENGTH if value in (None, "") else number(value, "the input")
    return new_password(number(length, "length"), text(alphabet, "alphabet"))


class FilterModule:
    def filters(self) -> dict[str, Callable[..., object]]:
        return {"password": password}
