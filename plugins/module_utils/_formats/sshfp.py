# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""SSHFP records: what DNS says of the keys of hosts (RFC 4255, RFC 6594, RFC 7479).

Names are absolute, in lower case and with the dot at their end.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from ansible_collections.puffy.vmm.plugins.module_utils._grammar.names import hostname
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.ssh_keys import parse_ssh_key
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Refused, shown

_LINE = re.compile(r"([a-z0-9.-]+\.) ([0-9]{1,10}) IN SSHFP ([134] 2 [0-9a-f]{64})")
# RFC 2181, 8.
LONGEST_TTL = 2**31 - 1

# The TTL of a name, and its records.
Records: TypeAlias = tuple[int, frozenset[str]]


def records(keys: Iterable[str]) -> frozenset[str]:
    """Return the records of a host's public keys, with SHA-256 digests. Raises Refused.

    ssh(1) takes a host for an impostor as soon as one record of the key's algorithm has another
    digest, so there is one key of each algorithm at most.
    """
    by_algorithm: dict[int, str] = {}
    for key in filter(None, map(str.strip, keys)):
        parsed = parse_ssh_key(key)
        algorithm, digest_type, digest = parsed.sshfp()
        record = f"{algorithm} {digest_type} {digest}"
        if by_algorithm.setdefault(algorithm, record) != record:
            raise Refused(
                f"there are two keys of the kind {parsed.type}, and ssh(1) would take the host "
                f"for another one; keep the one that sshd(8) has now"
            )
    return frozenset(by_algorithm.values())


def absolute_zone(zone: str) -> str:
    """Return the absolute name of a zone. Raises Refused."""
    return hostname(zone.removesuffix(".")).lower() + "."


def absolute_name(name: str, zone: str) -> str:
    """Return the absolute name that a host has in an absolute zone.

    A name without a dot is in the zone; any other is complete. Raises Refused.
    """
    absolute = hostname(name.removesuffix(".")).lower() + "."
    if absolute.count(".") == 1 and not name.endswith("."):
        absolute += zone
    if absolute != zone and not absolute.endswith("." + zone):
        raise Refused(
            f"{shown(name)} is not a name in the zone {zone}; use one such as host.{zone}"
        )
    return absolute


def render_fragment(zone: str, names: Mapping[str, Records]) -> str:
    """Return a part of a zone file with these names, each with its TTL and its records.

    The names are absolute, so that it means the same wherever it is included (RFC 1035, 5.1).
    """
    lines = [
        f"; SSHFP records of {zone} for $INCLUDE in its zone file. Written by puffy.vmm;",
        "; the next run undoes changes made by hand.",
    ]
    for name, (ttl, texts) in sorted(names.items()):
        lines += (f"{name} {ttl} IN SSHFP {text}" for text in sorted(texts))
    return "\n".join(lines) + "\n"


def parse_fragment(text: str) -> dict[str, Records]:
    """Return what render_fragment() wrote. Raises Refused that names the line."""
    names: dict[str, Records] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith(";"):
            continue
        match = _LINE.fullmatch(line)
        if not match:
            raise Refused(
                f"line {number} is {shown(line)}, which this collection did not write; keep "
                f"records of your own in another file"
            )
        name, ttl, record = match.groups()
        _ttl, records = names.get(name, (0, frozenset()))
        names[name] = (int(ttl), records | {record})
    return names
