# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The words of pf.conf(5), one ahead."""

from __future__ import annotations

from sandbox.model.words import NEWLINE, Word, line_of, not_modelled, words
from sandbox.target.call import NotModelled


class Words:
    """Takes one word after the other; NotModelled names the place of what is not expected."""

    def __init__(self, path: str, text: str) -> None:
        self.path, self._text = path, text
        self._words = list(words(path, text))
        self._place = 0

    @property
    def ended(self) -> bool:
        return self._place == len(self._words)

    @property
    def line(self) -> int:
        return self._text.count("\n") + 1 if self.ended else self._words[self._place].line

    @property
    def line_text(self) -> str:
        return line_of(self._text, self.line)

    def peek(self) -> str:
        """The next word unless it is quoted: what may be a keyword or a sign."""
        return "" if self.ended or self._words[self._place].quoted else self._words[self._place]

    def take(self) -> Word:
        if self.ended:
            raise self.unknown()
        self._place += 1
        return self._words[self._place - 1]

    def text(self, *, quoted: bool = False) -> str:
        """The next word, which is not a sign; with ``quoted`` it must be in quotes."""
        word = self.take()
        if not word.quoted and (quoted or word in "{}(),;!<>=\n"):
            self._place -= 1
            raise self.unknown()
        return word

    def accept(self, *texts: str) -> str:
        """The next word if it is one of these, unquoted; else an empty string."""
        return self.take() if not self.ended and self.peek() in texts else ""

    def expect(self, *texts: str) -> None:
        """All of these words, one after the other."""
        for text in texts:
            if self.ended or self.peek() != text:
                raise self.unknown()
            self.take()

    def statement_ended(self) -> bool:
        return self.ended or self.peek() == NEWLINE

    def unknown(self) -> NotModelled:
        """The place, for a reader to raise."""
        return not_modelled(self.path, self._text, self.line)
