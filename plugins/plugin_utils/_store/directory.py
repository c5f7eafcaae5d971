# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The fleet directory: VM files and ledgers as text, in and out."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.puffy.vmm.plugins.module_utils._problems import (
    OperatorError,
    Problem,
    shown_name,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.files import (
    Unreadable,
    open_directory,
    read_file,
    write_file,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.lock import exclusive_lock

VMS = "vms"
ALLOCATIONS = "allocations"
CREDENTIALS = "credentials"
HOST_KEYS = "host_keys"
HAND_OVER = "handover"

# What a VM has that was installed and has answered once.
_LEFT_BY_INSTALLATIONS = {HOST_KEYS: ".pub", HAND_OVER: ".md"}

# A VM file has some 20 short lines; a ledger one line for each of up to 65,535 numbers.
_LIMITS = {VMS: 64 * 1024, ALLOCATIONS: 16 * 1024 * 1024}


class NoFleet(OperatorError, ValueError):
    """The path does not lead to a fleet directory."""


@dataclass(frozen=True)
class FleetTexts:
    """The files of a fleet by name ("web1.yml"), and what is wrong with those that are missing.

    seen are the names of VMs of which there are host keys or a hand-over sheet.
    """

    vms: Mapping[str, str]
    ledgers: Mapping[str, str]
    problems: tuple[Problem, ...] = ()
    seen: frozenset[str] = frozenset()


@dataclass(frozen=True)
class FleetDirectory:
    path: Path

    def read(self) -> FleetTexts:
        """Read all VM files and ledgers; a file that cannot be read becomes a problem.

        Raises NoFleet when there is no directory for VM files: an empty fleet has an empty one,
        and a mistyped path must not look like a fleet without VMs.
        """
        if not (self.path / VMS).is_dir():
            raise NoFleet(
                f"{self.path} is no fleet directory: it has no directory {VMS}/ with one file a VM"
            )
        problems: list[Problem] = []
        vms = self._read_all(VMS, problems)
        ledgers = self._read_all(ALLOCATIONS, problems)
        return FleetTexts(vms, ledgers, tuple(problems), self._seen())

    def _seen(self) -> frozenset[str]:
        found = (
            file.name.removesuffix(suffix)
            for folder, suffix in _LEFT_BY_INSTALLATIONS.items()
            for file in (self.path / folder).glob(f"*{suffix}")
        )
        return frozenset(found)

    @contextmanager
    def lock(self, patience: float) -> Iterator[None]:
        """Be the only one who writes to the fleet directory. Raises LockHeld and OSError."""
        allocations = self.path / ALLOCATIONS
        allocations.mkdir(mode=0o755, exist_ok=True)
        with exclusive_lock(allocations / ".lock", patience):
            yield

    def write_ledgers(self, ledgers: Mapping[str, str]) -> None:
        """Replace these ledgers, each in one step. Only for who holds the lock. Raises OSError."""
        for name, text in ledgers.items():
            write_file(self.path / ALLOCATIONS / name, text.encode(), 0o644)

    def _read_all(self, folder: str, problems: list[Problem]) -> dict[str, str]:
        texts: dict[str, str] = {}
        try:
            directory = open_directory(self.path / folder)
        except FileNotFoundError:
            return texts
        except Unreadable as reason:
            problems.append(Problem(f"{folder}/", "", str(reason)))
            return texts
        try:
            for name in sorted(os.listdir(directory)):
                if name.startswith("."):
                    continue
                try:
                    texts[name] = _text(directory, name, _LIMITS[folder])
                except Unreadable as reason:
                    problems.append(Problem(f"{folder}/{shown_name(name)}", "", str(reason)))
        finally:
            os.close(directory)
        return texts


def _text(directory: int, name: str, limit: int) -> str:
    if not name.endswith(".yml") or not name.isascii() or not name.isprintable():
        raise Unreadable(
            "only files with an ASCII name that ends in .yml belong here; rename or remove it"
        )
    content = read_file(name, limit, directory)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Unreadable(
            f"is not UTF-8 text: byte {error.start + 1} is {content[error.start]:#04x}"
        ) from error
