# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""sensorsd(8) on a server without sensors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.model.rc.daemon import Daemon, Outcome

if TYPE_CHECKING:
    from sandbox.model.machine import Machine


class Sensorsd(Daemon):
    """The daemon. It takes whatever its file says, as long as no sensor is there to judge by."""

    def __init__(self, machine: Machine) -> None:
        super().__init__(machine, "sensorsd")

    def launch(self, flags: tuple[str, ...]) -> Outcome:
        super().launch(flags)
        self.log("startup, system has 0 sensors")
        return Outcome()
