# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What the readers of configuration files have in common: words with their lines, one ahead."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sandbox.target.call import NotModelled

NEWLINE, END = "\n", ""
_TOKEN = re.compile(
    r'(?P<blank>[ \t]+|#[^\n]*)|"(?P<quoted>[^"\\\n]*)"|(?P<sign>[{}(),;!<>=\n])'
    r'|(?P<word>[^\s{}(),;!<>="#]+)'
)


class Refused(Exception):
    """What the real program says of a file, as it was recorded."""


@dataclass(frozen=True)
class Word:
    text: str
    line: int
    quoted: bool = False


class Words:
    """Takes one word after the other; NotModelled names the place of what is not expected."""

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.lines = text.split("\n")
        self._words: list[Word] = []
        line, place = 1, 0
        while place < len(text):
            match = _TOKEN.match(text, place)
            if match is None:
                raise NotModelled(f"{path}:{line}: {self.lines[line - 1].strip()}")
            place = match.end()
            if match["blank"] is None:
                quoted = match["quoted"] is not None
                shown = match["quoted"] if quoted else match[0]
                self._words.append(Word(shown, line, quoted))
            line += match[0].count("\n")
        self._words.append(Word(END, line))
        self._place = 0

    @property
    def line(self) -> int:
        return self._words[self._place].line

    def peek(self) -> str:
        """The next word unless it is quoted: what may be a keyword or a sign."""
        word = self._words[self._place]
        return "" if word.quoted else word.text

    @property
    def ended(self) -> bool:
        return self._place == len(self._words) - 1

    def take(self) -> Word:
        if self.ended:
            raise self.unknown()
        self._place += 1
        return self._words[self._place - 1]

    def text(self, *, quoted: bool = False) -> str:
        """The next word, which is no sign; with ``quoted`` it must stand in quotes."""
        word = self._words[self._place]
        if not word.quoted and (quoted or word.text in "{}(),;!<>=\n"):
            raise self.unknown()
        return self.take().text

    def accept(self, *texts: str) -> str:
        """The next word if it is one of these, unquoted; else an empty string."""
        return self.take().text if not self.ended and self.peek() in texts else ""

    def expect(self, *texts: str) -> None:
        """All of these words, one after the other."""
        for text in texts:
            if self.peek() != text or self.ended:
                raise self.unknown()
            self.take()

    def newlines(self) -> None:
        while self.accept(NEWLINE):
            pass

    def unknown(self) -> NotModelled:
        """The place, for a reader to raise."""
        shown = self.lines[self.line - 1].strip() if self.line <= len(self.lines) else "end of file"
        return NotModelled(f"{self.path}:{self.line}: {shown}")

    @property
    def line_text(self) -> str:
        return self.lines[self.line - 1].strip() if self.line <= len(self.lines) else ""
