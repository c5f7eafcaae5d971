# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What a server has: memory, processors, file systems and drives, from sysctl(8) and df(1)."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.programs import TOOLS

# What capacity needs of sysctl(8), by the name under which it is asked.
SYSCTLS: t.Final[t.Mapping[str, str]] = {
    "memory": "hw.physmem",
    "processors": "hw.ncpuonline",
    "load": "vm.loadavg",
}
_KERNEL: t.Final = "kern.osversion"
_SENSORS: t.Final = "hw.sensors"
# print_sensor() of sbin/sysctl/sysctl.c: hw.sensors.softraid0.drive0=online (sd2), OK
_DRIVE: t.Final = re.compile(
    r"hw\.sensors\.(?P<drive>[a-z]+\d+\.drive\d+)=(?P<value>[^,\n]*)(?:, (?P<status>[A-Z]+))?"
)


@dataclass(frozen=True)
class FileSystem:
    """The file system that a directory is on, in bytes, and where it is mounted.

    free is what accounts other than root may use.
    """

    directory: str
    size: int
    used: int
    free: int
    mount: str


@dataclass(frozen=True)
class Drive:
    """A drive's sensor: softraid0.drive0, "online (sd2)", and OK, WARNING, CRITICAL or UNKNOWN."""

    name: str
    value: str
    status: str


@dataclass(frozen=True)
class Measures:
    """What a server has; memory is in bytes, None stands for what it did not say."""

    memory: int | None
    processors: int | None
    load: float | None
    kernel: str
    file_systems: tuple[FileSystem, ...]
    drives: tuple[Drive, ...]

    @classmethod
    def of(cls, answer: t.Mapping[str, t.Any], directories: t.Iterable[str]) -> Measures:
        """Read the answer to questions() and more_questions()."""
        systems = (file_system(answer, directory) for directory in directories)
        return cls(
            number(answer, "memory"),
            number(answer, "processors"),
            load(answer),
            _said(answer, "kernel"),
            tuple(system for system in systems if system),
            tuple(_drives(_said(answer, "sensors"))),
        )


def questions(directories: t.Iterable[str]) -> list[dict[str, t.Any]]:
    """Return programs to run, for what new VMs depend on."""
    runs = [_sysctl(name, "-n", variable) for name, variable in SYSCTLS.items()]
    return [*runs, *file_system_questions(directories)]


def file_system_questions(directories: t.Iterable[str]) -> list[dict[str, t.Any]]:
    """Return the programs to run for file_system()."""
    return [{"name": f"df {path}", "argv": [TOOLS["df"], "-k", path]} for path in directories]


def more_questions() -> list[dict[str, t.Any]]:
    """Return programs to run, for what people want to see besides that."""
    return [kernel_question(), _sysctl("sensors", _SENSORS)]


def kernel_question() -> dict[str, t.Any]:
    """Return the program to run for the kernel's version."""
    return _sysctl("kernel", "-n", _KERNEL)


def file_system(answer: t.Mapping[str, t.Any], directory: str) -> FileSystem | None:
    """Return what df(1) -k said of a directory; None if there is no such directory yet."""
    text = str(answer["run"][f"df {directory}"]["stdout"])
    words = text.splitlines()[-1].split(maxsplit=5) if text.strip() else []
    if len(words) < 6 or not all(word.lstrip("-").isdigit() for word in words[1:4]):
        return None
    size, used, free = (int(word) * 1024 for word in words[1:4])
    return FileSystem(directory, size, used, free, words[5])


def _sysctl(name: str, *words: str) -> dict[str, t.Any]:
    return {"name": name, "argv": [TOOLS["sysctl"], *words]}


def number(answer: t.Mapping[str, t.Any], name: str) -> int | None:
    """Return what sysctl(8) said of memory (bytes) or processors; None if not a number."""
    text = _said(answer, name)
    return int(text) if text.isdigit() else None


def load(answer: t.Mapping[str, t.Any]) -> float | None:
    """Return the load of the last minute."""
    words = _said(answer, "load").split()
    return float(words[0]) if words and re.fullmatch(r"\d+(\.\d+)?", words[0]) else None


def _said(answer: t.Mapping[str, t.Any], name: str) -> str:
    return str(answer["run"][name]["stdout"]).strip()


def _drives(text: str) -> t.Iterator[Drive]:
    for match in _DRIVE.finditer(text):
        yield Drive(match["drive"], match["value"].strip(), match["status"] or "UNKNOWN")
