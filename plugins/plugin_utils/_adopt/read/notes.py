# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Lines of a server's files that somebody has to know about, each with why, and no secrets."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field

from ansible_collections.puffy.vmm.plugins.module_utils._problems import shown_text

_LONGEST: t.Final = 100
HIDDEN: t.Final = "***"
# crypt(3) hashes, as encrypt(1) and other systems make them, and one-time paths of this collection.
_HASH: t.Final = re.compile(r"once-[0-9a-f]{32}|\$(?:2[abxy]|1|5|6|y|argon2\w*)\$[^\s\"';}]+")
# In ifconfig(8), pf.conf(5), response files and scripts, secrets follow such words.
_SECRET: t.Final = re.compile(
    r"""(?P<word>\b(?:pass(?:wd|word|phrase)?|pwd?|secret|authkey|wpakey|nwkey|wgkey|wgpsk|psk|token
    |api_?key)\b(?:[ \t]+for[ \t][^=:]*[=:][ \t]*
    |[ \t]*[=:][ \t]*|[ \t]+))(?P<value>["']?[^\s"';}]+)""",
    re.IGNORECASE | re.VERBOSE,
)


def public(text: str) -> str:
    """Return the text without passwords and hashes, and without what acts on a terminal."""
    hidden = _HASH.sub(HIDDEN, text)
    return shown_text(_SECRET.sub(lambda match: match["word"] + HIDDEN, hidden))


def has_secret(text: str) -> bool:
    """Return whether a text may have a password or a hash in it."""
    return bool(_HASH.search(text) or _SECRET.search(text))


class Remark(t.NamedTuple):
    """What the fleet cannot express: the line of a file, what is written there, and why."""

    line: int
    text: str
    why: str


@dataclass(frozen=True, order=True)
class Note:
    """A line of a file: line 0 stands for all of it."""

    file: str
    line: int
    text: str
    why: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return ": ".join(part for part in (place, self.text, self.why) if part)


@dataclass
class Notes:
    """What is reported, what is kept and how, and what the next run shows, in order.

    reported has what the fleet cannot express, kept what a setting keeps as it is, expected what
    the next run changes although it means the same, with the reason.
    """

    reported: list[Note] = field(default_factory=list)
    kept: list[Note] = field(default_factory=list)
    expected: list[Note] = field(default_factory=list)
    _once: set[tuple[str, str]] = field(default_factory=set)

    def report(self, file: str, line: int, text: str, why: str) -> None:
        self._add(self.reported, file, line, text, why)

    def report_once(self, file: str, line: int, text: str, why: str) -> None:
        """Report it unless the same was reported of another file, as it is of every VM."""
        if (text, why) not in self._once:
            self._once.add((text, why))
            self.report(file, line, text, f"{why} (as in other files)")

    def keep(self, file: str, text: str, why: str, line: int = 0) -> None:
        self._add(self.kept, file, line, text, why)

    def expect(self, file: str, why: str) -> None:
        self._add(self.expected, file, 0, "", why)

    def _add(self, notes: list[Note], file: str, line: int, text: str, why: str) -> None:
        bare = " ".join(public(text).split())
        short = bare if len(bare) <= _LONGEST else f"{bare[: _LONGEST - 3]}..."
        note = Note(shown_text(file), line, short, shown_text(why))
        if note not in notes:
            notes.append(note)
