# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Reads vm.conf(5), as far as this collection and OpenBSD Amsterdam write it.

Blocks and quotes are read as vmd's parse.y reads them, macros included. Statements that are not
known here are kept as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from ansible_collections.puffy.vmm.plugins.module_utils._grammar.addresses import ether

KEYWORDS = frozenset(
    """
    add agentx allow boot cdrom context delay device disable disk down enable format group id
    include inet6 instance interface interfaces lladdr local locked memory net owner parallel path
    prefix rdomain sev seves size socket staggered start switch up vm
    """.split()
)

_DEEPEST = 8

_FIRST = frozenset(":_/")
_NOT_IN_WORDS = frozenset("(){}!=#,")


class Unreadable(ValueError):
    """The text is not what vmd(8) takes. The message begins with the line."""


@dataclass(frozen=True)
class Disk:
    path: str
    format: str | None = None


@dataclass(frozen=True)
class Interface:
    """A network interface of a VM; tap and lladdr are None where vmd chooses.

    lladdr is with two digits an octet, or what is written there if that is not a MAC.
    """

    switch: str | None = None
    lladdr: str | None = None
    locked: bool = False
    tap: str | None = None
    group: str | None = None
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class SwitchBlock:
    name: str
    interface: str | None = None
    locked: bool = False
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class VmBlock:
    """A VM; enabled means that vmd starts it at boot. others are statements not known here."""

    name: str
    enabled: bool = True
    owner: str | None = None
    memory: str | None = None
    disks: tuple[Disk, ...] = ()
    interfaces: tuple[Interface, ...] = ()
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class VmConf:
    socket_owner: str | None = None
    switches: tuple[SwitchBlock, ...] = ()
    vms: tuple[VmBlock, ...] = ()
    others: tuple[str, ...] = ()


class _Token(NamedTuple):
    text: str
    line: int
    quoted: bool = False

    @property
    def keyword(self) -> str:
        """The token when it can be a keyword or a bracket, else an empty string."""
        return "" if self.quoted or self.is_string else self.text

    @property
    def is_string(self) -> bool:
        if self.quoted:
            return True
        first = self.text[0]
        return (first.isalnum() or first in _FIRST) and self.text not in KEYWORDS


class _Statement(NamedTuple):
    tokens: list[_Token]
    block: list[_Statement] | None

    def __str__(self) -> str:
        words = " ".join(f'"{token.text}"' if token.quoted else token.text for token in self.tokens)
        if self.block is None:
            return words
        return f"{words} {{ {'; '.join(map(str, self.block))} }}".lstrip()


def parse_vm_conf(text: str) -> VmConf:
    """Return what a vm.conf(5) says. Raises Unreadable."""
    macros: dict[str, str] = {}
    switches: list[SwitchBlock] = []
    vms: list[VmBlock] = []
    others: list[str] = []
    socket_owner = None
    for statement in _statements(_Lexer(text, macros).tokens(), macros):
        words = _Words(statement.tokens)
        if words.take("vm"):
            vms.append(_vm(words, statement))
        elif words.take("switch"):
            switches.append(_switch(words, statement))
        elif words.take("socket", "owner"):
            socket_owner = words.string()
        else:
            others.append(str(statement))
    return VmConf(socket_owner, tuple(switches), tuple(vms), tuple(others))


def _switch(words: _Words, statement: _Statement) -> SwitchBlock:
    name, interface, locked = words.string(), None, False
    others: list[str] = []
    for option in statement.block or ():
        inner = _Words(option.tokens)
        if inner.take("interface"):
            interface = inner.string()
        elif inner.take("locked", "lladdr"):
            locked = True
        else:
            others.append(str(option))
    return SwitchBlock(name, interface, locked, tuple(others))


def _vm(words: _Words, statement: _Statement) -> VmBlock:
    name, enabled, owner, memory = words.string(), True, None, None
    disks: list[Disk] = []
    interfaces: list[Interface] = []
    others = [] if words.done else [str(statement._replace(block=None))]
    for option in statement.block or ():
        inner = _Words(option.tokens)
        if inner.take("disable"):
            enabled = False
        elif inner.take("enable"):
            enabled = True
        elif inner.take("owner"):
            owner = inner.string()
        elif inner.take("memory"):
            memory = inner.string()
        elif inner.take("disk"):
            path = inner.string()
            disks.append(Disk(path, inner.string() if inner.take("format") else None))
        elif inner.take("interface"):
            interfaces.append(_interface(inner, option.block or ()))
        else:
            others.append(str(option))
    return VmBlock(name, enabled, owner, memory, tuple(disks), tuple(interfaces), tuple(others))


def _interface(words: _Words, block: Iterable[_Statement]) -> Interface:
    tap = words.string() if words.next_is_string else None
    options = _Words([*words.rest(), *(token for option in block for token in option.tokens)])
    switch, lladdr, group, locked = None, None, None, False
    others: list[str] = []
    while not options.done:
        if options.take("switch"):
            switch = options.string()
        elif options.take("group"):
            group = options.string()
        elif options.take("locked"):
            locked = True
        elif options.take("lladdr"):
            lladdr = options.lladdr() if options.next_is_string else None
        elif not options.take(","):
            others.append(options.word())
    return Interface(switch, lladdr, locked, None if tap == "tap" else tap, group, tuple(others))


