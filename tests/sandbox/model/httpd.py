# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""httpd(8): its command line, the daemon, and its answers to the guests."""

from __future__ import annotations

import errno
import getopt
import urllib.parse
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.call import Call, Handler, Result
from sandbox.files import Files
from sandbox.model import errors, httpd_conf
from sandbox.model.background import Background
from sandbox.model.daemon import Daemon, Outcome
from sandbox.model.httpd_answer import UNENCODED, Answer, Request, answer
from sandbox.model.httpd_tree import Config
from sandbox.model.names import Address, address_of, lookup

if TYPE_CHECKING:
    from sandbox.machine import Machine

CONFIGURATION = "/etc/httpd.conf"
MIME_TYPES = "/usr/share/misc/mime.types"
CHILDREN = [("www", "httpd: logger (httpd)"), *[("www", "httpd: server (httpd)")] * 3]
USAGE = "usage: httpd [-dnv] [-D macro=value] [-f file]\n"


@dataclass(frozen=True)
class CommandLine:
    configuration: str = CONFIGURATION
    test: bool = False
    macros: tuple[tuple[str, str], ...] = ()


def command_line(words: Iterable[str]) -> CommandLine:
    """Raises getopt.GetoptError for what httpd answers with its usage."""
    options, rest = getopt.getopt(list(words), "dD:nf:I:P:v")
    if rest:
        raise getopt.GetoptError("too many arguments")
    given = dict(options)
    macros = [value.rpartition("=") for letter, value in options if letter == "-D"]
    return CommandLine(
        given.get("-f", CONFIGURATION),
        "-n" in given,
        tuple((name, value) for name, equals, value in macros if equals),
    )


