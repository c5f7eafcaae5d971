# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What OpenBSD's installer says on the console of a VM (distrib/miniroot/install.sub of 7.8)."""

from __future__ import annotations

import re
import typing as t
from collections import Counter
from dataclasses import dataclass
from functools import cached_property

# A line of its own at the end of finish_up(). An answer that is echoed has its question before it.
_DONE: t.Final = "CONGRATULATIONS! Your OpenBSD install has been successfully completed!"
# What the kernel prints at any end that was asked for (sys/kern/vfs_subr.c: vfs_shutdown).
_SHUT_DOWN: t.Final = "syncing disks..."
_GAVE_UP: t.Final = "failed; check /tmp/ai/ai.log"
_UNANSWERED = re.compile(r'^Question has no answer in response file: "(?P<question>.+)"$')
_INSTALLING = re.compile(r"^(?:Installing|Extracting) (?P<name>\S+)")
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
# What it says when no lease or no response file came in time, before it asks for the disk.
_NO_NETWORK: t.Final = (
    "No dhcp address on interface",
    "Could not determine auto server",
    "Response file location?",
)
# What a kernel says that ends in ddb(4), and that debugger's prompt.
_CRASHED = re.compile(r"^(?:panic: |ddb(?:\{\d+\})?>|Stopped at )")
# What the firmware says, which is SeaBIOS, and what biosboot(8) says.
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
    """How far a file is, that is fetched or unpacked: `size` is in bytes, rounded down."""

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
        shown = "".join(x if x.isprintable() or x in "\r\n" else " " for x in self.text)
        return tuple(line.rstrip() for line in shown.splitlines() if line.strip())

    @property
    def done(self) -> bool:
        """Whether the installer said that it has finished, and the kernel went down after that."""
        if _DONE not in self.lines:
            return False
        after = self.lines[self.lines.index(_DONE) :]
        return any(_SHUT_DOWN in line for line in after)

    @property
    def congratulates(self) -> bool:
        """Whether the installer said that it has finished, whatever came of the reboot."""
        return _DONE in self.lines

    @property
    def gave_up(self) -> bool:
        """Whether the installer says that it does not continue."""
        return _GAVE_UP in self.lines and not self.congratulates

    @property
    def unanswered(self) -> str:
        """The question that the response file has no answer to, as the installer repeats it."""
        found = (_UNANSWERED.match(line) for line in self.lines)
        return next((match["question"] for match in found if match), "")

    @property
    def repeated(self) -> Question | None:
        """The question that is asked again and again."""
        asked = [question for line in self.lines if (question := _question(line))]
        counts = Counter(question.text for question in asked)
        for question in reversed(asked):
            if counts[question.text] >= _REPEATS:
                return question
        return None

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
        for line in self.lines:
            if any(line.startswith(start) for start in _NO_NETWORK):
                return line
        return ""

    @property
    def installing(self) -> str:
        """The set that was unpacked last."""
        found = (_INSTALLING.match(line) for line in reversed(self.lines))
        return next((match["name"] for match in found if match), "")

    @cached_property
    def meters(self) -> tuple[Meter, ...]:
        """All that the installer showed of files, in their order."""
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
        """Whether all sets are unpacked, and the new system is being made ready."""
        return any(line.startswith(_FINISHING) for line in self.lines)

    @property
    def crashed(self) -> bool:
        """Whether the kernel stands in its debugger."""
        return any(_CRASHED.match(line) for line in self.lines[-_TAIL_LINES:])

    @property
    def no_system(self) -> bool:
        """Whether there is nothing on the disk that boots."""
        return any(_NO_SYSTEM.match(line) for line in self.lines[-_TAIL_LINES:])

    @property
    def waits_for_login(self) -> bool:
        """Whether it ends with the prompt of getty(8)."""
        return bool(self.lines) and bool(_LOGIN.search(self.lines[-1]))

    @property
    def tail(self) -> str:
        """The last lines, indented; empty if there are none."""
        return "\n".join(f"    {line}" for line in self.lines[-_TAIL_LINES:])


def _question(line: str) -> Question | None:
    match = _QUESTION.match(line)
    return Question(match["question"], match["answer"]) if match else None
