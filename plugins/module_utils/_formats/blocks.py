# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The statements of configuration files with braces, and their places in the text.

In vm.conf(5) and httpd.conf(5) the end of a line ends a statement, in dhcpd.conf(5) a semicolon
does. Strings and comments of the latter are read as dhcpd's conflex.c reads them. What a statement
means is for each language's reader.
"""

from __future__ import annotations

import re
import typing as t
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

# A backslash at the end of a line continues comments, too (lgetc() of parse.y).
_OF_LINES: t.Final = re.compile(
    r"""(?P<comment>\#(?:\\.?|[^\\\n])*) | (?P<blank>[ \t\r\f\v]+ | \\(?:\n|\Z))
    | "(?P<double>(?:[^"\\]|\\.)*)"
    | '(?P<single>[^']*)' | (?P<mark>[{}\n]) | (?P<word>(?:\\[^\n]|[^\s{}"'\#\\])+)""",
    re.VERBOSE | re.DOTALL | re.ASCII,
)
# A backslash does not keep a double quote from ending the string.
_OF_DHCPD: t.Final = re.compile(
    r"""(?P<comment>\#[^\n]*) | (?P<blank>[\s,]+) | "(?P<double>(?:[^"\\]|\\[^"])*)\\?"
    | (?P<mark>[;{}]) | (?P<word>[^\s;{},"\#]+)""",
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_DEEPEST: t.Final = 16


class Unreadable(ValueError):
    """The text has no such statements. The message begins with the line."""


@dataclass(frozen=True)
class Statement:
    """Words, the statements of the block after them if there is one, and the place in the text.

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
        """Return the statement as it is written."""
        return source[self.begin : self.end]

    def within(self, outer: Statement) -> bool:
        """Return whether it is in the block of the other one, however deep."""
        return outer.begin < self.begin and self.end <= outer.end


class _Token(t.NamedTuple):
    text: str
    kind: str
    line: int
    begin: int
    end: int


def statements(text: str, *, lines: bool) -> tuple[Statement, ...]:
    """Return the statements of a text; `lines` says that a line break ends one.

    Raises Unreadable.
    """
    words = (token for token in _tokens(text, lines=lines) if token.kind != "comment")
    return _block(words, None, 0, lines=lines)[0]


def nested(rows: Iterable[Statement], kind: str) -> Iterator[Statement]:
    """Yield the statements of one kind, at any depth, in the order of the text."""
    for row in rows:
        if row.kind == kind:
            yield row
        yield from nested(row.block or (), kind)


def comments(text: str, *, lines: bool) -> Iterator[tuple[int, str]]:
    """Yield all comments that say something, with their lines. Raises Unreadable."""
    for token in _tokens(text, lines=lines):
        if token.kind == "comment" and token.text.strip("# \t"):
            yield token.line, token.text.strip()


def macros(text: str) -> Iterator[tuple[int, str]]:
    """Yield words with a `$` outside of quotes, where lines end statements, with their lines."""
    for token in _tokens(text, lines=True):
        if token.kind == "word" and "$" in token.text:
            yield token.line, token.text


def without(text: str, gone: Iterable[Statement]) -> str:
    """Return the text without these statements and without the lines that they leave empty."""
    kept, at = [], 0
    for statement in sorted(gone, key=lambda statement: statement.begin):
        if statement.begin < at:
            continue
        kept.append(text[at : statement.begin].rstrip(" \t"))
        at = statement.end
        line_end = text.find("\n", at)
        rest = text[at : len(text) if line_end < 0 else line_end]
        if not rest.strip() and (not kept[-1] or kept[-1].endswith("\n")):
            at = len(text) if line_end < 0 else line_end + 1
    kept.append(text[at:])
    return re.sub(r"\n{3,}", "\n\n", "".join(kept)).strip("\n")


def with_comment(text: str, statement: Statement) -> Statement:
    """Return the statement with the lines of comment that stand directly above it."""
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
    """Return what these lines say, as one line."""
    own = text[with_comment(text, statement).begin : statement.begin]
    lines = (line.strip().lstrip("#").strip() for line in own.splitlines())
    return " ".join(line for line in lines if line)


def unindented(text: str, statement: Statement) -> str:
    """Return a statement as it is written, without the indentation of its first line."""
    begin = text.rfind("\n", 0, statement.begin) + 1
    indentation = text[begin : statement.begin]
    lines = statement.text(text).split("\n")
    return "\n".join(line.removeprefix(indentation) for line in lines)


def _block(
    tokens: Iterator[_Token], opened: _Token | None, depth: int, *, lines: bool
) -> tuple[tuple[Statement, ...], int]:
    """Return the statements up to the block's closing brace, and where in the text it ends."""
    if opened and depth > _DEEPEST:
        raise Unreadable(f"line {opened.line}: more than {_DEEPEST} blocks in each other")
    rows: list[Statement] = []
    words: list[_Token] = []
    last = opened
    for last in tokens:
        if last.kind != "mark":
            words.append(last)
            continue
        if last.text == "{":
            first = words[0] if words else last
            inner, end = _block(tokens, last, depth + 1, lines=lines)
            rows.append(Statement(_texts(words), inner, first.line, first.begin, end))
        elif words:
            if last.text == "}" and not lines:
                raise Unreadable(f"line {last.line}: a ';' is missing before '}}'")
            rows.append(_simple(words, last.end if last.text == ";" else words[-1].end))
        words = []
        if last.text == "}":
            if opened is None:
                raise Unreadable(f"line {last.line}: a '}}' closes nothing")
            return tuple(rows), last.end
    if words and last and not lines:
        raise Unreadable(f"line {last.line}: a ';' is missing")
    if opened:
        raise Unreadable(f"line {opened.line}: a '{{' is never closed")
    if words:
        rows.append(_simple(words, words[-1].end))
    return tuple(rows), last.end if last else 0


def _simple(words: list[_Token], end: int) -> Statement:
    return Statement(_texts(words), None, words[0].line, words[0].begin, end)


def _texts(words: Iterable[_Token]) -> tuple[str, ...]:
    return tuple(word.text for word in words)


def _tokens(text: str, *, lines: bool) -> Iterator[_Token]:
    """Yield words, marks and comments."""
    pattern = _OF_LINES if lines else _OF_DHCPD
    at, line = 0, 1
    while at < len(text):
        match = pattern.match(text, at)
        if match is None:
            raise Unreadable(f"line {line}: a quoted string is not closed")
        kind = match.lastgroup or ""
        token = match[kind]
        if kind == "double" and not lines:
            token = re.sub(r"\\(.)", r"\1", token, flags=re.DOTALL)
        if kind != "blank":
            yield _Token(token, kind, line, at, match.end())
        line += match[0].count("\n")
        at = match.end()
