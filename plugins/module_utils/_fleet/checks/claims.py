# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Who has which number, MAC, address and image, over the whole fleet."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.vm import VmFile
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Report

NUMBER = "number"
MAC = "mac"
IPV4 = "ipv4"
IPV6 = "ipv6"
IMAGE = "image"
GROUP = "group"
LABEL = "label"
PORT = "port"

KINDS = {
    NUMBER: "number",
    MAC: "MAC",
    IPV4: "IPv4 address",
    IPV6: "IPv6 address",
    IMAGE: "image",
    GROUP: "group",
    LABEL: "host name",
    PORT: "port",
}

# What has to be different on one server only.
_ON_ONE_SERVER = frozenset({NUMBER, IMAGE, GROUP, PORT})


@dataclass(frozen=True)
class Claim:
    """That a VM has a value: where this is said, and in which field.

    kept is set for a line of a ledger, gone for the line of a VM that no longer exists, until is
    the day before which nobody gets what was purged.
    """

    kind: str
    value: object
    vm: str
    server: str
    source: str
    field: str
    kept: bool = False
    gone: bool = False
    until: str = ""

    @property
    def key(self) -> tuple[str, str, object]:
        """What no two VMs may share."""
        return claim_key(self.kind, self.server, self.value)


def claim_key(kind: str, server: str, value: object) -> tuple[str, str, object]:
    return kind, server if kind in _ON_ONE_SERVER else "", value


def oldest_first(files: Iterable[VmFile], known: Collection[str]) -> list[VmFile]:
    """Return the files of known VMs first: what they have is not for new ones."""
    return sorted(files, key=lambda file: (file.name not in known, file.name))


class Claims:
    """All claims so far; the first for a value holds."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, str, object], Claim] = {}

    def holder(self, kind: str, server: str, value: object) -> Claim | None:
        """Return the claim for a value, or None when it is free."""
        return self._held.get(claim_key(kind, server, value))

    def add(self, claim: Claim) -> Claim | None:
        """Add a claim, or return the claim of the other VM that has the value."""
        held = self._held.setdefault(claim.key, claim)
        return None if held.vm == claim.vm else held

    def add_all(self, claims: Iterable[Claim], report: Report) -> frozenset[str]:
        """Add claims, report those that clash, and return the names of the VMs in clashes.

        What a ledger has belongs to its VM: a clash with it concerns the other VM alone.
        """
        clashing: set[str] = set()
        for claim in claims:
            other = self.add(claim)
            if other is not None:
                vms = {claim.vm} if other.kept and not claim.kept else {claim.vm, other.vm}
                clashing |= vms
                report.about(vms=vms).add(claim.source, claim.field, _clash(claim, other))
        return frozenset(clashing)


def _clash(claim: Claim, other: Claim) -> str:
    where = f" on {claim.server}" if claim.kind in _ON_ONE_SERVER else ""
    advice = "every VM needs its own"
    if other.gone:
        advice = f"{other.vm} no longer exists but keeps it while its line is there, so use another"
    if other.until:
        advice = f"it was purged, and nobody gets it before {other.until}, so use another"
    return (
        f"{claim.value} is also the {KINDS[claim.kind]} of {other.vm}{where} ({other.source}); "
        f"{advice}"
    )
