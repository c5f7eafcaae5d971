# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The ledger of a server: which number, MAC and addresses each VM has, or had."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address


@dataclass(frozen=True)
class Entry:
    """A VM's line. What is None was not handed out yet."""

    number: int
    mac: str | None = None
    ipv4: IPv4Address | None = None
    ipv6: IPv6Address | None = None


@dataclass(frozen=True)
class Ledger:
    """The entries of a server by the name of the VM, in the order of their numbers."""

    server: str
    entries: Mapping[str, Entry]

    def render(self) -> str:
        """Return the file's text, the same for the same entries."""
        raise NotImplementedError
