# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The tokens of vm.conf(5), with the oddities that vmd's hand-written lexer has.

Text is handled as bytes decoded as Latin-1, so that one character is one byte as in C.
"""

from __future__ import annotations

import string
from collections.abc import Callable
from dataclasses import dataclass, field

from sandbox.model.lalr import END

NEWLINE = "NL"
STRING = "STRING"
NUMBER = "NUMBER"
BAD = "BAD"  # the rest of a line that could not be read

# fmt: off
KEYWORDS = frozenset((
    "add", "agentx", "allow", "boot", "cdrom", "context", "delay", "device", "disable", "disk",
    "down", "enable", "format", "group", "id", "include", "inet6", "instance", "interface",
    "interfaces", "lladdr", "local", "locked", "memory", "net", "owner", "parallel", "path",
    "prefix", "rdomain", "sev", "seves", "size", "socket", "staggered", "start", "switch", "up",
    "vm",
))
# fmt: on
TOKEN_MAX = 8096  # bytes, the terminating NUL included

_EOF = ""
_BLANKS = " \t"
_DIGITS = frozenset(string.digits)
_ALNUM = frozenset(string.ascii_letters) | _DIGITS
_WORD_START = _ALNUM | frozenset(":_/")
_WORD = (_ALNUM | frozenset(string.punctuation)) - frozenset("(){}!=#,")
_AFTER_NUMBER = frozenset(" \t\n\r\v\f),/}=")
_EXPAND, _EXPANDED = "\x01", "\x02"


@dataclass
class Source:
    """A file that is being read.

    An included one counts from line 0, because it begins with the line end that was put back.
    """

    name: str
    text: str
    line: int
    position: int = 0
    ended: bool = False
    unread: list[str] = field(default_factory=list)

    def get(self) -> str:
        if self.position >= len(self.text):
            return _EOF
        self.position += 1
        return self.text[self.position - 1]


@dataclass
class Macro:
    value: str
    persistent: bool = False
    used: bool = False


class Lexer:
    """Gives token after token; `report` gets each error with the place it is reported for."""

    def __init__(
        self, name: str, text: str, macros: dict[str, Macro], report: Callable[[str], None]
    ) -> None:
        self.sources = [Source(name, text, line=1)]
        self.macros = macros
        self.line = 0  # of the last token, which is what messages show
        self._report = report
        self._expanding = False

    @property
    def source(self) -> Source:
        return self.sources[-1]

    def error(self, text: str) -> None:
        self._report(f"{self.source.name}:{self.line}: {text}")

    def include(self, name: str, text: str) -> None:
        self.sources.append(Source(name, text, line=0))
        self._unget("\n")

    def define(self, name: str, value: str) -> None:
        """Set a macro; one of the command line stays as it is."""
        known = self.macros.get(name)
        if known is None or not known.persistent:
            self.macros.pop(name, None)
            self.macros[name] = Macro(value)

    def _raw(self) -> str:
        while True:
            c = self.source.unread.pop() if self.source.unread else self.source.get()
            if c == _EXPAND:
                self._expanding = True
            elif c == _EXPANDED:
                self._expanding = False
            else:
                return c

    def _pop(self) -> bool:
        """Go on in the including file; False at the end of the outermost one."""
        if len(self.sources) == 1:
            return False
        self.sources.pop()
        return True

    def _get(self) -> str:
        c = self._raw()
        while c == "\\":
            following = self._raw()
            if following != "\n":
                c = following
                break
            self.line = self.source.line
            self.source.line += 1
            c = self._raw()
        if c and c in _BLANKS:
            # Blanks are skipped in the file itself even where this blank came from a macro.
            text, position = self.source.text, self.source.position
            while position < len(text) and text[position] in _BLANKS:
                position += 1
            self.source.position = position
            return " "
        if c == _EOF and not self.source.ended:
            self.source.ended = True
            return "\n"
        while c == _EOF and self._pop():
            c = self._raw()
        return c

    def _get_quoted(self, quote: str) -> str:
        c = self._raw()
        if c == _EOF:
            self.error("reached end of file while parsing quoted string")
            return quote if self._pop() else _EOF
        return c

    def _unget(self, c: str) -> None:
        if c:
            self.source.unread.append(c)

    def _skip_line(self) -> tuple[str, object]:
        while (c := self._get()) not in ("\n", _EOF):
            pass
        if c == "\n":
            self.source.line += 1
        return BAD, None

    def _too_long(self) -> tuple[str, object]:
        self.error("string too long")
        return self._skip_line()

    def token(self) -> tuple[str, object]:
        while True:
            c = self._first()
            if c != "$" or self._expanding:
                return self._token_from(c)
            problem = self._expand()
            if problem is not None:
                return problem

    def _first(self) -> str:
        """The first character of a token; a comment is passed over up to its line end."""
        while (c := self._get()) == " ":
            pass
        self.line = self.source.line
        if c == "#":
            while (c := self._get()) not in ("\n", _EOF):
                pass
        return c

    def _expand(self) -> tuple[str, object] | None:
        """Put a macro's value in front of what follows; the token for a failure."""
        name = ""
        while (c := self._get()) in _ALNUM or c == "_":
            if len(name) + 2 >= TOKEN_MAX:
                return self._too_long()
            name += c
        if c == _EOF:
            return END, None
        self._unget(c)
        macro = self.macros.get(name)
        if macro is None:
            self.error(f"macro '{name}' not defined")
            return self._skip_line()
        macro.used = True
        for char in _EXPANDED + macro.value[::-1] + _EXPAND:
            self._unget(char)
        return None

    def _token_from(self, c: str) -> tuple[str, object]:
        if c in ("'", '"'):
            return self._quoted(c)
        if c == "-" or c in _DIGITS:
            number = self._number(c)
            if number is not None:
                return number
        if c in _WORD_START:
            return self._word(c)
        if c == "\n":
            self.line = self.source.line
            self.source.line += 1
            return NEWLINE, None
        return (c, None) if c else (END, None)

    def _quoted(self, quote: str) -> tuple[str, object]:
        text = ""
        while True:
            c = self._get_quoted(quote)
            if c == _EOF:
                return END, None
            if c == "\n":
                self.source.line += 1
                continue
            if c == "\\":
                following = self._get_quoted(quote)
                if following == _EOF:
                    return END, None
                if following == "\n":
                    self.source.line += 1
                    continue
                if following in (quote, *_BLANKS):
                    c = following
                else:
                    self._unget(following)
            elif c == quote:
                return STRING, text
            elif c == "\0":
                self.error("syntax error")
                return self._skip_line()
            if len(text) + 2 >= TOKEN_MAX:
                return self._too_long()
            text += c

    def _number(self, c: str) -> tuple[str, object] | None:
        """A number, or None with all but the first character put back."""
        text = ""
        while True:
            text += c
            if len(text) >= TOKEN_MAX:
                return self._too_long()
            c = self._get()
            if c not in _DIGITS:
                break
        self._unget(c)
        if text != "-" and (c == _EOF or c in _AFTER_NUMBER):
            value = int(text)
            if not -(2**63) <= value < 2**63:
                self.error(f'"{text}" invalid number: {"too large" if value > 0 else "too small"}')
                return self._skip_line()
            return NUMBER, value
        for char in reversed(text[1:]):
            self._unget(char)
        return None

    def _word(self, c: str) -> tuple[str, object]:
        text = ""
        while True:
            text += c
            if len(text) >= TOKEN_MAX:
                return self._too_long()
            c = self._get()
            if c not in _WORD:
                break
        self._unget(c)
        return (text if text in KEYWORDS else STRING), text
