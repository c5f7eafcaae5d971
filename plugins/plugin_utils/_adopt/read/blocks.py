# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Where the statements of a configuration file stand in its text, so that some can be cut out.

The languages are those with braces: vm.conf(5) and httpd.conf(5), where a line ends a statement,
and dhcpd.conf(5), where a semicolon does. What a statement means is for each language's reader.
"""

from __future__ import annotations

import re
import typing as t
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

_TOKEN: t.Final = re.compile(
    r"""(?P<comment>\#[^\n]*) | (?P<blank>[ \t\r\f\v]+ | \\(?:\n|\Z))
    | "(?P<double>(?:[^"\\]|\\.)*)"
    | '(?P<single>[^']*)' | (?P<mark>[{};\n]) | (?P<word>(?:\\[^\n]|[^\s{};"'\#\\])+)""",
    re.VERBOSE | re.DOTALL,
)
_DEEPEST: t.Final = 16


class Unreadable(ValueError):
    """The braces or quotes of the text do not match. The message begins with the line."""


@dataclass(frozen=True)
class Statement:
    """Words, the statements of the block behind them if there is one, and the place in the text.

    line is counted from 1, begin and end are positions in the text.
    """

    words: tuple[str, ...]
    block: tuple[Statement, ...] | None
    line: int
    begin: int
    end: int

    @property
    def kind(self) -> str:
        return self.words[0].lower() if self.words else ""

    def text(self, source: str) -> str:
        """How it is written."""
        return source[self.begin : self.end]


@dataclass(frozen=True)
class _Token:
    text: str
    mark: bool
    line: int
    begin: int
    end: int


def statements(text: str, *, lines: bool) -> tuple[Statement, ...]:
    """The statements of a text; `lines` is whether a line break ends one. Raises Unreadable."""
    tokens = _tokens(text, lines=lines)
    return tuple(_block(tokens, None, 0))


def without(text: str, gone: Iterable[Statement]) -> str:
    """The text without these statements and the lines that they leave empty."""
    kept, at = [], 0
    for one in sorted(gone, key=lambda one: one.begin):
        if one.begin < at:
            continue
        kept.append(text[at : one.begin].rstrip(" \t"))
        at = one.end
        line_end = text.find("\n", at)
        rest = text[at : len(text) if line_end < 0 else line_end]
        if not rest.strip() and (not kept[-1] or kept[-1].endswith("\n")):
            at = len(text) if line_end < 0 else line_end + 1
    kept.append(text[at:])
    return re.sub(r"\n{3,}", "\n\n", "".join(kept)).strip("\n")


def with_comment(text: str, statement: Statement) -> Statement:
    """The statement with the lines of comment that stand directly above it."""
    begin = text.rfind("\n", 0, statement.begin) + 1
    if text[begin : statement.begin].strip():
        return statement
    while begin:
        above = text.rfind("\n", 0, begin - 1) + 1
        if not text[above:begin].lstrip().startswith("#"):
            break
        begin = above
    return replace(statement, begin=begin)


def comment_above(text: str, statement: Statement) -> str:
    """What these lines say, as one line."""
    own = text[with_comment(text, statement).begin : statement.begin]
    lines = (line.strip().lstrip("#").strip() for line in own.splitlines())
    return " ".join(line for line in lines if line)


def comments(text: str) -> Iterator[tuple[int, str]]:
    """All comments with their lines."""
    line = 1
    for match in _TOKEN.finditer(text):
        if match["comment"] is not None and match["comment"].strip("# \t"):
            yield line, match["comment"].strip()
        line += match[0].count("\n")


def unindented(text: str, statement: Statement) -> str:
    """How a statement is written, without the indentation that its first line has."""
    begin = text.rfind("\n", 0, statement.begin) + 1
    indentation = text[begin : statement.begin]
    lines = statement.text(text).split("\n")
    return "\n".join(line.removeprefix(indentation) for line in lines)


def has_statements(text: str, *, lines: bool) -> bool:
    """Whether there is anything but comments."""
    return bool(statements(text, lines=lines))


def _block(tokens: Iterator[_Token], opened: _Token | None, depth: int) -> Iterator[Statement]:
    if opened and depth > _DEEPEST:
        raise Unreadable(f"line {opened.line}: more than {_DEEPEST} blocks in each other")
    words: list[_Token] = []
    for token in tokens:
        if not token.mark:
            words.append(token)
            continue
        if token.text == "{":
            # The recursion ends at the brace that closes the block, whose place is needed here.
            closing: list[_Token] = []
            inner = tuple(_block(_until(tokens, closing), token, depth + 1))
            if not closing:
                raise Unreadable(f"line {token.line}: a '{{' is never closed")
            first = words[0] if words else token
            yield Statement(_texts(words), inner, first.line, first.begin, closing[0].end)
        elif token.text == "}" and opened is None:
            raise Unreadable(f"line {token.line}: a '}}' closes nothing")
        elif words:
            end = token.end if token.text == ";" else words[-1].end
            yield Statement(_texts(words), None, words[0].line, words[0].begin, end)
        words = []
        if token.text == "}":
            return
    if words:
        yield Statement(_texts(words), None, words[0].line, words[0].begin, words[-1].end)


def _until(tokens: Iterator[_Token], closing: list[_Token]) -> Iterator[_Token]:
    """The tokens of one block and its closing brace, which is put into `closing`."""
    depth = 0
    for token in tokens:
        depth += (token.mark and token.text == "{") - (token.mark and token.text == "}")
        if depth < 0:
            closing.append(token)
        yield token
        if depth < 0:
            return


def _texts(words: Iterable[_Token]) -> tuple[str, ...]:
    return tuple(word.text for word in words)


def _tokens(text: str, *, lines: bool) -> Iterator[_Token]:
    at, line = 0, 1
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            if text[at] not in "\n":
                raise Unreadable(f"line {line}: a quoted string is not closed")
            break
        mark = match["mark"]
        if mark is not None and (mark != "\n" or lines) and (mark != ";" or not lines):
            yield _Token(mark, True, line, at, match.end())
        elif mark == ";":
            yield _Token(mark, False, line, at, match.end())
        elif match["comment"] is None and match["blank"] is None and mark is None:
            given = (match["double"], match["single"], match["word"])
            (word,) = (one for one in given if one is not None)
            yield _Token(word, False, line, at, match.end())
        line += match[0].count("\n")
        at = match.end()
