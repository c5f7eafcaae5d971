# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What a configuration file has that somebody would miss: VMs, subnets, hosts, servers, sensors.

The files are those of any OpenBSD server, so they are read only as far as names need it: words,
quotes, comments and braces. What they mean is for the daemons to decide.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""(?P<comment>\#[^\n]*) | "(?P<double>(?:[^"\\]|\\.)*)" | '(?P<single>[^']*)'
    | (?P<mark>[{};\n]) | (?P<word>(?:[^\s{};"'\#])+)""",
    re.VERBOSE,
)


@dataclass(frozen=True)
class Statement:
    """The words of a statement, and those of the blocks that it is in, outermost first."""

    words: tuple[str, ...]
    inside: tuple[tuple[str, ...], ...]
    opens: bool


def elements(language: str, text: str) -> tuple[str, ...]:
    """Return what the file has, in words, each once, in order. Raises KeyError for a language."""
    return tuple(dict.fromkeys(_READERS[language](text)))


def statements(text: str, *, lines: bool) -> Iterator[Statement]:
    """Yield the statements of a language with braces; `lines` is whether a line break ends one."""
    inside: list[tuple[str, ...]] = []
    words: list[str] = []
    for token in _TOKEN.finditer(text):
        mark = token["mark"]
        if token["comment"] is not None or (mark == "\n" and not lines):
            continue
        if mark is None:
            words.append(token["double"] or token["single"] or token["word"] or "")
            continue
        if words or mark == "{":
            yield Statement(tuple(words), tuple(inside), mark == "{")
        if mark == "{":
            inside.append(tuple(words))
        elif mark == "}" and inside:
            inside.pop()
        words = []
    if words:
        yield Statement(tuple(words), tuple(inside), False)


def _vm_conf(text: str) -> Iterator[str]:
    for statement in statements(_joined(text), lines=True):
        kind, *rest = statement.words or ("",)
        if statement.inside or not rest:
            continue
        if kind == "vm":
            yield f"VM {rest[0]}"
        elif kind in ("switch", "include"):
            yield f"{kind} {rest[0]}"
        elif kind == "local":
            yield " ".join(statement.words)


def _dhcpd_conf(text: str) -> Iterator[str]:
    for statement in statements(text, lines=False):
        kind, *rest = statement.words or ("",)
        if statement.opens and kind in ("subnet", "host", "shared-network", "group", "class"):
            yield " ".join((kind, *rest[:1]))
        elif kind == "range" and not statement.opens:
            yield " ".join(statement.words)


def _httpd_conf(text: str) -> Iterator[str]:
    for statement in statements(_joined(text), lines=True):
        kind, *rest = statement.words or ("",)
        if rest and (kind == "include" or (kind == "server" and not statement.inside)):
            yield f"{kind} {rest[0]}"
        elif kind in ("listen", "location") and statement.inside:
            server = " ".join(statement.inside[0][1:2])
            yield f"{' '.join(statement.words)} of server {server}"


def _sensorsd_conf(text: str) -> Iterator[str]:
    for line in _joined(text).splitlines():
        name = line.split(":", 1)[0].strip()
        if name and not name.startswith("#"):
            yield f"entry {name}"


def _joined(text: str) -> str:
    """Return the text with the lines joined that a backslash continues."""
    return re.sub(r"\\\n[ \t]*", " ", text)


_READERS: Mapping[str, Callable[[str], Iterator[str]]] = {
    "vm.conf": _vm_conf,
    "dhcpd.conf": _dhcpd_conf,
    "httpd.conf": _httpd_conf,
    "sensorsd.conf": _sensorsd_conf,
}
LANGUAGES = tuple(_READERS)
