# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""sensorsd(8): what it makes of sensorsd.conf(5) at its start and on SIGHUP."""

from __future__ import annotations

import getopt
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from sandbox.call import Call, Handler, Result
from sandbox.model.background import Background
from sandbox.model.daemon import Daemon, Outcome

if TYPE_CHECKING:
    from sandbox.machine import Machine

CONFIGURATION = "/etc/sensorsd.conf"
USAGE = "usage: sensorsd [-d] [-c check] [-f file]\n"
COMMAND_BYTES = 1023
# Types whose limits need a unit, and which.
UNITS = {"temp": ("C", "F"), "volt": ("V",), "acvolt": ("V",)}

Entries = dict[str, dict[str, str]]


def parse(text: str) -> Entries:
    """A getcap(3) database: name to capabilities; the first entry of a name counts."""
    found: Entries = {}
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        names, *fields = line.split(":")
        values = dict(field.partition("=")[::2] for field in fields if field.strip())
        for name in names.split("|"):
            found.setdefault(name, {key.strip(): _unescape(text) for key, text in values.items()})
    return found


def _unescape(text: str) -> str:
    text = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)
    return text.replace(r"\c", ":")


def problem(entries: Entries, sensors: Iterable[str]) -> str:
    """Why sensorsd exits: a limit of a sensor that is there is no number, or lacks its unit."""
    for sensor in sensors:
        kind = re.sub(r"\d+$", "", sensor.rsplit(".", 1)[-1])
        values = entries.get(f"hw.sensors.{sensor}", entries.get(kind, {}))
        for limit in (values[key] for key in ("low", "high") if key in values):
            number = re.match(r"\s*[-+]?(?:\d+\.?\d*|\.\d+)", limit)
            if number is None:
                return f"incorrect value: {limit}"
            rest = limit[number.end() :]
            if kind in UNITS and rest[:1] not in UNITS[kind]:
                name = "temp" if kind == "temp" else "voltage"
                return f"unknown unit {rest} for {name} sensor"
    return ""


def expand(command: str, values: dict[str, str]) -> str | None:
    """The command that is run; None where it is too long. There is no %1 and no %%."""
    text = re.sub(r"%([xtns234l])", lambda match: values.get(match[1], match[0]), command)
    return text if len(text) <= COMMAND_BYTES else None


class Sensorsd:
    """The daemon. Commands that a reload no longer finds stay in force."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.process = Background(machine, "sensorsd", self.end, self.reload)
        machine.services.register(
            Daemon(
                "sensorsd",
                start=lambda _machine, flags: self.launch(flags),
                stop=lambda _machine, _timeout: self.end(),
                alive=lambda _machine: self.alive,
                reload=lambda _machine: self.reload(),
            )
        )

    @property
    def state(self) -> dict[str, Any]:
        return self.machine.subsystem("sensorsd")

    @property
    def alive(self) -> bool:
        return self.process.alive

    @property
    def entries(self) -> Entries:
        """The entries in force."""
        found: Entries = self.state.setdefault("entries", {})
        return found

    def launch(self, words: Iterable[str]) -> Outcome:
        words = list(words)
        try:
            options, rest = getopt.getopt(words, "c:df:")
        except getopt.GetoptError:
            return Outcome(ok=False, stderr=USAGE)
        if rest:
            return Outcome(ok=False, stderr=USAGE)
        path = dict(options).get("-f", CONFIGURATION)
        self.state.update(path=path, entries={})
        self.process.begin("root", " ".join(("/usr/sbin/sensorsd", *words)))
        count = len(self.machine.sysctl.sensors)
        self.process.log(f"startup, system has {count} sensors")
        self._read()
        return Outcome(ok=True)

    def reload(self) -> Outcome:
        """SIGHUP. A limit that cannot be read ends the daemon."""
        self._read()
        return Outcome(ok=True)

    def end(self) -> Outcome:
        self.process.finish()
        return Outcome(ok=True)

    def _read(self) -> None:
        files = self.machine.files
        path = self.state["path"]
        entries = parse(files.read_text(path)) if files.exists(path) else {}
        found = problem(entries, self.machine.sysctl.sensors)
        if found:
            self.process.log(found)
            self.end()
            return
        for name, values in entries.items():
            self.entries[name] = self.entries.get(name, {}) | values


def sensorsd(machine: Machine, call: Call) -> Result:
    if call.uid != 0:
        return Result(1, "", "sensorsd: need root privileges\n")
    outcome = machine.sensorsd.launch(call.argv[1:])
    return Result(int(not outcome.ok), "", outcome.stderr)


COMMANDS: dict[str, Handler] = {"/usr/sbin/sensorsd": sensorsd}
