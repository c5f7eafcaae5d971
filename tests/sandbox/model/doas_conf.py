# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""doas.conf(5): its words, its rules, and which rule decides."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

_KEYWORDS = frozenset("deny permit as cmd args nopass nolog persist keepenv setenv".split())
_WORD = re.compile(r'((?:[^\\\s{}#"]|\\(?:.|\n)|"(?:[^"\\\n]|\\(?:.|\n))*")+)')


class SyntaxErrors(ValueError):
    """The lines that doas(1) writes about a file it does not understand."""


@dataclass(frozen=True)
class Rule:
    """One rule; ``target``, ``command`` and ``arguments`` are None where the rule has none."""

    permit: bool
    identity: str
    options: frozenset[str] = frozenset()
    setenv: tuple[str, ...] = ()
    target: str | None = None
    command: str | None = None
    arguments: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Caller:
    """Who asks: the account's number and name, with numbers and names of its groups."""

    uid: int
    name: str
    groups: frozenset[str]


@dataclass(frozen=True)
class _Token:
    text: str
    line: int
    plain: bool

    def keyword(self, text: str) -> bool:
        return self.plain and self.text == text and text in _KEYWORDS


def parse(text: str) -> list[Rule]:
    """All rules in their order; SyntaxErrors with one line for each line that is wrong."""
    rules, errors = [], []
    for number, tokens in _lines(text):
        try:
            rules.append(_rule(tokens))
        except _Wrong as wrong:
            errors.append(f"doas: {wrong} at line {number}\n")
    if errors:
        raise SyntaxErrors("".join(errors))
    return rules


def decide(
    rules: Iterable[Rule], caller: Caller, target: frozenset[str], argv: Sequence[str]
) -> Rule | None:
    """The last rule that matches, None without one; ``target`` has a name and a number."""
    last = None
    for rule in rules:
        if _matches(rule, caller, target, argv):
            last = rule
    return last


def _matches(rule: Rule, caller: Caller, target: frozenset[str], argv: Sequence[str]) -> bool:
    if rule.identity.startswith(":"):
        if rule.identity[1:] not in caller.groups:
            return False
    elif rule.identity not in (caller.name, str(caller.uid)):
        return False
    if rule.target is not None and rule.target not in target:
        return False
    if rule.command is None:
        return True
    return rule.command == argv[0] and rule.arguments in (None, tuple(argv[1:]))


class _Wrong(ValueError):
    """Why a line is no rule."""


def _lines(text: str) -> Iterator[tuple[int, list[_Token]]]:
    """Lines with words, each with its number; a backslash joins a line to the next."""
    tokens: list[_Token] = []
    number, place = 1, 0
    while place < len(text):
        char = text[place]
        match = _WORD.match(text, place)
        if char == "\n":
            if tokens:
                yield number, tokens
            tokens, number, place = [], number + 1, place + 1
        elif char == "#":
            end = text.find("\n", place)
            place = len(text) if end < 0 else end
        elif char in "{}":
            tokens.append(_Token(char, number, False))
            place += 1
        elif match is None:
            place += 1
            if char == '"':
                tokens.append(_Token("", number, False))
        else:
            word = match[1]
            number += word.count("\n")
            plain = not re.search(r'["\\]', word)
            inner = re.sub(r'\\\n|"', "", word)
            tokens.append(_Token(re.sub(r"\\(.)", r"\1", inner), number, plain))
            place = match.end()
    if tokens:
        # The grammar wants a newline after every rule; without one the last is an error.
        tokens.append(_Token("", number, True))
        yield number, tokens


def _rule(tokens: list[_Token]) -> Rule:
    rest = list(tokens)
    permit = _take(rest, "permit")
    if not permit and not _take(rest, "deny"):
        raise _Wrong("syntax error")
    options: set[str] = set()
    setenv: tuple[str, ...] = ()
    while permit and rest and rest[0].plain:
        word = rest[0].text
        if word in ("nopass", "nolog", "persist", "keepenv"):
            options.add(rest.pop(0).text)
        elif _take(rest, "setenv"):
            if setenv:
                raise _Wrong("can't have two setenv sections")
            setenv = tuple(_braced(rest))
        else:
            break
        if {"nopass", "persist"} <= options:
            raise _Wrong("can't combine nopass and persist")
    identity = _string(rest)
    target = _string(rest) if _take(rest, "as") else None
    command, arguments = None, None
    if _take(rest, "cmd"):
        command = _string(rest)
        if _take(rest, "args"):
            arguments = tuple(_strings(rest))
    if rest:
        raise _Wrong("syntax error")
    return Rule(permit, identity, frozenset(options), setenv, target, command, arguments)


def _take(rest: list[_Token], keyword: str) -> bool:
    if rest and rest[0].keyword(keyword):
        rest.pop(0)
        return True
    return False


def _string(rest: list[_Token]) -> str:
    if not rest or (rest[0].plain and (rest[0].text in _KEYWORDS or rest[0].text == "")):
        raise _Wrong("syntax error")
    if not rest[0].plain and rest[0].text in ("{", "}"):
        raise _Wrong("syntax error")
    return rest.pop(0).text


def _strings(rest: list[_Token]) -> list[str]:
    found = []
    while rest and not (rest[0].plain and rest[0].text in (*_KEYWORDS, "")):
        if not rest[0].plain and rest[0].text in ("{", "}"):
            break
        found.append(rest.pop(0).text)
    return found


def _braced(rest: list[_Token]) -> list[str]:
    if not rest or rest.pop(0).text != "{":
        raise _Wrong("syntax error")
    found = _strings(rest)
    if not rest or rest.pop(0).text != "}":
        raise _Wrong("syntax error")
    return found
