# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What a test can make go wrong on a server, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

KNOWN = {
    "disk_full": "DIRECTORY [FREE]: writes below fail with ENOSPC once FREE (0, 64K, 1M) is used",
    "slow": "COMMAND SECONDS: the modelled command takes that much longer",
    "edit_before_apply": "PATH [N]: a line is added to the file before the Nth execution (2)",
    "cut_after": "BYTES [N]: the Nth execution from now (1) loses its connection after that input",
    "cut_at": "COMMAND: the connection is lost when the modelled command is called",
    "fail": "COMMAND [RC [TEXT]]: the modelled command does nothing and fails",
}

Watcher = Callable[[str, tuple[str, ...], bool], None]


class Faults:
    """The failures that are switched on; each is a name with its arguments."""

    def __init__(self, more: Mapping[str, str], on: Iterable[Iterable[str]] = ()) -> None:
        """``more`` are a model's own, with their help."""
        self.known = {**KNOWN, **more}
        self._on: list[tuple[str, ...]] = [tuple(fault) for fault in on]
        self._watchers: list[Watcher] = []

    def set(self, name: str, *arguments: str) -> None:
        """Switches a failure on; ValueError for a name that is not known."""
        if name not in self.known:
            raise ValueError(f"no fault {name!r}; there are {', '.join(sorted(self.known))}")
        if (name, *arguments) not in self._on:
            for watcher in self._watchers:
                watcher(name, arguments, True)
            self._on.append((name, *arguments))

    def clear(self, name: str | None = None) -> None:
        """Switches off all failures of that name, or all there are."""
        for fault in [fault for fault in self._on if name in (None, fault[0])]:
            self._on.remove(fault)
            for watcher in self._watchers:
                watcher(fault[0], fault[1:], False)

    def active(self, name: str, argument: str | None = None) -> bool:
        """Whether the failure is on, for this first argument if one is given."""
        return any(
            fault == name and (argument is None or rest[:1] == [argument])
            for fault, *rest in self._on
        )

    def arguments(self, name: str) -> list[tuple[str, ...]]:
        """The arguments of each failure of that name."""
        return [fault[1:] for fault in self._on if fault[0] == name]

    def replace(self, old: tuple[str, ...], new: tuple[str, ...] | None) -> None:
        """Changes one entry (name and arguments), as a countdown does; None removes it."""
        place = self._on.index(old)
        self._on[place : place + 1] = [] if new is None else [new]

    def watch(self, watcher: Watcher) -> None:
        """Calls the function with name, arguments and on or off at each change."""
        self._watchers.append(watcher)

    def dump(self) -> list[list[str]]:
        return [list(fault) for fault in self._on]
