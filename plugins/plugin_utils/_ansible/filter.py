# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What the collection's filters have in common."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.puffy.vmm.plugins.module_utils._libraries import MissingLibrary
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.plain import plain
from jinja2 import Undefined


@contextmanager
def named(name: str) -> Iterator[None]:
    """Decorate a filter so that its errors begin with its name."""
    try:
        yield
    except (ValueError, MissingLibrary) as error:
        raise AnsibleFilterError(f"puffy.vmm.{name}: {error}") from error


def text(value: Any, what: str = "the input") -> str:
    """Return a string as a plain str. Raises ValueError that names the type, never the value."""
    defined = _defined(value)
    if not isinstance(defined, str):
        raise ValueError(f"{what} must be a string, not {_kind(defined)}")
    return defined


def number(value: Any, what: str) -> int:
    """Return a whole number as a plain int. Raises ValueError that names the type."""
    defined = _defined(value)
    if isinstance(defined, bool) or not isinstance(defined, int):
        raise ValueError(f"{what} must be a whole number, not {_kind(defined)}")
    return defined


def nth_address(
    first: IPv4Address | IPv6Address, last: IPv4Address | IPv6Address, position: int
) -> str:
    """Return the address at a position, counted from 1. Raises ValueError."""
    size = int(last) - int(first) + 1
    if not 1 <= position <= size:
        raise ValueError(f"{position} is out of bounds; {first}-{last} has numbers 1 to {size}")
    return str(first + (position - 1))


def _defined(value: Any) -> Any:
    if isinstance(value, Undefined):
        # Raises Jinja's own error, which names the variable. Up to 2.18 Ansible leaves this to us.
        str(value)
    return plain(value)


def _kind(value: object) -> str:
    kinds = {str: "a string", bool: "a boolean", int: "a number", float: "a number"}
    kinds |= {dict: "a mapping", list: "a list", type(None): "none"}
    return kinds.get(type(value), f"a value of type {type(value).__name__}")
