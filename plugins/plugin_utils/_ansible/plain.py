# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Between Ansible's variables and plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Any, Final

import ansible.template
from ansible.utils.unsafe_proxy import wrap_var

# Up to ansible-core 2.18 every string is a template unless it is marked as unsafe.
_EVERY_STRING_IS_A_TEMPLATE: Final = not hasattr(ansible.template, "trust_as_template")
# Exactly these, as most values are; subclasses carry tags.
_SCALARS: Final = frozenset({str, int, bool, float, type(None)})


def plain(value: Any) -> Any:
    """Return the value as plain dicts, lists and scalars, without Ansible's tags and proxies.

    Values of other types, such as the dates of YAML, are returned as they are.
    """
    kind = type(value)
    if kind in _SCALARS:
        return value
    if isinstance(value, str):
        # str.__str__ gives a str itself, whatever subclass it is called with.
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if kind is dict or isinstance(value, Mapping):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, Sequence | Set) and not isinstance(value, bytes):
        return [plain(item) for item in value]
    return value


def untrusted(value: Any) -> Any:
    """Return the value marked so that Ansible never takes a string in it for a template.

    ansible-core 2.19 takes no string for a template unless it is marked as trusted; up to 2.18
    it takes every string for one unless it is marked as unsafe.
    """
    bare = plain(value)
    return wrap_var(bare) if _EVERY_STRING_IS_A_TEMPLATE else bare
