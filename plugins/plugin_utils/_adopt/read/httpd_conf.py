# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""A server's httpd.conf(5): the server for installers, and everything else."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, replace

from ansible_collections.puffy.vmm.plugins.module_utils._formats.blocks import (
    Statement,
    macros,
    nested,
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
    """installers is None, and why says why, if no server is one that the role could write."""

    text: str
    installers: Installers | None = None
    why: str = ""
    line: int = 0
    roots: tuple[str, ...] = ()

    @property
    def rest(self) -> str:
        """Everything but the installers' server."""
        text = without(self.text, [self.installers.statement] if self.installers else [])
        return text if statements(text, lines=True) else ""

    @property
    def superseded(self) -> tuple[str, ...]:
        """Elements of the installers' server, in the words of elements()."""
        if self.installers is None:
            return ()
        return elements("httpd.conf", self.installers.statement.text(self.text))


def read(text: str) -> Conf:
    """Read an httpd.conf(5). Raises ValueError, which names the line."""
    rows = statements(text, lines=True)
    servers = [row for row in rows if row.kind == "server" and row.block is not None]
    chroots = [row.words[1] for row in rows if row.kind == "chroot" and len(row.words) == 2]
    roots = tuple(dict.fromkeys(_roots(servers, [*chroots, CHROOT][0])))
    if not servers:
        return Conf(text, why="it has no server", roots=roots)
    first, *others = servers
    serving = next((server for server in servers if _location(server)), first)
    if serving is not first:
        why = "the server with the sets is not the first one, where the role writes its own"
        return Conf(text, None, why, serving.line, roots)
    if obstacle := next(_obstacles(rows, first, text), None):
        return Conf(text, None, obstacle.why, obstacle.line, roots)
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
    for row in server.block or ():
        # A location of the collection's own may be for what is found alone.
        words = tuple(word for word in row.words if word != "found")
        match words:
            case ["listen", "on", address, "port", "80"]:
                if listen:
                    raise _Other(row, "the role listens on one address")
                listen = address
            case ["root", path]:
                responses = path
            case ["location", pattern] if (match := _SETS.fullmatch(pattern)) and row.block:
                sets, index = _sets(row)
                listed, release = listed or index, match[1]
            case ["location", "*" | "*@*"] if row.block and row.block[0].kind == "root":
                responses = row.block[0].words[-1]
            case ["log", *_] | ["connection", *_] | ["no", "log"] | ["directory", "no", "index"]:
                pass
            case _:
                raise _Other(row, "the role does not write it")
    if listen is None or responses is None:
        raise _Other(server, "it has no port 80 or no root")
    if "install" not in responses and sets is None:
        raise _Other(server, "it does not look like a server for installers")
    return Installers(server, listen, responses, sets, release, listed)


def _sets(location: Statement) -> tuple[str | None, bool]:
    root, listed = None, False
    for row in location.block or ():
        match row.words:
            case ["root", path]:
                root = path
            case ["request", "strip", "4"]:
                pass
            case ["directory", "auto", "index"]:
                listed = True
            case ["directory"] if [inner.words for inner in row.block or ()] == [("auto", "index")]:
                listed = True
            case ["log", *_] | ["no", "log"]:
                pass
            case _:
                raise _Other(row, "the role does not write it")
    return root, listed


def _obstacles(rows: t.Iterable[Statement], server: Statement, text: str) -> t.Iterator[_Other]:
    """Yield what would mean something else beside the role's own server."""
    for row in rows:
        if row.kind == "chroot" and row.words[1:] != (CHROOT,):
            yield _Other(row, f"the role's directories are below {CHROOT}")
        if row.kind == "include" and row.begin < server.begin:
            yield _Other(row, "the role's server comes first, and one in that file may be now")
    for line, word in macros(server.text(text)):
        row = replace(server, words=(word,), line=server.line + line - 1)
        yield _Other(row, "the role writes no macros: write the value itself here")


def _location(server: Statement) -> bool:
    return any(
        row.kind == "location" and len(row.words) > 1 and _SETS.fullmatch(row.words[1])
        for row in server.block or ()
    )


def _roots(servers: t.Iterable[Statement], chroot: str) -> t.Iterator[str]:
    for row in nested(servers, "root"):
        root = "".join((chroot, *row.words[1:]))
        if len(row.words) == 2 and root.startswith("/") and "$" not in root:
            yield root
