# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The fleet directory: VM files, orders, ledgers and copies as text, in and out."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.inventory_copy import (
    FILE_NAME as INVENTORY,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.vm import vm_of
from ansible_collections.puffy.vmm.plugins.module_utils._problems import (
    OperatorError,
    Problem,
    Report,
    shown_name,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.files import (
    Unreadable,
    open_directory,
    read_text,
    write_file,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.lock import exclusive_lock

VMS = "vms"
ORDERS = "orders"
ALLOCATIONS = "allocations"
# The files of VMs as they were when they had no problems; see _fleet/checks/kept.py.
KEPT = "kept"
# Journals of moves of VMs from one server to another.
MOVES = "moves"
CREDENTIALS = "credentials"
HOST_KEYS = "host_keys"
HAND_OVER = "handover"
HAND_OVER_TEXT, HAND_OVER_PAGE = ".md", ".html"

# What a VM leaves that was installed and has answered once.
_LEFT_BY_INSTALLATIONS = {HOST_KEYS: ".pub", HAND_OVER: HAND_OVER_TEXT}

# A VM file has some 20 short lines; a ledger one line for each of up to 65,535 numbers.
_LIMITS = {
    VMS: 64 * 1024,
    ORDERS: 64 * 1024,
    ALLOCATIONS: 16 * 1024 * 1024,
    KEPT: 1 << 28,
    MOVES: 256 * 1024,
    INVENTORY: 16 * 1024 * 1024,
}

# Copies that editors and patch(1) make of a file, or leave behind.
_LEFT_BY_EDITORS = re.compile(r".*~|\.#.*|#.*#|\..*\.sw[a-z]|.*\.(?:bak|orig|rej|tmp)")


class NoFleet(OperatorError, ValueError):
    """The path does not lead to a fleet directory."""


@dataclass(frozen=True)
class FleetTexts:
    """The files of a fleet by name ("web1.yml"), None for those that cannot be read.

    problems say why; warnings name files that are ignored. kept maps names of servers; seen are the
    names of VMs that have host keys or a hand-over sheet; inventory is the text of the copy of what
    the inventory says, empty when there is none.
    """

    vms: Mapping[str, str | None]
    orders: Mapping[str, str | None]
    ledgers: Mapping[str, str | None]
    kept: Mapping[str, str]
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    seen: frozenset[str] = frozenset()
    inventory: str = ""
    moves: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True)
class FleetDirectory:
    path: Path

    def read(self) -> FleetTexts:
        """Read all files; one that cannot be read becomes a problem of its VM or server.

        Raises NoFleet when there is no directory for VM files: an empty fleet has an empty one,
        and a mistyped path must not look like a fleet without VMs.
        """
        if not (self.path / VMS).is_dir():
            raise NoFleet(
                f"{self.path} is not a fleet directory: it has no directory {VMS}/ with one file "
                f"per VM"
            )
        report = Report()
        folders = (VMS, ORDERS, ALLOCATIONS, MOVES)
        vms, orders, ledgers, moves = (self._read_all(folder, report) for folder in folders)
        return FleetTexts(
            vms,
            orders,
            ledgers,
            self._read_copies(),
            report.problems,
            report.warnings,
            self._seen(),
            self._read_inventory(),
            moves,
        )

    def read_moves(self) -> Mapping[str, str | None]:
        """Read the journals of moves alone; None for one that cannot be read."""
        return self._read_all(MOVES, Report())

    def _seen(self) -> frozenset[str]:
        return frozenset(
            file.name.removesuffix(suffix)
            for folder, suffix in _LEFT_BY_INSTALLATIONS.items()
            for file in (self.path / folder).glob(f"*{suffix}")
        )

    @contextmanager
    def lock(self, patience: float) -> Iterator[None]:
        """Lock out others who write to the fleet directory. Raises LockHeld and OSError."""
        allocations = self.path / ALLOCATIONS
        allocations.mkdir(mode=0o755, exist_ok=True)
        with exclusive_lock(allocations / ".lock", patience):
            yield

    def write_ledgers(self, ledgers: Mapping[str, str]) -> None:
        """Replace these ledgers, each in one step. Only for who holds the lock. Raises OSError."""
        for name, text in ledgers.items():
            write_file(self.path / ALLOCATIONS / name, text.encode(), 0o644)

    def write_move(self, vm: str, text: str) -> None:
        """Replace the journal of a VM's moves, or remove it where text is empty.

        Only for who holds the lock. Raises OSError.
        """
        path = self.path / MOVES / f"{vm}.yml"
        if text:
            path.parent.mkdir(mode=0o755, exist_ok=True)
            write_file(path, text.encode(), 0o644)
        else:
            path.unlink(missing_ok=True)

    def write_copies(self, copies: Mapping[str, str]) -> None:
        """Replace the copies of these servers. Only for who holds the lock. Raises OSError."""
        if copies:
            (self.path / KEPT).mkdir(mode=0o755, exist_ok=True)
        for server, text in copies.items():
            write_file(self.path / KEPT / f"{server}.json", text.encode(), 0o644)

    def write_inventory(self, text: str) -> None:
        """Replace the copy of what the inventory says. Only for who holds the lock."""
        write_file(self.path / INVENTORY, text.encode(), 0o644)

    def _read_inventory(self) -> str:
        with suppress(Unreadable):
            return read_text(self.path / INVENTORY, _LIMITS[INVENTORY])
        return ""

    def _read_copies(self) -> dict[str, str]:
        """Read the copies of all servers that can be read."""
        copies: dict[str, str] = {}
        with suppress(OSError):
            for path in sorted((self.path / KEPT).glob("*.json")):
                with suppress(Unreadable):
                    copies[path.stem] = read_text(path, _LIMITS[KEPT])
        return copies

    def _read_all(self, folder: str, report: Report) -> dict[str, str | None]:
        texts: dict[str, str | None] = {}
        try:
            directory = open_directory(self.path / folder)
        except FileNotFoundError:
            return texts
        except Unreadable as reason:
            report.add(f"{folder}/", "", str(reason))
            return texts
        try:
            for name in sorted(os.listdir(directory)):
                source = f"{folder}/{shown_name(name)}"
                if _LEFT_BY_EDITORS.fullmatch(name):
                    report.warn(source, "", "is ignored: it looks like an editor's copy")
                elif not name.startswith("."):
                    try:
                        texts[name] = _text(directory, name, _LIMITS[folder])
                    except Unreadable as reason:
                        texts[name] = None
                        if folder == ALLOCATIONS:
                            about = report.about(server=name.removesuffix(".yml"))
                        else:
                            about = report.about(vms=[vm_of(name)])
                        about.add(source, "", str(reason))
        finally:
            os.close(directory)
        return texts


def _text(directory: int, name: str, limit: int) -> str:
    if not name.endswith(".yml") or not name.isascii() or not name.isprintable():
        raise Unreadable(
            "only files with an ASCII name that ends in .yml belong here; rename or remove it"
        )
    return read_text(name, limit, directory)
