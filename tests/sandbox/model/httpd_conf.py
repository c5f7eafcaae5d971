# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""httpd's parser of httpd.conf(5): what it accepts, what it says, and on which line."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from ipaddress import ip_address
from typing import NoReturn, Protocol

from sandbox.model import httpd_grammar, lalr
from sandbox.model.httpd_tree import (
    HTTP,
    HTTPS,
    Block,
    Config,
    Listen,
    Location,
    Rules,
    Server,
)
from sandbox.model.lalr import Reject
from sandbox.model.names import Address
from sandbox.model.vm_conf_lexer import Macro

SERVICES = {"http": HTTP, "www": HTTP, "https": HTTPS, "http-alt": 8008}
STATUS_RANGES = (
    (100, 103), (200, 208), (226, 226), (300, 308), (400, 418), (420, 420), (422, 426), (428, 429),
    (431, 431), (451, 451), (500, 508), (510, 511),
)  # fmt: skip
CERTIFICATE = "/etc/ssl/server.crt"
KEY = "/etc/ssl/private/server.key"
NAME_MAX = 255
PORT_MAX = 65535
PREFORK_MAX = 32
BACKLOG_MAX = 1024
ADDRESSES_MAX = 16


Macros = Iterable[tuple[str, str]]


class World(Protocol):
    """What httpd asks of the machine while it reads."""

    def read(self, path: str) -> str:
        """The text of a file; raises OSError."""

    def exists(self, path: str) -> bool: ...

    def addresses(self, name: str) -> list[Address]:
        """Those of an interface, an interface group or a host name."""


class _StopError(Exception):
    """The parser ends at once: yacc's YYACCEPT and YYABORT."""


def check(
    text: str, filename: str, world: World, *, root: bool = True, macros: Macros = ()
) -> tuple[Config | None, str]:
    """httpd -n: None if the configuration is refused, and what stands on standard error.

    The file is read twice: up to the first server by anybody, then, as root, to its end.
    """
    messages = first_pass(text, filename, world, macros)
    if messages:
        return None, messages
    if not root:
        return None, "httpd: need root privileges\n"
    config, messages = load(text, filename, world, macros)
    return config, messages + ("configuration OK\n" if config else "")


def first_pass(text: str, filename: str, world: World, macros: Macros = ()) -> str:
    """The complaints about what stands before the first server."""
    parser = _Parser(text, filename, world, macros, servers=False)
    parser.run()
    return parser.messages


def load(text: str, filename: str, world: World, macros: Macros = ()) -> tuple[Config | None, str]:
    """What the daemon does at its start and on SIGHUP."""
    parser = _Parser(text, filename, world, macros, servers=True)
    parser.run()
    if not parser.blocks:
        parser.say("no actions, nothing to do")
        parser.failed = True
    return None if parser.failed else parser.config, parser.messages


