# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""A guest's serial console: all of it goes to a log, and prompts are answered."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

import pexpect

from openbsd.errors import OpenBSDError

_BETWEEN_REPORTS = 30.0
# From the end of the output to the end of the process.
_ENDS_WITHIN = 10.0
# More than the longest line that is waited for, and little enough to search it again and again.
_WINDOW = 4000
# The boot loader's spinner: a character and a backspace, over and over, or just the character
# (twiddle() of sys/lib/libsa/printf.c).
_SPINNER = re.compile(r"[|/\\-](?:\x08|\Z)")
_ESCAPES = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|c)|[\x00-\x08\x0b-\x1f\x7f]")

# Called now and then with the seconds since the start and the console's last line.
Report = Callable[[float, str], None]


class ConsoleError(OpenBSDError):
    """The guest did something unexpected; its console shows what."""


class Console:
    """Runs ``command`` on a separate terminal, and ends it on leaving."""

    def __init__(self, command: Sequence[str], log: Path, report: Report) -> None:
        self.log = log
        self._report = report
        self._began = time.monotonic()
        self._reported = self._began
        self._file = log.open("a", encoding="utf-8")
        self._child: pexpect.spawn[str] = pexpect.spawn(
            command[0],
            list(command[1:]),
            encoding="utf-8",
            codec_errors="replace",
            echo=False,
            dimensions=(24, 200),
        )
        self._child.logfile_read = self._file
        self._child.delaybeforesend = None

    def __enter__(self) -> Console:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._child.close(force=True)
        self._file.close()

    def wait(self, patterns: Sequence[str], until: float, doing: str) -> tuple[int, str]:
        """Return which pattern came first, and the text that it matched.

        ``until``: the time.monotonic() to give up at. ``doing``: what is given up then. Raises
        ConsoleError, also if the guest ends.
        """
        index = self._expect(patterns, until, doing)
        if index == len(patterns):
            raise ConsoleError(f"QEMU ended{self._status()} while the guest was still at work")
        assert isinstance(self._child.match, re.Match)
        return index, str(self._child.match.group())

    def wait_for_end(self, until: float) -> None:
        """Wait until the guest has ended. Raises ConsoleError if it did not, or not well."""
        self._expect([], until, "waiting for the guest's end")
        if status := self._status():
            raise ConsoleError(f"QEMU ended{status}")

    def linger(self, seconds: float) -> None:
        """Log for some more time what the guest says."""
        self._child.expect([pexpect.EOF, pexpect.TIMEOUT], timeout=seconds)
        self._file.flush()

    def enter(self, line: str, between: float) -> None:
        """Type a line; ``between``: seconds between characters."""
        for character in f"{line}\r":
            self._child.send(character)
            time.sleep(between)

    def _expect(self, patterns: Sequence[str], until: float, doing: str) -> int:
        """Return which pattern came first; the end of the output has the number after the last."""
        while True:
            left = until - time.monotonic()
            if left <= 0:
                minutes = (time.monotonic() - self._began) / 60
                raise ConsoleError(f"gave up {doing} after {minutes:.0f} minutes")
            index: int = self._child.expect(
                [*patterns, pexpect.EOF, pexpect.TIMEOUT],
                timeout=min(left, _BETWEEN_REPORTS),
                searchwindowsize=_WINDOW,
            )
            self._file.flush()
            self._tell()
            if index <= len(patterns):
                return index

    def _tell(self) -> None:
        now = time.monotonic()
        if now - self._reported >= _BETWEEN_REPORTS:
            self._reported = now
            self._report(now - self._began, last_line(self.log))

    def _status(self) -> str:
        """Return how the command ended, empty if it ended well."""
        until = time.monotonic() + _ENDS_WITHIN
        while self._child.isalive() and time.monotonic() < until:
            time.sleep(0.02)
        self._child.close(force=True)
        if self._child.signalstatus:
            return f" by signal {self._child.signalstatus}"
        if self._child.exitstatus:
            return f" with status {self._child.exitstatus}"
        return ""


def last_line(log: Path) -> str:
    """Return the last line of a console's log that says anything."""
    return next(iter(reversed(tail(log, 1))), "")


def tail(log: Path, lines: int) -> list[str]:
    """Return the last lines of a console's log, without escape sequences and empty lines."""
    if not log.exists():
        return []
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - (1 << 16)))
        text = file.read().decode("utf-8", "replace")
    # What a carriage return overwrote, such as a progress bar, is not shown.
    lasting = (line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
    still = (_SPINNER.sub("", line) if "\b" in line else line for line in lasting)
    cleaned = (_ESCAPES.sub("", line) for line in still)
    return [line.rstrip() for line in cleaned if line.strip()][-lines:]
