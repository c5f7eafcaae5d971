# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Words of dhcpd.conf(5), and where dhcpd(8) thinks it is when it complains.

dhcpd prints file, line, the source line read so far and a caret, but never the reason: the text
of a complaint is taken from the complaint before it, so that only the places pile up. The source
line comes from one of two buffers of 80 bytes that are re-used line by line without being cleared,
which shows in the caret's indentation.
"""

from __future__ import annotations

from dataclasses import dataclass, field

# Kinds of words besides keywords (their own kind) and single characters (theirs).
EOF = "end of file"
STRING = "string"
NUMBER = "number"
NUMBER_OR_NAME = "hexadecimal digits"
NAME = "name"

_KEYWORDS = """
    abandoned allow always-reply-rfc1048 authoritative booting bootp class client-hostname
    default-lease-time deny domain dynamic-bootp dynamic-bootp-lease-cutoff
    dynamic-bootp-lease-length echo-client-id ends ethernet filename fixed-address
    get-lease-hostnames group hardware host hostname ipsec-tunnel lease max-lease-time netmask
    next-server not option range server-identifier server-name shared-network starts subnet timeout
    timestamp uid unknown-clients use-host-decl-names use-lease-addr-for-default-route user-class
    vendor-class
"""
KEYWORDS = frozenset(_KEYWORDS.split())

LINE_BYTES = 80
STRING_BYTES = 1499
MESSAGE_BYTES = 1023
BLANKS = " \t\n\v\f\r"
NUL = "\0"


@dataclass(frozen=True)
class Word:
    kind: str
    text: str

    @property
    def is_identifier(self) -> bool:
        return self.kind in KEYWORDS or self.kind in (NAME, NUMBER_OR_NAME)


def _ascii_alnum(char: str) -> bool:
    return char.isascii() and char.isalnum()


def _hexadecimal(text: str) -> bool:
    return all(char in "0123456789abcdefABCDEF" for char in text)


@dataclass
class Lexer:
    """Hands out the words of a text, one ahead if asked, and takes complaints."""

    text: str
    filename: str
    complaints: list[str] = field(default_factory=list)
    """What stands on standard error so far, line by line."""
    failed: bool = False

    def __post_init__(self) -> None:
        self._next = 0
        self._unread = False
        self._buffers = [[NUL] * (LINE_BYTES + 1), [NUL] * (LINE_BYTES + 1)]
        self._filling = 0
        self._shown = 0
        self._line = self._column = 1
        self._word_place = (1, 1)
        self._ahead: tuple[Word, tuple[int, int]] | None = None
        self._message = ""
        self._indent = ""

    def _read(self) -> str:
        char = self.text[self._next : self._next + 1]
        self._next += 1
        if self._unread:
            self._unread = False
        elif char == "\n":
            self._filling = 1 - self._filling
            self._line += 1
            self._column = 1
            self._buffers[self._filling][0] = NUL
        elif char:
            if self._column <= LINE_BYTES:
                self._buffers[self._filling][self._column - 1] = char
                self._buffers[self._filling][self._column] = NUL
            self._column += 1
        return char

    def _push_back(self) -> None:
        self._next -= 1
        self._unread = True

    def _scan(self) -> Word:
        while True:
            place = (self._line, self._column)
            char = self._read()
            if char and char in BLANKS:
                continue
            if char == "#":
                while char not in ("", "\n"):
                    char = self._read()
                continue
            self._word_place = place
            if char == '"':
                return self._string()
            if char == "-" or _ascii_alnum(char):
                return self._name(char)
            return Word(char or EOF, char)

    def _string(self) -> Word:
        """A double quote always ends it; a backslash vanishes but for one after another."""
        text = ""
        escaped = False
        while len(text) < STRING_BYTES:
            char = self._read()
            starts_escape = not escaped and char == "\\"
            escaped = starts_escape
            if char == "":
                self.complain()
                break
            if char == '"':
                break
            if not starts_escape:
                text += char
        else:
            self.complain()
        return Word(STRING, text)

    def _name(self, first: str) -> Word:
        text = first
        while len(text) < STRING_BYTES + 1:
            char = self._read()
            if not (_ascii_alnum(char) or (char and char in "-_")):
                self._push_back()
                break
            text += char
        else:
            self.complain()
            text = text[:STRING_BYTES]
        if first == "-":
            return Word(NUMBER, text)
        if text.lower() in KEYWORDS:
            return Word(text.lower(), text)
        return Word(NUMBER_OR_NAME if _hexadecimal(text) else NAME, text)

    def take(self) -> Word:
        if self._ahead is None:
            word = self._scan()
            self._shown = self._filling
            return word
        word, place = self._ahead
        self._ahead = None
        if self._word_place[0] != place[0]:
            self._shown = self._filling
        self._word_place = place
        return word

    def peek(self) -> Word:
        if self._ahead is None:
            place = self._word_place
            word = self._scan()
            if self._word_place[0] != place[0]:
                self._shown = 1 - self._filling
            self._ahead = (word, self._word_place)
            self._word_place = place
        return self._ahead[0]

    def skip_statement(self) -> None:
        """To behind the next semicolon or closed pair of braces, or to before a lone closing brace.

        The word behind an inner closing brace is passed over unseen, as in dhcpd.
        """
        depth = 0
        while True:
            word = self.peek()
            if word.kind == "}":
                if depth == 0:
                    return
                self.take()
                depth -= 1
                if depth == 0:
                    return
            elif word.kind == "{":
                depth += 1
            elif word.kind == ";" and depth == 0:
                self.take()
                return
            if self.take().kind == EOF:
                return

    def complain(self) -> None:
        line, column = self._word_place
        shown = self._buffers[self._shown]
        self._message = f"{self.filename} line {line}: {self._message}"[:MESSAGE_BYTES]
        if column <= LINE_BYTES:
            self._indent = "".join("\t" if char == "\t" else " " for char in shown[: column - 1])
        self.complaints += [self._message, "".join(shown[: shown.index(NUL)]), self._indent + "^"]
        self.failed = True

    def warn(self, text: str) -> None:
        """A message that keeps its text and is no error."""
        self.complaints.append(text)