class _Words:
    """The tokens of a statement, read from left to right."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._at = 0

    @property
    def done(self) -> bool:
        return self._at >= len(self._tokens)

    @property
    def next_is_string(self) -> bool:
        return not self.done and self._tokens[self._at].is_string

    def take(self, *keywords: str) -> bool:
        """Step over these keywords if they come next."""
        ahead = self._tokens[self._at : self._at + len(keywords)]
        if tuple(token.keyword for token in ahead) != keywords:
            return False
        self._at += len(keywords)
        return True

    def word(self) -> str:
        self._at += 1
        return self._tokens[self._at - 1].text

    def string(self) -> str:
        """Read a string; adjacent strings are one."""
        if not self.next_is_string:
            before = self._tokens[self._at - 1]
            raise Unreadable(f"line {before.line}: a string is missing after {before.text!r}")
        parts = []
        while self.next_is_string:
            parts.append(self.word())
        return "".join(parts)

    def lladdr(self) -> str | None:
        """Read a MAC; vmd chooses one in place of zeros (usr.sbin/vmd/vmd.c, vm_register)."""
        word = self.word()
        mac = ether(word) or word
        return mac if mac.strip("0:") else None

    def rest(self) -> list[_Token]:
        return self._tokens[self._at :]


def _statements(tokens: Iterator[_Token], macros: dict[str, str]) -> Iterator[_Statement]:
    for statement in _block(tokens, None, 0):
        texts = [token.keyword or token.text for token in statement.tokens]
        if len(texts) == 3 and texts[1] == "=" and not statement.tokens[1].quoted:
            macros[texts[0]] = texts[2]
        else:
            yield statement


def _block(tokens: Iterator[_Token], opened: _Token | None, depth: int) -> Iterator[_Statement]:
    """Yield the statements up to the block's end, or to the end of the text."""
    if opened and depth > _DEEPEST:
        raise Unreadable(f"line {opened.line}: more than {_DEEPEST} blocks in each other")
    words: list[_Token] = []
    block: list[_Statement] | None = None
    for token in tokens:
        mark = "" if token.quoted else token.text
        if mark == "{":
            block = list(_block(tokens, token, depth + 1))
            if not block:
                raise Unreadable(f"line {token.line}: a block is empty")
        elif mark in ("\n", "}"):
            if words or block:
                yield _Statement(words, block)
            words, block = [], None
            if mark == "}":
                if opened is None:
                    raise Unreadable(f"line {token.line}: a '}}' closes nothing")
                return
        elif block is not None:
            raise Unreadable(f"line {token.line}: {token.text!r} follows a '}}' on the same line")
        else:
            words.append(token)
    if opened is not None:
        raise Unreadable(f"line {opened.line}: a '{{' is never closed")
    if words or block:
        yield _Statement(words, block)


class _Lexer:
    def __init__(self, text: str, macros: dict[str, str], line: int = 1) -> None:
        self._text = text
        self._macros = macros
        self._at = 0
        self._line = line

    def tokens(self, expanding: bool = False) -> Iterator[_Token]:
        while (first := self._next()) != "":
            if first in " \t":
                continue
            if first == "#":
                while first not in ("\n", ""):
                    first = self._next()
            if first == "$" and not expanding:
                yield from self._macro()
            elif first in "'\"" and first:
                yield self._quoted(first)
            elif first.isalnum() or (first and first in _FIRST):
                word = first + self._while(
                    lambda c: c.isalnum() or (c.isprintable() and c not in _NOT_IN_WORDS | {" "})
                )
                yield _Token(word, self._line)
            elif first:
                yield _Token(first, self._line - (first == "\n"))

    def _macro(self) -> Iterator[_Token]:
        name = self._while(lambda c: c.isalnum() or c == "_")
        if name not in self._macros:
            raise Unreadable(f"line {self._line}: the macro {name!r} is not defined")
        yield from _Lexer(self._macros[name], self._macros, self._line).tokens(expanding=True)

    def _quoted(self, quote: str) -> _Token:
        """Read up to the same quote; a backslash before it or before a blank is dropped."""
        line, content = self._line, []
        while (character := self._raw()) != quote:
            if character == "\\":
                following = self._raw()
                if following in (quote, " ", "\t"):
                    character = following
                elif following == "\n":
                    continue
                else:
                    self._back(following)
            if character in ("", "\0"):
                raise Unreadable(f"line {line}: a quoted string is not closed")
            if character != "\n":
                content.append(character)
        return _Token("".join(content), line, quoted=True)

    def _while(self, belongs: Callable[[str], bool]) -> str:
        word = ""
        while True:
            at, line = self._at, self._line
            character = self._next()
            if not character or not belongs(character):
                self._at, self._line = at, line
                return word
            word += character

    def _next(self) -> str:
        """Read a character outside of quotes; a backslash and a line end after it are dropped."""
        while (character := self._raw()) == "\\":
            character = self._raw()
            if character != "\n":
                break
        return character

    def _raw(self) -> str:
        character = self._text[self._at : self._at + 1]
        self._at += len(character)
        self._line += character == "\n"
        return character

    def _back(self, character: str) -> None:
        self._at -= len(character)
        self._line -= character == "\n"
