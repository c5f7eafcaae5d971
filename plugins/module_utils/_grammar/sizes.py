# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Sizes of memory and disks, as vm.conf(5) and vmctl(8) read them with scan_scaled(3)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ansible_collections.puffy.vmm.plugins.module_utils._problems import Refused, shown

KIBI = 1024
MEBI = 1024**2
GIBI = 1024**3
TEBI = 1024**4

_UNITS = {"K": KIBI, "M": MEBI, "G": GIBI, "T": TEBI}
_WORDS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")

# VMM_MAX_VM_MEM_SIZE of OpenBSD's sys/dev/vmm/vmm.h.
LARGEST_MEMORY = 128 * GIBI

# scan_scaled(3) yields a long long.
LARGEST_DISK = 2**63 - 1


@dataclass(frozen=True, order=True)
class Size:
    """A number of bytes, and how its author wrote it."""

    bytes: int
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class SizeGrammar:
    """A whole number with one of the units, from smallest to largest bytes, in steps of step."""

    units: str
    example: str
    smallest: int
    largest: int
    step: int
    reason: str

    @property
    def pattern(self) -> str:
        return rf"[1-9][0-9]{{0,18}}[{self.units}]"

    def parse(self, text: str) -> Size:
        """Return the size. Raises Refused."""
        if not re.fullmatch(self.pattern, text):
            units = f"{', '.join(self.units[:-1])} or {self.units[-1]}"
            raise Refused(
                f"{shown(text)} is not a valid size; use a number with {units}, such as "
                f"{self.example}"
            )
        size = int(text[:-1]) * _UNITS[text[-1]]
        if not self.smallest <= size <= self.largest:
            raise Refused(
                f"{shown(text)} is out of bounds; {self.reason} takes "
                f"{scaled(self.smallest)} to {scaled(self.largest)}"
            )
        if size % self.step:
            raise Refused(
                f"{shown(text)} is not a whole number of megabytes, to which {self.reason} would "
                f"round it down; use {scaled(size - size % self.step)}"
            )
        return Size(size, text)


# parse_size() of vmd(8) and vmctl(8) rounds down to whole megabytes and takes no less than one.
MEMORY = SizeGrammar("KMG", "1G", MEBI, LARGEST_MEMORY, MEBI, "vmd(8)")
DISK = SizeGrammar("KMGT", "50G", MEBI, LARGEST_DISK, MEBI, "vmctl(8)")
LIMIT = SizeGrammar("KMGT", "64G", 1, LARGEST_DISK, 1, "a limit")


def size_text(size: int) -> str:
    """Return a number of bytes for people, with three digits at most: 512 MiB, 1.5 GiB, 12 TiB."""
    value, unit = float(size), 0
    while abs(value) >= 999.5 and unit < len(_WORDS) - 1:
        value, unit = value / 1024, unit + 1
    digits = 0 if unit == 0 or abs(value) >= 99.95 else 1
    number = f"{value:.{digits}f}"
    return f"{number.removesuffix('.0')} {_WORDS[unit]}"


def scaled(size: int) -> str:
    """Return a number of bytes with the largest unit that leaves it whole: 1536 MiB is 1536M."""
    for unit in "TGMK":
        if size and size % _UNITS[unit] == 0:
            return f"{size // _UNITS[unit]}{unit}"
    return f"{size} bytes"