class World:
    """What httpd asks of the machine while it reads its configuration."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    def read(self, path: str) -> str:
        try:
            return self.machine.files.read_bytes(path).decode("latin-1")
        except OSError as error:
            if path == MIME_TYPES:
                return "text/html\t\thtml htm;\n"
            raise errors.failure(error.errno or errno.EIO) from error

    def exists(self, path: str) -> bool:
        return self.machine.files.exists(path)

    def addresses(self, name: str) -> list[Address]:
        network = self.machine.network
        literal = address_of(name)
        if literal is not None:
            return [literal]
        names = [name] if network.exists(name) else [one.name for one in network.group(name)]
        found = [one.ip for interface in names for one in network.addresses(interface)]
        return sorted(found, key=lambda one: one.version) or lookup(self.machine, name)


class Httpd:
    """The daemon. It serves what it read at its start or last reload."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.config = Config()
        self.process = Background(machine, "httpd", self.end, self.reload)
        machine.services.register(
            Daemon(
                "httpd",
                start=lambda _machine, flags: self.launch(flags),
                stop=lambda _machine, _timeout: self.end(),
                alive=lambda _machine: self.alive,
                reload=lambda _machine: self.reload(),
                configtest=lambda _machine, flags: self.test(flags),
            )
        )

    @property
    def state(self) -> dict[str, Any]:
        return self.machine.subsystem("httpd")

    @property
    def alive(self) -> bool:
        return self.process.alive

    def start(self) -> None:
        if self.alive:
            self.config = self._load(self.state["text"])

    def test(self, words: Iterable[str], *, root: bool = True) -> Outcome:
        """httpd -n."""
        try:
            line = command_line(words)
        except getopt.GetoptError:
            return Outcome(ok=False, stderr=USAGE)
        try:
            text = World(self.machine).read(line.configuration)
        except OSError as error:
            return Outcome(ok=False, stderr=f"pushfile: {line.configuration}: {error.strerror}\n")
        config, messages = httpd_conf.check(
            text, line.configuration, World(self.machine), root=root, macros=line.macros
        )
        return Outcome(ok=config is not None, stderr=messages)

    def launch(self, words: Iterable[str]) -> Outcome:
        """What it reads before it goes into the background decides the outcome, no more."""
        words = tuple(words)
        line = command_line(words)
        try:
            text = World(self.machine).read(line.configuration)
        except OSError as error:
            return Outcome(ok=False, stderr=f"pushfile: {line.configuration}: {error.strerror}\n")
        messages = httpd_conf.first_pass(text, line.configuration, World(self.machine), line.macros)
        if messages:
            return Outcome(ok=False, stderr=messages)
        self.state.update(configuration=line.configuration, macros=dict(line.macros))
        self.process.begin("root", " ".join(("/usr/sbin/httpd", *words)), CHILDREN)
        self.process.log("startup")
        config = self._load(text)
        if config.servers:
            self._serve(config, text)
        else:
            self.end()
        return Outcome(ok=True)

    def reload(self) -> Outcome:
        """SIGHUP: what cannot be read any more is served no longer."""
        self.process.log("parent_sig_handler: reload requested with SIGHUP")
        try:
            text = World(self.machine).read(self.state["configuration"])
        except OSError:
            text = ""
        self._serve(self._load(text), text)
        return Outcome(ok=True)

    def end(self) -> Outcome:
        self.process.finish()
        self.config = Config()
        return Outcome(ok=True)

    def _load(self, text: str) -> Config:
        config, messages = httpd_conf.load(
            text,
            self.state["configuration"],
            World(self.machine),
            tuple(self.state["macros"].items()),
        )
        for message in messages.splitlines():
            self.process.log(message)
        return config or Config()

    def _serve(self, config: Config, text: str) -> None:
        problem = self._why_not(config)
        if problem:
            self.process.log(f"parent: {problem}")
            self.end()
            return
        self.config = config
        self.state["text"] = text

    def _why_not(self, config: Config) -> str:
        """What ends httpd after it went into the background."""
        if not self.machine.files.is_dir(config.log_directory):
            return f"open {config.log_directory}/access.log: No such file or directory"
        for one in config.listens():
            if not (one.any or self.machine.network.own(str(one.address))):
                return f"send server: {errors.text(errno.EADDRNOTAVAIL)}"
        return ""

    def get(
        self, address: str, path: str, *, host: str = "", client: str = "127.0.0.1"
    ) -> tuple[int, bytes]:
        """Status and body of a GET; ConnectionRefusedError where nobody listens.

        Status 0 stands for a connection that was closed without an answer.
        """
        found = self.answer(address, path, host=host, client=client)
        return found.status, found.body

    def answer(
        self, address: str, path: str, *, host: str = "", port: int = 80, client: str = "127.0.0.1"
    ) -> Answer:
        """All of the answer to a GET, which is logged; errors as of `get`."""
        target = address_of(address)
        if not self.alive or target is None:
            raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused", address)
        chroot = Files(self.machine.files.resolve(self.config.chroot))
        request = Request(target, path, host or address, port, client)
        found = answer(self.config, chroot, request)
        if found is None:
            raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused", address)
        if found.logged and found.status:
            query = f"?{request.query}" if request.query else ""
            shown = urllib.parse.quote(found.path, safe=UNENCODED, encoding="latin-1") + query
            size = len(found.body) if found.status == 200 else 0
            self._access_log(
                f'{found.server} {client} - - [{self._stamp()}] "GET {shown} HTTP/1.1"'
                f" {found.status:03d} {size}"
            )
        return found

    def _stamp(self) -> str:
        return self.machine.clock.now().strftime("%d/%b/%Y:%H:%M:%S %z")

    def _access_log(self, line: str) -> None:
        self.machine.files.append_text(f"{self.config.log_directory}/access.log", f"{line}\n")


def httpd(machine: Machine, call: Call) -> Result:
    words = call.argv[1:]
    try:
        line = command_line(words)
    except getopt.GetoptError as error:
        option = f"httpd: unknown option -- {error.opt}\n" if error.opt else ""
        return Result(1, "", option + USAGE)
    if line.test:
        outcome = machine.httpd.test(words, root=call.uid == 0)
    elif call.uid != 0:
        outcome = Outcome(ok=False, stderr="httpd: need root privileges\n")
    else:
        outcome = machine.httpd.launch(words)
    return Result(int(not outcome.ok), "", outcome.stderr)


COMMANDS: dict[str, Handler] = {"/usr/sbin/httpd": httpd}