class _Parser:
    """The actions of the grammar, one method each."""

    def __init__(
        self, text: str, filename: str, world: World, macros: Macros, *, servers: bool
    ) -> None:
        self.world = world
        self.servers = servers
        self.messages = ""
        self.failed = False
        self.config = Config()
        self.blocks: list[Server | Location] = []
        self.taken: list[tuple[str, Listen]] = []
        self.server: Server | None = None
        self.location: Location | None = None
        self.certificate, self.key = CERTIFICATE, KEY
        defined = {name: Macro(value, persistent=True) for name, value in macros}
        self.lexer = httpd_grammar.Lexer(filename, text, defined, self.report)

    def run(self) -> None:
        actions: dict[str, Callable[..., object]] = {
            rule.action: getattr(self, rule.action)
            for rule in httpd_grammar.tables().rules
            if rule.action
        }
        with suppress(_StopError):
            lalr.run(
                httpd_grammar.tables(),
                self.lexer.token,
                actions,
                lambda: self.lexer.error("syntax error"),
            )

    def say(self, text: str) -> None:
        self.messages += f"{text}\n"

    def report(self, text: str) -> None:
        self.failed = True
        self.say(text)

    def fail(self, text: str) -> NoReturn:
        self.lexer.error(text)
        raise Reject

    def abort(self, text: str) -> NoReturn:
        self.lexer.error(text)
        raise _StopError

    @property
    def current(self) -> Server:
        if self.server is None:
            raise _StopError
        return self.server

    @property
    def rules(self) -> Rules:
        return self.location.rules if self.location else self.current.rules

    # values

    def nothing(self) -> None:
        return None

    def empty(self) -> str:
        return ""

    def yes(self, *_: object) -> bool:
        return True

    def no(self, *_: object) -> bool:
        return False

    def port_number(self, _: object, number: int) -> int:
        if not 0 < number <= PORT_MAX:
            self.fail(f"invalid port: {number}")
        return number

    def port_name(self, _: object, name: str) -> int:
        if name.isascii() and name.isdigit() and int(name) <= PORT_MAX:
            return int(name)
        if name not in SERVICES:
            self.fail(f"invalid port: {name}")
        return SERVICES[name]

    # the file

    def skipped(self, *_: object) -> None:
        self.failed = True

    def include(self, _: object, path: str) -> None:
        try:
            text = self.world.read(path)
        except OSError as error:
            self.say(f"pushfile: {path}: {error.strerror}")
            self.fail(f"failed to include file {path}")
        self.lexer.include(path, text)

    def macro(self, name: str, _: object, value: str) -> None:
        if any(char.isspace() for char in name[1:]):
            self.fail("macro name cannot contain whitespace")
        self.lexer.define(name, value)

    def prefork(self, _: object, number: int) -> None:
        if not self.servers and not 0 < number <= PREFORK_MAX:
            self.fail(f"invalid number of preforked servers: {number}")

    def chroot(self, _: object, path: str) -> None:
        self.config.chroot = path

    def logdir(self, _: object, path: str) -> None:
        self.config.logdir = path

    # servers

    def server_begin(self, _: object, match: bool, name: str) -> None:
        if not self.servers:
            raise _StopError
        if len(name) > NAME_MAX:
            self.fail("server name truncated")
        self.server = Server([(name, match)])

    def server_end(self, *_: object) -> None:
        server = self.current
        name = server.names[0][0]
        own = [(name, place) for place in server.listens[:1]]
        self._refuse_twice(own)
        if not server.listens:
            self.fail("listen address not specified")
        other = next((one for one in self.config.servers if self._shares(one, server)), None)
        if other and other.listens[0].tls != server.listens[0].tls:
            self.fail(f'server "{name}": tls and non-tls on same address/port')
        if server.listens[0].tls and not self._has_keys():
            where = f"{self.lexer.source.name}:{self.lexer.line}"
            self.say(f'{where}: server "{name}": failed to load public/private keys')
            self.blocks = [one for one in self.blocks if one not in server.locations]
            self.server = None
            return
        self.config.servers.append(server)
        self.blocks.append(server)
        self.taken += own
        for pair in [(alias, place) for place in server.listens for alias, _ in server.names][1:]:
            self._refuse_twice([pair])
            self.taken.append(pair)
        self.server = None

    def _refuse_twice(self, pairs: list[tuple[str, Listen]]) -> None:
        """A name may stand once on an address; one on all addresses takes it everywhere."""
        for name, place in pairs:
            for other, taken in self.taken:
                if other == name and taken.takes(place.address, place.port):
                    self.abort(f'server "{name}" defined twice')

    @staticmethod
    def _shares(one: Server, other: Server) -> bool:
        return one.listens[0].takes(other.listens[0].address, other.listens[0].port)

    def _has_keys(self) -> bool:
        return self.world.exists(self.certificate) and self.world.exists(self.key)

    def location_begin(self, _: object, found: bool | None, match: bool, path: str) -> None:
        if not self.current.listens:
            self.fail("listen address not specified")
        if self.location is not None:
            self.fail(f"location {path} inside location")
        if len(path) >= NAME_MAX:
            self.fail("server location truncated")
        self.location = Location(path, Rules(), match, found)

    def location_end(self, *_: object) -> None:
        location = self.location
        assert location is not None
        for other in self.current.locations:
            if (other.path, other.found) == (location.path, location.found):
                self.abort(f'location "{location.path}" defined twice')
        self.current.locations.append(location)
        self.blocks.append(location)
        self.location = None

    def not_in_location(self, word: object, *_: object) -> None:
        texts = {
            "errdocs": "errdocs inside location",
            "no": "errdocs inside location",
            "tcp": "tcp flags inside location",
            "connection": "connection options inside location",
            "hsts": "hsts inside location",
        }
        if self.location is not None:
            self.fail(texts[str(word)])

    def listen(self, _: object, _on: object, name: str, tls: bool, port: int) -> None:
        if self.location is not None:
            self.fail(f"listen {name} inside location")
        if name == "*":
            addresses = [ip_address("::"), ip_address("0.0.0.0")]
        else:
            addresses = self.world.addresses(name)[:ADDRESSES_MAX]
        if not addresses:
            self.fail(f"invalid listen ip: {name}")
        self.current.listens += [Listen(address, port, tls) for address in addresses]

    def alias(self, _: object, match: bool, name: str) -> None:
        if self.location is not None:
            self.fail("alias inside location")
        if len(name) > NAME_MAX:
            self.fail("server alias truncated")
        self.current.names.append((name, match))

    def tls(self, *_: object) -> None:
        if self.location is not None:
            self.fail("tls configuration inside location")
        if not any(one.tls for one in self.current.listens):
            self.fail("tls options without tls listener")

    def certificate_file(self, _: object, path: str) -> None:
        self.certificate = path

    def key_file(self, _: object, path: str) -> None:
        self.key = path

    def timeout(self, _: object, seconds: int) -> None:
        if seconds < 0:
            self.fail(f"invalid timeout: {seconds}")

    def request_timeout(self, _: object, _timeout: object, seconds: int) -> None:
        self.timeout(_, seconds)

    def backlog(self, _: object, number: int) -> None:
        if not 0 <= number <= BACKLOG_MAX:
            self.fail(f"invalid backlog: {number}")

    def socket_buffer(self, _: object, _buffer: object, number: int) -> None:
        if number < 0:
            self.fail(f"invalid socket buffer size: {number}")

    def ip_flag(self, _: object, flag: str, number: int) -> None:
        if number < 0:
            self.fail(f"invalid ttl: {number}")
        if flag.lower() not in ("ttl", "minttl"):
            self.fail(f"invalid TCP/IP flag: {flag}")

    # rules

    def root(self, path: str) -> None:
        self.rules.root = path

    def rewrite(self, _: object, path: str) -> None:
        self.rules.rewrite = path

    def no_rewrite(self, *_: object) -> None:
        self.rules.rewrite = False

    def strip(self, _: object, number: int) -> None:
        if number < 0:
            self.fail("invalid strip number")
        self.rules.strip = number

    def authenticate(self, *_: object) -> None:
        self.rules.authenticate = True

    def no_authenticate(self, *_: object) -> None:
        self.rules.authenticate = False

    def index(self, _: object, name: str) -> None:
        self.rules.index, self.rules.no_index = name, None

    def no_index(self, *_: object) -> None:
        self.rules.no_index = True

    def auto_index(self, *_: object) -> None:
        self.rules.auto_index = True

    def no_auto_index(self, *_: object) -> None:
        self.rules.auto_index = False

    def log(self, *_: object) -> None:
        self.rules.log = True

    def no_log(self, *_: object) -> None:
        self.rules.log = False

    def fastcgi(self, *_: object) -> None:
        self.rules.fastcgi = True

    def no_fastcgi(self, *_: object) -> None:
        self.rules.fastcgi = False

    def block(self, *_: object) -> None:
        self.rules.block = Block(403)

    def block_drop(self, *_: object) -> None:
        self.rules.block = Block(0)

    def block_return(self, _: object, _return: object, status: int, uri: str) -> None:
        if not any(low <= status <= high for low, high in STATUS_RANGES):
            self.fail(f"invalid return code: {status}")
        if uri and not 300 <= status <= 399:
            self.fail("invalid return code for location URI")
        self.rules.block = Block(status, uri)

    def pass_(self, *_: object) -> None:
        self.rules.block = False
