# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""A server's httpd.conf(5): the server that installers are served from, and what else there is."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ansible_collections.puffy.vmm.plugins.module_utils._formats.blocks import (
    Statement,
    statements,
    without,
)
from ansible_collections.puffy.vmm.plugins.module_utils._formats.elements import elements

PATH: t.Final = "/etc/httpd.conf"
CHROOT: t.Final = "/var/www"
_SETS: t.Final = re.compile(r"/pub/OpenBSD/([^/]+)/amd64/?\*?")


@dataclass(frozen=True)
class Installers:
    """The server that has response files and sets; directories are below the chroot."""

    statement: Statement
    listen: str
    responses: str
    sets: str | None = None
    release: str | None = None
    listed: bool = False


@dataclass(frozen=True)
class Conf:
    """installers is None, and why says why, where no server is one that the role could write."""

    text: str
    installers: Installers | None = None
    why: str = ""
    line: int = 0
    roots: tuple[str, ...] = ()

    @property
    def rest(self) -> str:
        """All but the installers' server."""
        text = without(self.text, [self.installers.statement] if self.installers else [])
        return text if statements(text, lines=True) else ""

    @property
    def superseded(self) -> tuple[str, ...]:
        """Elements of the installers' server, in the words of elements()."""
        if self.installers is None:
            return ()
        return elements("httpd.conf", self.installers.statement.text(self.text))


def read(text: str) -> Conf:
    """Raises ValueError, which names the line."""
    found = statements(text, lines=True)
    servers = [one for one in found if one.kind == "server" and one.block is not None]
    roots = tuple(dict.fromkeys(_roots(servers)))
    if not servers:
        return Conf(text, why="it has no server", roots=roots)
    first, *others = servers
    serving = next((one for one in servers if _location(one)), first)
    if serving is not first:
        return Conf(
            text,
            None,
            "the server of the installation sets is not the first, and the role "
            "writes its own there",
            serving.line,
            roots,
        )
    try:
        return Conf(text, _installers(first), roots=roots)
    except _Other as other:
        return Conf(text, None, other.why, other.line, roots)


class _Other(Exception):
    """The server does more than the role would."""

    def __init__(self, statement: Statement, why: str) -> None:
        super().__init__(why)
        self.line, self.why = statement.line, f"{' '.join(statement.words)}: {why}"


def _installers(server: Statement) -> Installers:
    listen = responses = sets = release = None
    listed = False
    for one in server.block or ():
        # A location of the collection's own may be for what is found alone.
        words = tuple(word for word in one.words if word != "found")
        match words:
            case ["listen", "on", address, "port", "80"]:
                if listen:
                    raise _Other(one, "the role listens on one address")
                listen = address
            case ["root", path]:
                responses = path
            case ["location", pattern] if (match := _SETS.fullmatch(pattern)) and one.block:
                sets, index = _sets(one)
                listed, release = listed or index, match[1]
            case ["location", "*" | "*@*"] if one.block and one.block[0].kind == "root":
                responses = one.block[0].words[-1]
            case ["log", *_] | ["connection", *_] | ["no", "log"] | ["directory", "no", "index"]:
                pass
            case _:
                raise _Other(one, "the role does not write it")
    if listen is None or responses is None:
        raise _Other(server, "it has no port 80 or no root")
    if "install" not in responses and sets is None:
        raise _Other(server, "it does not look like a server for installers")
    return Installers(server, listen, responses, sets, release, listed)


def _sets(location: Statement) -> tuple[str | None, bool]:
    root, listed = None, False
    for one in location.block or ():
        match one.words:
            case ["root", path]:
                root = path
            case ["request", "strip", "4"]:
                pass
            case ["directory", "auto", "index"]:
                listed = True
            case ["directory"] if [x.words for x in one.block or ()] == [("auto", "index")]:
                listed = True
            case ["log", *_] | ["no", "log"]:
                pass
            case _:
                raise _Other(one, "the role does not write it")
    return root, listed


def _location(server: Statement) -> bool:
    return any(
        one.kind == "location" and len(one.words) > 1 and _SETS.fullmatch(one.words[1])
        for one in server.block or ()
    )


def _roots(rows: t.Iterable[Statement]) -> t.Iterator[str]:
    for one in rows:
        if one.kind == "root" and len(one.words) == 2:
            yield f"{CHROOT}{one.words[1]}"
        yield from _roots(one.block or ())
