# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What a test can make go wrong on a server, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable

KNOWN = {
    "disk_full": "DIRECTORY [FREE]: writes below fail with ENOSPC once FREE (0, 64K, 1M) is used",
    "daemon_dies": "NAME [later|always]: it is not there after its next start, restart or reload;"
    " later: rcctl says ok, it ends a moment later; always: not only the next time",
    "vmctl_hangs": "vmctl reload, load, pause and unpause do their work and never return",
    "slow": "COMMAND SECONDS: the modelled command takes that much longer",
    "edit_before_apply": "PATH [N]: a line is added to the file before the Nth execution (2)",
    "cut_after": "BYTES [N]: the Nth execution from now (1) loses its connection after that input",
    "cut_at": "COMMAND: the connection is lost when the modelled command is called",
    "fail": "COMMAND [RC [TEXT]]: the modelled command does nothing and fails",
    "no_firmware": "no vmm-bios: /etc/firmware/vmm-bios is missing, and no package of it is noted",
    "no_vmm": "the processor's virtualisation is switched off: /dev/vmm cannot be opened",
    "no_lease": "N: the next N requests of guests for an address get no answer",
    "deaf_tty": "nothing that guests print comes out of their terminals",
    "processor_dies": "TEXT: the processor of the next guest that prints TEXT dies, which vmd takes"
    " for a reboot; no log has a word of it",
    "no_zone": "ZONE: the sets lack the time zone that their own /etc/localtime leads to, which is"
    " the default of the installer's question",
    "mirror": "URL DIRECTORY: what fw_update fetches below URL is in DIRECTORY of the server",
}
DEFAULT = (("vmctl_hangs",),)

Watcher = Callable[[str, tuple[str, ...], bool], None]


class Faults:
    """The failures that are switched on; each is a name with its arguments."""

    def __init__(self, on: Iterable[Iterable[str]] = DEFAULT) -> None:
        self._on: list[tuple[str, ...]] = [tuple(one) for one in on]
        self._watchers: list[Watcher] = []

    def set(self, name: str, *arguments: str) -> None:
        """Switches a failure on; ValueError for a name that is not in KNOWN."""
        if name not in KNOWN:
            raise ValueError(f"no fault {name!r}; there are {', '.join(sorted(KNOWN))}")
        if (name, *arguments) not in self._on:
            for watcher in self._watchers:
                watcher(name, arguments, True)
            self._on.append((name, *arguments))

    def clear(self, name: str | None = None) -> None:
        """Switches off all failures of that name, or all there are."""
        for one in [one for one in self._on if name in (None, one[0])]:
            self._on.remove(one)
            for watcher in self._watchers:
                watcher(one[0], one[1:], False)

    def active(self, name: str, argument: str | None = None) -> bool:
        """Whether the failure is on, for this first argument if one is given."""
        return any(
            one[0] == name and (argument is None or one[1:2] == (argument,)) for one in self._on
        )

    def arguments(self, name: str) -> list[tuple[str, ...]]:
        """The arguments of each failure of that name."""
        return [one[1:] for one in self._on if one[0] == name]

    def replace(self, old: tuple[str, ...], new: tuple[str, ...] | None) -> None:
        """Changes one entry (name and arguments), as a countdown does; None removes it."""
        place = self._on.index(old)
        self._on[place : place + 1] = [] if new is None else [new]

    def watch(self, watcher: Watcher) -> None:
        """Calls the function with name, arguments and on or off at each change."""
        self._watchers.append(watcher)

    def dump(self) -> list[list[str]]:
        return [list(one) for one in self._on]
