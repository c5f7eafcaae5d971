# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""VM files, servers and keys for the tests of the fleet model."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.model import (
    Fleet,
    Inputs,
    build_fleet,
)

KEY = (
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAZu/xq8eJGgj3LyOOtJP7IY802vHfpepL0zdsl0UQrc "
    "puffy@example.org"
)
OTHER_KEY = (
    "ecdsa-sha2-nistp384 "
    "AAAAE2VjZHNhLXNoYTItbmlzdHAzODQAAAAIbmlzdHAzODQAAABhBC5pIeg8P25AEakiIvuiQ80"
    "jRf6Z5J6GuqsgCiM/7Pn4+qT/44N0OgCUNY9kHTO5pubbHIhr2gL43vB2oxNdY0we5hnR5BouLwRNJwZIXMNRabAELgHJ4k"
    "yyyYZBuOkpGg== puffy@example.org"
)

SERVER6: Mapping[str, object] = {
    "vmm_mac_prefix": "fe:e1:bb:d1:c8",
    "vmm_ipv4_network": "203.0.113.0/24",
    "vmm_ipv4_gateway": "203.0.113.1",
    "vmm_ipv4_range": ["203.0.113.10", "203.0.113.200"],
    "vmm_ipv6_network": "2001:db8:6::/64",
    "vmm_ipv6_gateway": "2001:db8:6::1",
    "vmm_domain": "example.org",
    "vmm_dns_servers": ["203.0.113.1"],
}
SERVER7: Mapping[str, object] = {
    **{name: value for name, value in SERVER6.items() if "ipv6" not in name},
    "vmm_mac_prefix": "fe:e1:bb:d1:c9",
    "vmm_ipv4_network": "198.51.100.0/24",
    "vmm_ipv4_gateway": "198.51.100.1",
    "vmm_ipv4_range": ["198.51.100.10", "198.51.100.200"],
}
# The line of a ledger that number 7 of server6 has.
WEB1 = "web1: {number: 7, mac: fe:e1:bb:d1:c8:07, ipv4: 203.0.113.16, ipv6: 2001:db8:6::16}"

SERVERS = {"server6": SERVER6, "server7": SERVER7}


def server(**changes: object) -> dict[str, object]:
    """Return the variables of server6 with changes; None takes one out."""
    changed = {**SERVER6, **{f"vmm_{name}": value for name, value in changes.items()}}
    return {name: value for name, value in changed.items() if value is not None}


def vm(*lines: str, **fields: str | None) -> str:
    """Return a VM file with what every VM needs, changed fields, and further lines."""
    values: dict[str, str | None] = {
        "server": "server6",
        "owner": "puffy",
        "ssh_keys": f"[{KEY}]",
        "hostname": "web1.example.org",
        **fields,
    }
    written = [f"{name}: {value}" for name, value in values.items() if value is not None]
    return "\n".join([*written, *lines]) + "\n"


def ledger(*lines: str) -> str:
    """Return a ledger with these lines, each without its indentation."""
    return "\n".join(["---", "vms:", *(f"  {line}" for line in lines)]) + "\n"


def build(
    vms: Mapping[str, str | None],
    ledgers: Mapping[str, str | None] | None = None,
    servers: Mapping[str, Mapping[str, object]] | None = None,
    groups: tuple[str, ...] = (),
    **more: Any,
) -> Fleet:
    """Return a fleet, whatever is wrong with it."""
    return build_fleet(Inputs(vms, ledgers or {}, servers or SERVERS, groups, **more))


def sound(fleet: Fleet) -> Fleet:
    """Return a fleet that has no problems."""
    assert fleet.problems == ()
    return fleet


def problems(
    vms: Mapping[str, str | None],
    ledgers: Mapping[str, str | None] | None = None,
    servers: Mapping[str, Mapping[str, object]] | None = None,
    groups: tuple[str, ...] = (),
    **more: Any,
) -> list[str]:
    """Return what is wrong with a fleet, none for one that is right."""
    return [str(problem) for problem in build(vms, ledgers, servers, groups, **more).problems]


def ledger_texts(fleet: Fleet) -> dict[str, str]:
    return {f"{name}.yml": written.render() for name, written in fleet.ledgers.items()}


def wire(*parts: bytes) -> str:
    """Return the base64 text of SSH strings, one after the other."""
    blob = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    return base64.b64encode(blob).decode("ascii")
