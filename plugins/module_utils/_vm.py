# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""A VM as its file and the ledger have it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from ansible_collections.puffy.vmm.plugins.module_utils._sizes import Size


@dataclass(frozen=True)
class Vm:
    """A VM with all its values; only the note of its file is left out."""

    name: str
    server: str
    owner: str
    user: str
    ssh_keys: tuple[str, ...]
    hostname: str
    number: int
    mac: str
    ipv4: IPv4Address
    ipv6: IPv6Address | None
    memory: Size
    disk: Size
    disk_format: str
    image_path: str
    autostart: bool
    state: str
    timezone: str
    sets: tuple[str, ...]
    site_sets: int
    install_options: Mapping[str, str]
