# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What a daemon is to rc.d(8), and how most of them run in the background."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sandbox.model.machine import Machine


@dataclass(frozen=True)
class Outcome:
    """How an action of a daemon ended; `stderr` is what its own program wrote."""

    ok: bool
    stderr: str = ""


@dataclass(frozen=True)
class Daemon:
    """A daemon as its rc.d script presents it.

    `start` gets the words of NAME_flags, `stop` NAME_timeout in seconds. `reload` and `configtest`
    are None where the script does not support the action. configtest is called before start,
    reload and restart; start never for a daemon that lives, stop never for one that does not.
    """

    name: str
    start: Callable[[tuple[str, ...]], Outcome]
    stop: Callable[[float], Outcome]
    alive: Callable[[], bool]
    reload: Callable[[], Outcome] | None = None
    configtest: Callable[[], Outcome] | None = None


class Background:
    """A daemon's process: its id is kept in the saved data of the subsystem of its name."""

    def __init__(self, machine: Machine, name: str) -> None:
        self.machine, self.name = machine, name

    @property
    def _state(self) -> dict[str, Any]:
        return self.machine.subsystem(self.name)

    @property
    def alive(self) -> bool:
        return "pid" in self._state

    def begin(self) -> None:
        self._state["pid"] = self.machine.pid()

    def finish(self) -> None:
        self._state.pop("pid", None)

    def log(self, text: str) -> None:
        """A line of the daemon in the system's log."""
        self.machine.log(self.name, text, self._state["pid"])
