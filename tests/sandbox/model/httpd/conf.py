# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""A reader of httpd.conf(5), in the forms that are written here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from sandbox.model import replay
from sandbox.model.network.names import Address
from sandbox.model.words import NEWLINE, Refused, Words
from sandbox.target.call import NotModelled


@dataclass(frozen=True)
class Listen:
    address: Address
    port: int

    def takes(self, address: Address, port: int) -> bool:
        """Whether a socket here gets what is sent to that address and port."""
        same = int(self.address) == 0 or self.address == address
        return self.port == port and self.address.version == address.version and same


@dataclass(frozen=True)
class Rules:
    """What server and location blocks have in common; None where nothing is said.

    `rewrite` is the path that is looked for instead; `block` is a status, or 0 where `pass` undoes
    it; `strip` is the one rule that a location does not take from its server.
    """

    root: str | None = None
    auto_index: bool | None = None
    block: int | None = None
    rewrite: str | None = None
    log: bool | None = None
    strip: int = 0

    @property
    def logged(self) -> bool:
        """Whether requests are written into access.log, as they are by default."""
        return self.log is not False

    def inside(self, server: Rules) -> Rules:
        names = [
            name
            for name in ("root", "auto_index", "block", "rewrite", "log")
            if getattr(self, name) is None
        ]
        return replace(self, **{name: getattr(server, name) for name in names})


@dataclass(frozen=True)
class Location:
    """With `found` it is only for paths that lead to something."""

    pattern: str
    rules: Rules
    found: bool = False


@dataclass
class Server:
    name: str
    listens: list[Listen] = field(default_factory=list)
    rules: Rules = Rules()
    locations: list[Location] = field(default_factory=list)


def read(path: str, text: str, resolve: Callable[[str], list[Address]]) -> list[Server]:
    """`resolve` gives the addresses of an interface. Refused as httpd(8) was seen to refuse."""
    try:
        return _Reader(path, text, resolve).servers
    except NotModelled:
        recorded = replay.whole("httpd", path, text)
        if recorded is None or recorded.rc == 0:
            raise
        raise Refused(recorded.stderr) from None


class _Reader:
    def __init__(self, path: str, text: str, resolve: Callable[[str], list[Address]]) -> None:
        self.words = words = Words(path, text)
        self.path, self.resolve = path, resolve
        self.servers: list[Server] = []
        words.newlines()
        while not words.ended:
            self._server()
            words.newlines()
        if not self.servers:
            raise Refused("no actions, nothing to do\n")

    def _server(self) -> None:
        words = self.words
        words.expect("server")
        server = Server(words.text(quoted=True))
        words.expect("{", NEWLINE)
        while not words.accept("}"):
            if words.accept(NEWLINE):
                continue
            if words.accept("listen"):
                self._listen(server)
            elif words.accept("connection"):
                words.expect("max", "requests", "1")
            elif words.accept("location"):
                server.locations.append(self._location())
            else:
                server.rules = self._rule(server.rules)
            words.expect(NEWLINE)
        if not server.listens:
            said = f"{self.path}:{words.line}: listen address not specified\n"
            raise Refused(f"{said}no actions, nothing to do\n")
        for other in self.servers:
            if other.name == server.name and set(other.listens) & set(server.listens):
                said = f'{self.path}:{words.line}: server "{server.name}" defined twice\n'
                raise Refused(said)
        self.servers.append(server)

    def _listen(self, server: Server) -> None:
        words = self.words
        words.expect("on")
        line, name = words.line, words.text()
        addresses = self.resolve("0.0.0.0" if name == "*" else name)
        if not addresses:
            said = f"{self.path}:{line}: invalid listen ip: {name}\n"
            raise Refused(f"{said}no actions, nothing to do\n")
        words.expect("port")
        unknown, port = words.unknown(), words.text()
        if not port.isdigit():
            raise unknown
        server.listens += [Listen(one, int(port)) for one in addresses]

    def _location(self) -> Location:
        words, rules = self.words, Rules()
        found = bool(words.accept("found"))
        pattern = words.text(quoted=True)
        words.expect("{")
        while not words.accept("}"):
            if not words.accept(NEWLINE):
                rules = self._rule(rules)
        return Location(pattern, rules, found)

    def _rule(self, rules: Rules) -> Rules:
        words = self.words
        unknown = words.unknown()
        match words.text():
            case "root":
                return replace(rules, root=words.text(quoted=True))
            case "request":
                if words.accept("rewrite"):
                    return replace(rules, rewrite=words.text(quoted=True))
                words.expect("strip")
                count = words.text()
                if not count.isdigit():
                    raise unknown
                return replace(rules, strip=int(count))
            case "directory":
                braces = words.accept("{")
                no = bool(words.accept("no"))
                words.expect("auto", "index", *(["}"] if braces else []))
                return replace(rules, auto_index=not no)
            case "block":
                status = int(words.text()) if words.accept("return") else 403
                return replace(rules, block=status)
            case "no":
                words.expect("log")
                return replace(rules, log=False)
            case "log":
                words.expect("style", "common")
                return replace(rules, log=True)
            case "pass":
                return replace(rules, block=0)
        raise unknown
