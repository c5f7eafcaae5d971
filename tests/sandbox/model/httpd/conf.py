# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""A reader of httpd.conf(5), in the forms that are written here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from sandbox.model import replay
from sandbox.model.network.interfaces import Address
from sandbox.model.replay import Refused
from sandbox.model.words import Statement, not_modelled, statements
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

    `rewrite` is the path that is looked for instead; `strip` is the one rule that a location does
    not take from its server.
    """

    root: str | None = None
    auto_index: bool | None = None
    rewrite: str | None = None
    log: bool | None = None
    strip: int = 0

    @property
    def logged(self) -> bool:
        """Whether requests are written into access.log, as they are by default."""
        return self.log is not False

    def inside(self, server: Rules) -> Rules:
        own = ("root", "auto_index", "rewrite", "log")
        names = [name for name in own if getattr(self, name) is None]
        return replace(self, **{name: getattr(server, name) for name in names})


@dataclass(frozen=True)
class Location:
    """With `found` it is only for paths that lead to something."""

    pattern: str
    rules: Rules
    existing: bool = False


@dataclass
class Server:
    name: str
    listens: list[Listen] = field(default_factory=list)
    rules: Rules = Rules()
    locations: list[Location] = field(default_factory=list)


def read(path: str, text: str, resolve: Callable[[str], list[Address]]) -> list[Server]:
    """`resolve` gives the addresses of an interface. Refused as httpd(8) was seen to refuse."""
    with replay.known("httpd", path, text):
        return _Reader(path, text, resolve).servers


class _Reader:
    def __init__(self, path: str, text: str, resolve: Callable[[str], list[Address]]) -> None:
        self.path, self.text, self.resolve = path, text, resolve
        self.servers: list[Server] = []
        for row in statements(path, text, "\n"):
            match row.words:
                case ["server", name] if name.quoted and row.block is not None:
                    self._server(Server(name), row)
                case _:
                    raise self._unknown(row)
        if not self.servers:
            raise not_modelled(path, text, 1)

    def _unknown(self, row: Statement) -> NotModelled:
        return not_modelled(self.path, self.text, row.line)

    def _server(self, server: Server, block: Statement) -> None:
        for row in block.block or []:
            match row.words:
                case ["listen", "on", name, "port", port] if port.isdigit():
                    self._listen(server, row, name, int(port))
                case ["connection", "max", "requests", "1"] | ["default", "type", "text/plain"]:
                    pass
                case ["location", *word, pattern] if pattern.quoted and word in ([], ["found"]):
                    rules = Rules()
                    for inner in row.block or []:
                        rules = self._rule(rules, inner)
                    server.locations.append(Location(pattern, rules, bool(word)))
                case _:
                    server.rules = self._rule(server.rules, row)
        if not server.listens or server.name in [other.name for other in self.servers]:
            raise self._unknown(block)
        self.servers.append(server)

    def _listen(self, server: Server, row: Statement, name: str, port: int) -> None:
        addresses = self.resolve("0.0.0.0" if name == "*" else name)
        if not addresses:
            said = f"{self.path}:{row.line}: invalid listen ip: {name}\n"
            raise Refused(f"{said}no actions, nothing to do\n")
        server.listens += [Listen(address, port) for address in addresses]

    def _rule(self, rules: Rules, row: Statement) -> Rules:
        # In a line, or in braces: directory auto index.
        match [*row.words, *(word for inner in row.block or [] for word in inner.words)]:
            case ["root", path] if path.quoted:
                return replace(rules, root=path)
            case ["request", "rewrite", path] if path.quoted:
                return replace(rules, rewrite=path)
            case ["request", "strip", count] if count.isdigit():
                return replace(rules, strip=int(count))
            case ["no", "log"]:
                return replace(rules, log=False)
            case ["log", "style", "common"]:
                return replace(rules, log=True)
            case ["directory", "auto", "index"]:
                return replace(rules, auto_index=True)
        raise self._unknown(row)
