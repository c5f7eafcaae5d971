# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""How far the sets of an installation are, in bytes."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field, replace

from ansible_collections.puffy.vmm.plugins.module_utils._formats.console import Meter
from ansible_collections.puffy.vmm.plugins.module_utils._formats.site_archive import (
    release_files,
    selected_sets,
    set_name,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.machine import Machine

Sizes = t.Mapping[str, int]


def _is_installed(name: str) -> bool:
    """Return whether the installer puts this file into the new system: sets and kernels."""
    return name.endswith(".tgz") or name in ("bsd", "bsd.mp", "bsd.rd", "BUILDINFO")


@dataclass(frozen=True)
class Sets:
    """Bytes by the set's name, as far as it was fetched and unpacked.

    `total` is what there is in all, 0 if not known. `current` is the meter that the installer
    shows.
    """

    fetched: Sizes = field(default_factory=dict)
    unpacked: Sizes = field(default_factory=dict)
    total: int = 0
    current: Meter | None = None

    @property
    def received(self) -> int:
        return sum(self.fetched.values())

    def fetch(self, name: str, size: int) -> Sets:
        """Add a set as far as it was fetched. One that is asked for twice counts once."""
        if not _is_installed(name) or size <= self.fetched.get(name, -1):
            return self
        return replace(self, fetched={**self.fetched, name: size})

    def read(self, meters: t.Sequence[Meter]) -> Sets:
        """Add what the installer's meters show. They round, so more may be known already."""
        now = self
        for meter in meters:
            if meter.fetches:
                now = now.fetch(meter.name, meter.size)
            elif _is_installed(meter.name):
                most = max(meter.size, now.unpacked.get(meter.name, 0))
                now = replace(now, unpacked={**now.unpacked, meter.name: most})
        return replace(now, current=meters[-1] if meters else now.current)

    @property
    def shown(self) -> str:
        """How far they are, such as "152 of 501 MiB"; empty before the first byte."""
        if self.unpacked:
            return of_bytes(sum(self.unpacked.values()), self.received)
        return of_bytes(self.received, self.total) if self.fetched else ""


def directory_of(host: t.Mapping[str, t.Any]) -> str:
    """Return where the server has the sets that it serves; empty if another server does.

    `host` is its vmm_host.
    """
    serves = host["sets_server"] == host["ipv4"]["server"]
    return str(host["sets_directory"]) if serves else ""


def names_for(vm: Machine, release: str) -> list[str]:
    """Return the sets that the installer takes for a VM, in a server's directory or not."""
    own = set_name(release, vm.variables["hostname"])
    site = selected_sets([set_name(release), own], [own], vm.variables["sets"])
    return [
        *filter(_is_installed, release_files(release, [vm.variables["sets"]], signed=True)),
        *site,
    ]


def of_bytes(part: int, whole: int) -> str:
    """Return "152 of 501 MiB", or "152 MiB" if the whole is not known."""
    units = ((30, "GiB"), (20, "MiB"), (10, "KiB"))
    shift, unit = next((row for row in units if max(part, whole) >= 10 << row[0]), units[-1])
    total = f" of {whole >> shift}" if whole and part <= whole else ""
    return f"{part >> shift}{total} {unit}"
