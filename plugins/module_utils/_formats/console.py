# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What OpenBSD's installer says on the console of a VM (distrib/miniroot/install.sub of 7.8)."""

from __future__ import annotations

import re
import typing as t
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import dropwhile

# A line at the end of finish_up(). An answer that is echoed has its question before it.
_DONE: t.Final = "CONGRATULATIONS! Your OpenBSD install has been successfully completed!"
# What the kernel prints at every regular shutdown (sys/kern/vfs_subr.c: vfs_shutdown).
_SHUT_DOWN: t.Final = "syncing disks..."
_GAVE_UP: t.Final = "failed; check /tmp/ai/ai.log"
_UNANSWERED = re.compile(r'^Question has no answer in response file: "(.+)"$')
_INSTALLING = re.compile(r"^(?:Installing|Extracting) (\S+)")
# A line of ftp(1)'s meter, which the installer has it show: usr.bin/ftp/util.c, progressmeter().
_METER = re.compile(
    r"^(?P<verb>Get/Verify|Verifying|Installing|Extracting) +(?P<name>\S+) +(?P<percent>\d{1,3})% "
    r"\|[* ]*\| +(?P<size>\d{1,7}) (?P<unit>[ KMGTP])[ B]"
)
_UNITS: t.Final = " KMGTP"
# What it does once the sets are unpacked, which takes some minutes.
_FINISHING = ("Making all device nodes...", "Relinking to create unique kernel...", _DONE)
# A question with hints in parentheses, the default in brackets, and what was answered.
_QUESTION = re.compile(
    r"^(?P<question>[^?\[\]]*\?(?=\s|$)(?:\s*\([^)]*\)(?=\s|$))*)\s*(?:\[[^\]]*\])?\s*(?P<answer>.*)$"
)
# An installation asks some questions two or three times.
_REPEATS: t.Final = 6
# What it says when no lease or no response file came in time, before it asks about the disk.
_NO_NETWORK: t.Final = (
    "No dhcp address on interface",
    "Could not determine auto server",
    "Response file location?",
)
# What a kernel says when it enters ddb(4), and that debugger's prompt.
_CRASHED = re.compile(r"^(?:panic: |ddb(?:\{\d+\})?>|Stopped at )")
# What the firmware, SeaBIOS, and biosboot(8) say.
_NO_SYSTEM = re.compile(r"^(?:No bootable device|Boot failed: |ERR [MR]$)")
_LOGIN = re.compile(r"(?:^| )login: *$")
_TAIL_LINES: t.Final = 20


@dataclass(frozen=True)
class Question:
    """A question, and the answer that was found for it; empty for none."""

    text: str
    answer: str


@dataclass(frozen=True)
class Meter:
    """How far a file is fetched or unpacked: `size` is in bytes, rounded down."""

    name: str
    percent: int
    size: int
    fetches: bool

    def __str__(self) -> str:
        return self.name if self.percent == 100 else f"{self.name} {self.percent} %"


@dataclass(frozen=True)
class Console:
    """The end of what a VM printed; `text` is empty where nothing was recorded."""

    text: str = ""

    @cached_property
    def lines(self) -> tuple[str, ...]:
        """The lines that are not blank, as they may be shown on a terminal."""
        shown = "".join(c if c.isprintable() or c in "\r\n" else " " for c in self.text)
        return tuple(line.rstrip() for line in shown.splitlines() if line.strip())

    @property
    def done(self) -> bool:
        """Whether the installer said that it has finished, and the kernel went down after that."""
        after = dropwhile(lambda line: line != _DONE, self.lines)
        return any(_SHUT_DOWN in line for line in after)

    @property
    def congratulates(self) -> bool:
        """Whether the installer said that it has finished, whatever happened to the reboot."""
        return _DONE in self.lines

    @property
    def gave_up(self) -> bool:
        """Whether the installer says that it does not continue."""
        return _GAVE_UP in self.lines and not self.congratulates

    @property
    def unanswered(self) -> str:
        """The question that the response file has no answer to, as the installer repeats it."""
        return _first(_UNANSWERED, self.lines)

    @property
    def repeated(self) -> Question | None:
        """The question that is asked again and again."""
        questions = [question for line in self.lines if (question := _question(line))]
        counts = Counter(question.text for question in questions)
        repeated = (
            question for question in reversed(questions) if counts[question.text] >= _REPEATS
        )
        return next(repeated, None)

    @property
    def waits_at(self) -> str:
        """The question that the console ends with and that nobody has answered."""
        question = _question(self.lines[-1]) if self.lines else None
        if not question or (question.answer and not question.answer.endswith("?")):
            return ""
        # What looks like an answer is the question again, as a terminal that echoes types it.
        return question.text

    @property
    def no_network(self) -> str:
        """What the installer said when it had no lease or no response file."""
        return next((line for line in self.lines if line.startswith(_NO_NETWORK)), "")

    @property
    def installing(self) -> str:
        """The set that was unpacked last."""
        return _first(_INSTALLING, reversed(self.lines))

    @cached_property
    def meters(self) -> tuple[Meter, ...]:
        """All that the installer showed of files, in order."""
        return tuple(
            Meter(
                match["name"],
                min(int(match["percent"]), 100),
                int(match["size"]) << 10 * _UNITS.index(match["unit"]),
                match["verb"] == "Get/Verify",
            )
            for line in self.lines
            if (match := _METER.match(line)) and not match["name"].endswith("...")
        )

    @property
    def finishing(self) -> bool:
        """Whether all sets are unpacked, and the new system is being prepared."""
        return any(line.startswith(_FINISHING) for line in self.lines)

    @property
    def crashed(self) -> bool:
        """Whether the kernel is in its debugger."""
        return any(_CRASHED.match(line) for line in self.lines[-_TAIL_LINES:])

    @property
    def no_system(self) -> bool:
        """Whether nothing on the disk boots."""
        return any(_NO_SYSTEM.match(line) for line in self.lines[-_TAIL_LINES:])

    @property
    def waits_for_login(self) -> bool:
        """Whether it ends with the prompt of getty(8)."""
        return bool(self.lines) and bool(_LOGIN.search(self.lines[-1]))

    @property
    def tail(self) -> str:
        """The last lines, indented; empty if there are none."""
        return "\n".join(f"    {line}" for line in self.lines[-_TAIL_LINES:])


def _first(pattern: re.Pattern[str], lines: Iterable[str]) -> str:
    """Return the first group of the first line that matches, or an empty string."""
    return next((match[1] for line in lines if (match := pattern.match(line))), "")


def _question(line: str) -> Question | None:
    match = _QUESTION.match(line)
    return Question(match["question"], match["answer"]) if match else None
