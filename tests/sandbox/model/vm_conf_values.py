# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Checks of single values of vm.conf(5); each raises ValueError with the words that vmd shows."""

from __future__ import annotations

import ipaddress
import re

from sandbox.model import scaled
from sandbox.model.vm_conf import MEMORY_MAX

MEGABYTE = 1024**2
_IFNAME_MAX = 16
_PSEUDO_INTERFACE = re.compile(r"([^0-9]+)[0-9]+")
_LLADDR = re.compile(r"[0-9A-Fa-f]{1,2}(:[0-9A-Fa-f]{1,2}){5}")


def interface_type(name: str) -> str:
    """The `veb` of veb42; empty if this is no name of an interface with a number."""
    match = _PSEUDO_INTERFACE.fullmatch(name)
    return match[1] if match and len(match[1]) < _IFNAME_MAX - 1 else ""


def memory(value: int | str) -> int:
    """Bytes in whole megabytes."""
    try:
        size = scaled.scan(value) if isinstance(value, str) else value
    except ValueError as error:
        raise ValueError(f"invalid memory size: {value}: {error}") from None
    if size < MEGABYTE:
        raise ValueError("memory size must be at least 1MB")
    if size > MEMORY_MAX:
        raise ValueError(f"memory size too large (limit is {scaled.show(MEMORY_MAX)})")
    return size // MEGABYTE * MEGABYTE


def lladdr(text: str) -> str:
    """As ether_aton(3): what follows six octets is not looked at; the message is the text."""
    match = _LLADDR.match(text)
    if match is None:
        raise ValueError(text)
    return ":".join(f"{int(octet, 16):02x}" for octet in match[0].split(":"))


def prefix4(text: str) -> str:
    return _prefix(text, 4, range(1, 17), ("invalid format", "invalid format"))


def prefix6(text: str) -> str:
    return _prefix(
        text, 6, range(65), ("name or service is not known", "no address associated with name")
    )


def _prefix(text: str, version: int, lengths: range, words: tuple[str, str]) -> str:
    """Address/length; `words` are for what is no address and for the other version's."""
    address, slash, length = text.rpartition("/")
    if not slash:
        address, length = text, str(lengths[-1])
    if not re.fullmatch(r"[-+]?[0-9]+", length):
        raise ValueError("invalid")
    if int(length) not in lengths:
        raise ValueError("too small" if int(length) < lengths[0] else "too large")
    try:
        found = ipaddress.ip_interface(f"{address}/{int(length)}")
    except ValueError:
        raise ValueError(words[0]) from None
    if found.version != version:
        raise ValueError(words[1])
    if found.ip != found.network.network_address:
        raise ValueError("bad mask")
    return f"{address}/{int(length)}"
