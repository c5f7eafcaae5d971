# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What vmctl(8)'s commands have in common: usage, names and numbers, sizes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sandbox.model import scaled
from sandbox.model.vm_conf import MEMORY_MAX, NAME_MAX

MEGABYTE = 1024**2
_ID_MAX = 2**32
USAGES = {
    "console": "id",
    "create": "[-b base | -i disk] [-s size] disk",
    "load": "filename",
    "log": "[brief | verbose]",
    "pause": "id",
    "reload": "",
    "reset": "[all | switches | vms]",
    "show": "[id]",
    "start": (
        "[-cL] [-B device] [-b path] [-d disk] [-i count]\n"
        "\t\t[-m size] [-n switch] [-r path] [-t name] id | name"
    ),
    "status": "[-r] [id]",
    "stop": "[-fw] [id | -a]",
    "unpause": "id",
    "wait": "id",
}


class Failed(Exception):
    """The end of the command, with all that it still has to write."""


def usage(command: str = "") -> str:
    if not command:
        return "usage:\tvmctl [-v] command [arg ...]\n"
    return f"usage:\tvmctl [-v] {command} {USAGES[command]}\n"


@dataclass(frozen=True)
class Name:
    """A machine as the caller named it: by name, or by vmd's number."""

    text: str
    number: int = 0

    @classmethod
    def parse(cls, word: str) -> Name:
        """Digits are a number, whatever machine may have that name."""
        if word.startswith("-"):
            raise Failed(f"vmctl: invalid id: {word}\n")
        if word.isdigit() and int(word) < _ID_MAX:
            return cls("", int(word))
        if len(word) >= NAME_MAX:
            raise Failed(f"vmctl: name too long\nvmctl: invalid id: {word}\n")
        return cls(word)

    def matches(self, vmid: int, name: str) -> bool:
        if not self.text and not self.number:
            return True
        return self.number == vmid if self.number else self.text == name


def size(word: str, what: str, warn: Callable[[str], None]) -> int:
    """Bytes in whole megabytes."""
    try:
        value = scaled.scan(word)
    except ValueError as error:
        raise Failed(f"vmctl: invalid {what} size: {word}: {error}\n") from None
    if value < MEGABYTE:
        raise Failed(f"vmctl: {what} size must be at least 1MB\n")
    if what == "memory" and value > MEMORY_MAX:
        raise Failed(f"vmctl: memory size too large (limit is {scaled.show(MEMORY_MAX)})\n")
    rounded = value // MEGABYTE * MEGABYTE
    if rounded != value:
        warn(f"vmctl: {what} size rounded to {scaled.show(rounded)}\n")
    return rounded
