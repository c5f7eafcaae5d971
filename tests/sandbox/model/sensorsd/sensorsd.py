# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""sensorsd(8): what it makes of sensorsd.conf(5) at its start and on SIGHUP."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sandbox.model.rc.daemon import Background, Daemon, Outcome

if TYPE_CHECKING:
    from sandbox.model.machine import Machine

CONFIGURATION = "/etc/sensorsd.conf"
COMMAND_BYTES = 1023

Entries = dict[str, dict[str, str]]


def parse(text: str) -> Entries:
    """A getcap(3) database: name to capabilities; the first entry of a name counts."""
    entries: Entries = {}
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        names, *fields = line.split(":")
        values = dict(field.strip().partition("=")[::2] for field in fields if field.strip())
        for name in names.split("|"):
            entries.setdefault(name, {key: _unescape(value) for key, value in values.items()})
    return entries


def _unescape(text: str) -> str:
    text = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)
    return text.replace(r"\c", ":")


def expand(command: str, values: dict[str, str]) -> str | None:
    """The command that is run; None where it is too long. There is no %1 and no %%."""
    text = re.sub(r"%([xtns234l])", lambda match: values.get(match[1], match[0]), command)
    return text if len(text) <= COMMAND_BYTES else None


class Sensorsd:
    """The daemon. It takes whatever the file says, as long as no sensor is there to judge by."""

    def __init__(self, machine: Machine) -> None:
        self.process = Background(machine, "sensorsd")
        machine.services.register(
            Daemon(
                "sensorsd",
                start=lambda _flags: self.launch(),
                stop=lambda _timeout: self.end(),
                alive=lambda: self.process.alive,
                reload=lambda: Outcome(ok=True),
            )
        )

    def launch(self) -> Outcome:
        self.process.begin()
        self.process.log("startup, system has 0 sensors")
        return Outcome(ok=True)

    def end(self) -> Outcome:
        self.process.finish()
        return Outcome(ok=True)
