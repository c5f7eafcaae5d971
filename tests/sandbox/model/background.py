# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""A daemon in the background: its processes in ps(1), and the signals that pkill(1) sends them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sandbox.machine import Machine
    from sandbox.model.processes import Process

ENDING = ("TERM", "KILL", "INT")


class Background:
    """Kept in the subsystem's saved data as `pid`, and `pids` of all its processes.

    `end` is called for a signal that ends the daemon, `reread` for SIGHUP; without it that ends it.
    """

    def __init__(
        self,
        machine: Machine,
        subsystem: str,
        end: Callable[[], object],
        reread: Callable[[], object] | None = None,
    ) -> None:
        self.machine = machine
        self.subsystem = subsystem
        self._end = end
        self._reread = reread or end
        machine.processes.on_signal(self._signalled)

    @property
    def _state(self) -> dict[str, Any]:
        return self.machine.subsystem(self.subsystem)

    @property
    def alive(self) -> bool:
        return "pid" in self._state

    def begin(self, user: str, command: str, children: Iterable[tuple[str, str]] = ()) -> None:
        """The daemon is there; `children` are users and titles of its further processes."""
        add = self.machine.processes.add
        pid = add(user, command)
        self._state["pid"] = pid
        self._state["pids"] = [pid, *(add(who, title, parent=pid) for who, title in children)]

    def finish(self) -> None:
        """The daemon is gone, with all its processes."""
        for pid in self._state.pop("pids", []):
            self.machine.processes.remove(pid)
        self._state.pop("pid", None)

    def log(self, text: str) -> None:
        """A line of the daemon in the system's log, under its subsystem's name."""
        self.machine.log(self.subsystem, text, self._state["pid"])

    def _signalled(self, process: Process, signal: str) -> None:
        if process.pid not in self._state.get("pids", []):
            return
        if signal in ENDING:
            self._end()
        elif signal == "HUP":
            self._reread()
