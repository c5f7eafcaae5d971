# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The hosts and groups of inventory sources other than the inventory plugin's."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ansible.inventory.manager import IGNORED, InventoryManager

if TYPE_CHECKING:
    from ansible.parsing.dataloader import DataLoader

FILE_NAMES = ("vmm.yml", "vmm.yaml", "vms.yml", "vms.yaml")

_PLUGIN = b"puffy.vmm.vms"


@dataclass(frozen=True)
class Names:
    """Names of hosts and of groups."""

    hosts: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()


def read_later(path: str, loader: DataLoader) -> Names:
    """Return what the files have that Ansible reads after this one of the same directory."""
    directory, name = os.path.split(path)
    later = (os.path.join(directory, other) for other in os.listdir(directory) if other > name)
    return read_others(later, loader)


def read_others(sources: Iterable[str], loader: DataLoader) -> Names:
    """Return what these sources of an inventory have, without the hosts of the plugin.

    Sources that are not files are left out.
    """
    files = [file for source in sources for file in _files(source)]
    if not files:
        return Names()
    manager = InventoryManager(loader=loader, sources=files, parse=False)
    for file in files:
        manager.parse_source(file)
    return Names(frozenset(manager.hosts), frozenset(manager.groups) - {"all", "ungrouped"})


def _files(source: str) -> Iterator[str]:
    """Yield the files of a source as Ansible reads them, in its order."""
    if IGNORED.search(os.path.basename(source).encode()):
        return
    if os.path.isdir(source):
        for name in sorted(os.listdir(source)):
            yield from _files(os.path.join(source, name))
    elif os.path.isfile(source):
        own = source.endswith(FILE_NAMES) and _PLUGIN in Path(source).read_bytes()
        if not own:
            yield source
