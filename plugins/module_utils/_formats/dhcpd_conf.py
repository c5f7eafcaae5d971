# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Reads dhcpd.conf(5), as far as this collection and OpenBSD Amsterdam write it.

Strings, comments and blocks are read as dhcpd's conflex.c reads them. Groups and shared networks
are looked through: their hosts and subnets count where they stand.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

# Parameters of which there can be several, so that their first value is part of their name.
_WITH_ARGUMENT = frozenset({"allow", "deny", "not", "option"})

_DEEPEST = 16

_LOOKED_THROUGH = frozenset({"group", "shared-network"})

_TOKEN = re.compile(
    r'(?P<blank>[ \t\r\n\f\v]+|\#[^\n]*)|"(?P<string>(?:[^"\\]|\\[^"])*)\\?"|(?P<mark>[;{},])'
    r'|(?P<word>[^\s;{},"\#]+)',
    re.ASCII,
)

Parameters = Mapping[str, tuple[str, ...]]


class Unreadable(ValueError):
    """The text is not what dhcpd(8) takes. The message begins with the line."""


@dataclass(frozen=True)
class Host:
    """A host with its own parameters; addresses are those of fixed-address."""

    name: str
    mac: str | None
    addresses: tuple[str, ...]
    parameters: Parameters


@dataclass(frozen=True)
class Subnet:
    network: str
    netmask: str
    ranges: tuple[tuple[str, ...], ...]
    parameters: Parameters
    hosts: tuple[Host, ...]


@dataclass(frozen=True)
class DhcpdConf:
    """Global parameters, subnets, and the hosts that are in no subnet."""

    parameters: Parameters
    subnets: tuple[Subnet, ...]
    hosts: tuple[Host, ...]

    @property
    def all_hosts(self) -> tuple[Host, ...]:
        """Those of subnets, too."""
        return (*self.hosts, *(host for subnet in self.subnets for host in subnet.hosts))


class _Token(NamedTuple):
    text: str
    line: int
    is_mark: bool


class _Statement(NamedTuple):
    words: list[str]
    block: list[_Statement] | None
    line: int


def parse_dhcpd_conf(text: str) -> DhcpdConf:
    """Return what a dhcpd.conf(5) says. Raises Unreadable."""
    statements = list(_block(_tokens(text), None, 0))
    flat = list(_flatten(statements))
    return DhcpdConf(
        _parameters(statements),
        tuple(_subnet(one) for one in flat if one.block is not None and _kind(one) == "subnet"),
        _hosts(flat),
    )


def _hosts(statements: list[_Statement]) -> tuple[Host, ...]:
    return tuple(_host(one) for one in statements if one.block is not None and _kind(one) == "host")


def _host(statement: _Statement) -> Host:
    name = "".join(statement.words[1:])
    if not name:
        raise Unreadable(f"line {statement.line}: a host has no name")
    parameters = dict(_parameters(statement.block or []))
    kind, *address = parameters.pop("hardware", ()) or ("ethernet",)
    if kind.lower() != "ethernet":
        raise Unreadable(f"line {statement.line}: host {name} has other hardware than ethernet")
    return Host(
        name, address[0] if address else None, parameters.pop("fixed-address", ()), parameters
    )


def _subnet(statement: _Statement) -> Subnet:
    network, word, netmask = [*statement.words[1:], "", "", ""][:3]
    if word.lower() != "netmask" or not netmask:
        raise Unreadable(f"line {statement.line}: a subnet has no netmask")
    block = statement.block or []
    ranges = tuple(
        tuple(one.words[1:]) for one in block if one.block is None and _kind(one) == "range"
    )
    parameters = {name: value for name, value in _parameters(block).items() if name != "range"}
    return Subnet(network, netmask, ranges, parameters, _hosts(list(_flatten(block))))


def _flatten(statements: list[_Statement]) -> Iterator[_Statement]:
    for statement in statements:
        if statement.block is not None and _kind(statement) in _LOOKED_THROUGH:
            yield from _flatten(statement.block)
        else:
            yield statement


def _parameters(statements: list[_Statement]) -> Parameters:
    parameters: dict[str, tuple[str, ...]] = {}
    for statement in statements:
        if statement.block is None:
            own = 2 if _kind(statement) in _WITH_ARGUMENT else 1
            name = " ".join(statement.words[:own]).lower()
            parameters[name] = tuple(statement.words[own:])
    return parameters


def _kind(statement: _Statement) -> str:
    return statement.words[0].lower() if statement.words else ""


def _block(tokens: Iterator[_Token], opened: _Token | None, depth: int) -> Iterator[_Statement]:
    """Yield the statements up to the block's end, or to the end of the text."""
    if opened and depth > _DEEPEST:
        raise Unreadable(f"line {opened.line}: more than {_DEEPEST} blocks in each other")
    words: list[str] = []
    last = opened
    for token in tokens:
        last = token
        if not token.is_mark:
            words.append(token.text)
        elif token.text == "{":
            yield _Statement(words, list(_block(tokens, token, depth + 1)), token.line)
            words = []
        elif token.text == ";":
            if words:
                yield _Statement(words, None, token.line)
            words = []
        elif token.text == "}":
            if words:
                raise Unreadable(f"line {token.line}: a ';' is missing before '}}'")
            if opened is None:
                raise Unreadable(f"line {token.line}: a '}}' closes nothing")
            return
    if words and last:
        raise Unreadable(f"line {last.line}: a ';' is missing")
    if opened is not None:
        raise Unreadable(f"line {opened.line}: a '{{' is never closed")


def _tokens(text: str) -> Iterator[_Token]:
    at, line = 0, 1
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise Unreadable(f"line {line}: a quoted string is not closed")
        if match["string"] is not None:
            yield _Token(re.sub(r"\\(.)", r"\1", match["string"], flags=re.DOTALL), line, False)
        elif match["blank"] is None:
            yield _Token(match["mark"] or match["word"], line, match["mark"] is not None)
        line += text.count("\n", at, match.end())
        at = match.end()
