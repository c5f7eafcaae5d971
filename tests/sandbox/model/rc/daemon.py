# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What an rc.d(8) script does with a daemon; each model derives a class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sandbox.model.machine import Machine


@dataclass(frozen=True)
class Outcome:
    """How an action of a daemon ended; `stderr` is what its own program wrote."""

    ok: bool = True
    stderr: str = ""


class Daemon:
    """A daemon of which nothing is modelled but whether it runs: `state` has its process id then.

    `test` is called before launch and reload; `launch` never for a daemon that lives, `end` never
    for one that does not.
    """

    def __init__(self, machine: Machine, name: str) -> None:
        self.machine, self.name = machine, name
        machine.services.daemons[name] = self

    @property
    def state(self) -> dict[str, Any]:
        return self.machine.subsystem(self.name)

    @property
    def alive(self) -> bool:
        return "pid" in self.state

    def test(self) -> Outcome:
        return Outcome()

    def launch(self, flags: tuple[str, ...]) -> Outcome:
        """With the words of NAME_flags."""
        self.state["pid"] = self.machine.pid()
        return Outcome()

    def reload(self) -> Outcome:
        return Outcome()

    def end(self, timeout: float = 0) -> Outcome:
        """With NAME_timeout in seconds."""
        self.state.pop("pid", None)
        return Outcome()

    def log(self, text: str) -> None:
        """A line of the daemon in the system's log."""
        self.machine.log(self.name, text, self.state.get("pid"))
