# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The words of pf.conf(5), one ahead, and the way pfctl(8) goes on after an error."""

from __future__ import annotations

import string
from typing import NoReturn

from sandbox.model.httpd_grammar import PlainLexer
from sandbox.model.lalr import END
from sandbox.model.vm_conf_lexer import BAD, NEWLINE, NUMBER, STRING

_KEYWORDS = """
    af-to all allow-opts anchor antispoof any bandwidth binat-to block bitmask code const counters
    debug divert-packet divert-reply divert-to drop dup-to file fingerprints flags floating flush
    for fragment from global group hostid icmp-type icmp6-type if-bound in include inet inet6 inet6
    keep label limit load log loginterface match max max-mss max-pkt-rate max-src-conn
    max-src-conn-rate max-src-nodes max-src-states min-ttl modulate nat-to no no-df no-route no-sync
    on once optimization os out overload parent pass persist pflow port prio probability proto
    qlimit queue quick random random-id rdomain rdr-to reassemble received-on reply-to return
    return-icmp return-icmp6 return-rst round-robin route route-to rtable rule ruleset-optimization
    scrub self set skip sloppy source-hash source-track state state-defaults state-policy
    sticky-address synproxy table tag tagged timeout to tos ttl urpf-failed user
"""
KEYWORDS = frozenset(_KEYWORDS.split())
WORD = frozenset(string.ascii_letters + string.digits + string.punctuation) - set("(){}<>!=/#,")

Token = tuple[str, object]


class SyntaxFault(Exception):
    """The statement is given up; what was wrong is reported already."""


class Lexer(PlainLexer):
    def _word(self, c: str) -> Token:
        if c == "/":
            return c, None
        text = self._word_of(c, WORD)
        if text is None:
            return BAD, None
        return (text, text) if text in KEYWORDS else (STRING, text)


class Words:
    """Takes tokens; errors are silent until three tokens were taken since the last one."""

    def __init__(self, lexer: Lexer) -> None:
        self.lexer = lexer
        self._ahead: Token | None = None
        self._silent = 0

    def peek(self) -> str:
        if self._ahead is None:
            self._ahead = self.lexer.token()
        return self._ahead[0]

    def take(self, *kinds: str) -> str:
        """The next token's text; a syntax error if it is none of these kinds."""
        kind = self.peek()
        if kinds and kind not in kinds:
            self.fail()
        assert self._ahead is not None
        value = self._ahead[1]
        self._ahead = None
        self._silent = max(0, self._silent - 1)
        return kind if value is None else str(value)

    def accept(self, *kinds: str) -> str:
        """The next token's text if it is one of these kinds, else an empty string."""
        return self.take() if self.peek() in kinds else ""

    def fail(self, text: str = "syntax error") -> NoReturn:
        if not self._silent or text != "syntax error":
            self.lexer.error(text)
        raise SyntaxFault

    def recover(self) -> None:
        """Go to the end of the line."""
        self._silent = 3
        while self.peek() not in (NEWLINE, END):
            self._ahead = None
        if self.peek() == NEWLINE:
            self.take()

    def word(self) -> str:
        return self.take(STRING)

    def number(self) -> int:
        return int(self.take(NUMBER))

    def newlines(self) -> None:
        while self.accept(NEWLINE):
            pass
