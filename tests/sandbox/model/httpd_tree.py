# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What a httpd.conf(5) says, as httpd(8) keeps it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from sandbox.model.names import Address

CHROOT = "/var/www"
DOCUMENT_ROOT = "/htdocs"
HTTP, HTTPS = 80, 443

_INHERITED = ("root", "auto_index", "block", "rewrite", "authenticate", "fastcgi", "log")


@dataclass(frozen=True)
class Listen:
    address: Address
    port: int
    tls: bool = False

    @property
    def any(self) -> bool:
        return int(self.address) == 0

    def takes(self, address: Address, port: int) -> bool:
        """Whether a socket here gets what is sent to that address and port."""
        family = self.address.version == address.version
        return family and self.port == port and (self.any or self.address == address)


@dataclass(frozen=True)
class Block:
    """An answer without a file. Status 0: the connection is dropped."""

    status: int
    uri: str = ""


@dataclass
class Rules:
    """What server and location blocks have in common; None where nothing is said.

    `strip` is the one rule that a location does not take from its server.
    """

    root: str | None = None
    index: str | None = None
    no_index: bool | None = None
    auto_index: bool | None = None
    block: Block | bool | None = None  # False: pass
    rewrite: str | bool | None = None  # False: no request rewrite
    authenticate: bool | None = None
    fastcgi: bool | None = None
    log: bool | None = None
    strip: int = 0

    def inside(self, server: Rules) -> Rules:
        """The rules of a location with those that it inherits."""
        names = [name for name in _INHERITED if getattr(self, name) is None]
        if self.index is None and self.no_index is None:
            names += ["index", "no_index"]
        return replace(self, **{name: getattr(server, name) for name in names})


@dataclass(eq=False)
class Location:
    """A location block. `found` is True or False for those that ask whether the file is there."""

    path: str
    rules: Rules
    match: bool = False
    found: bool | None = None


@dataclass(eq=False)
class Server:
    """A server block; `names` are its own and its aliases', each with whether it is a pattern."""

    names: list[tuple[str, bool]]
    rules: Rules = field(default_factory=Rules)
    listens: list[Listen] = field(default_factory=list)
    locations: list[Location] = field(default_factory=list)


@dataclass
class Config:
    servers: list[Server] = field(default_factory=list)
    chroot: str = CHROOT
    logdir: str = ""

    @property
    def log_directory(self) -> str:
        return self.logdir or f"{self.chroot}/logs"

    def listens(self) -> list[Listen]:
        """The sockets to open, in order; one for all addresses stands for the others after it."""
        found: list[Listen] = []
        for server in self.servers:
            for one in server.listens:
                if not any(other.takes(one.address, one.port) for other in found):
                    found.append(one)
        return found

    def hosts(self, address: Address, port: int) -> list[tuple[Server, str, bool]]:
        """Servers and names behind the socket that gets a connection; empty: nobody listens."""
        socket = next((one for one in self.listens() if one.takes(address, port)), None)
        return [
            (server, name, match)
            for server in self.servers
            if any(socket and socket.takes(one.address, one.port) for one in server.listens)
            for name, match in server.names
        ]
