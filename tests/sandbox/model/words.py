# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What the readers of configuration files have in common: words, and statements with blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from sandbox.target.call import NotModelled

NEWLINE = "\n"
_TOKEN = re.compile(
    r'(?P<blank>[ \t]+|#[^\n]*)|"(?P<quoted>[^"\\\n]*)"|(?P<sign>[{}(),;!<>=\n])'
    r'|(?P<word>[^\s{}(),;!<>="#]+)'
)


class Word(str):
    """A word, or a sign, with its line."""

    line = 0
    quoted = False


@dataclass
class Statement:
    """The words of a statement, the first one unquoted, and what is in the braces behind it."""

    words: list[Word]
    block: list[Statement] | None = None

    @property
    def line(self) -> int:
        return self.words[0].line


def not_modelled(path: str, text: str, line: int) -> NotModelled:
    """Names the place, for a reader to raise."""
    return NotModelled(f"{path}:{line}: {line_of(text, line) or 'end of file'}")


def line_of(text: str, line: int) -> str:
    lines = text.split("\n")
    return lines[line - 1].strip() if line <= len(lines) else ""


def words(path: str, text: str) -> Iterator[Word]:
    """NotModelled if it is not a word."""
    line, place = 1, 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise not_modelled(path, text, line)
        place = match.end()
        if match["blank"] is None:
            word = Word(match[0] if match["quoted"] is None else match["quoted"])
            word.line, word.quoted = line, match["quoted"] is not None
            yield word
        line += match[0].count("\n")


def statements(path: str, text: str, end: Literal[";", "\n"]) -> list[Statement]:
    """All of a file in which this ends a statement, and braces hold those of a block."""
    open_blocks: list[list[Statement]] = [[]]
    current: list[Word] = []
    for word in words(path, text):
        sign = "" if word.quoted else str(word)
        # The last statement of a block ends with it, too, where lines end statements.
        if sign == end or (sign == "}" and end == NEWLINE):
            open_blocks[-1] += [Statement(current)] if current else []
            current = []
        if sign == "{" and current:
            block: list[Statement] = []
            open_blocks[-1].append(Statement(current, block))
            open_blocks.append(block)
            current = []
        elif sign == "}" and not current and len(open_blocks) > 1:
            open_blocks.pop()
        elif sign in ("{", "}") or (word.quoted and not current):
            raise not_modelled(path, text, word.line)
        elif sign not in (NEWLINE, end):
            current.append(word)
    if current or len(open_blocks) > 1:
        raise not_modelled(path, text, text.count("\n") + 1)
    return open_blocks[0]
