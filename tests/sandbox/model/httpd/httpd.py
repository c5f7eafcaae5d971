# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""httpd(8): the check, the daemon, and its answers to the guests."""

from __future__ import annotations

import errno
import urllib.parse
from typing import TYPE_CHECKING

from sandbox.model import errors
from sandbox.model.network.interfaces import Address, address_of
from sandbox.model.rc.daemon import Daemon, Outcome
from sandbox.model.replay import Refused
from sandbox.target.call import Call, Handler, NotModelled, Result
from sandbox.target.files import Files
from sandbox.target.options import getopt

from .answer import UNENCODED, Answer, answer
from .conf import Server, read

if TYPE_CHECKING:
    from sandbox.model.machine import Machine

CONFIGURATION, CHROOT, LOGS = "/etc/httpd.conf", "/var/www", "/var/www/logs"


class Httpd(Daemon):
    """The daemon. It serves what it read at its start or last reload."""

    def __init__(self, machine: Machine) -> None:
        super().__init__(machine, "httpd")
        self.servers: list[Server] = []

    def start(self) -> None:
        if self.alive:
            self.servers = self.load(CONFIGURATION)

    def _resolve(self, name: str) -> list[Address]:
        literal = address_of(name)
        if literal is not None:
            return [literal]
        return [own.ip for own in self.machine.network.addresses(name)]

    def load(self, path: str) -> list[Server]:
        """Return what to serve; Refused with what httpd writes."""
        try:
            text = self.machine.files.read_text(path)
        except OSError as error:
            reason = errors.text(error.errno or errno.EIO)
            raise Refused(f"pushfile: {path}: {reason}\n") from None
        return read(path, text, self._resolve)

    def test(self, path: str = CONFIGURATION) -> Outcome:
        """httpd -n."""
        try:
            self.load(path)
        except Refused as refused:
            return Outcome(ok=False, stderr=str(refused))
        return Outcome(ok=True, stderr="configuration OK\n")

    def launch(self, flags: tuple[str, ...]) -> Outcome:
        """What it reads before it goes into the background decides the outcome, no more."""
        super().launch(flags)
        self.log("startup")
        self._serve()
        return Outcome()

    def reload(self) -> Outcome:
        self.log("parent_sig_handler: reload requested with SIGHUP")
        self._serve()
        return Outcome()

    def end(self, timeout: float = 0) -> Outcome:
        self.servers = []
        return super().end()

    def _serve(self) -> None:
        self.servers = self.load(CONFIGURATION)
        if problem := self._why_not(self.servers):
            self.log(f"parent: {problem}")
            self.end()

    def _why_not(self, servers: list[Server]) -> str:
        """What ends httpd after it went into the background."""
        if not self.machine.files.is_dir(LOGS):
            return f"open {LOGS}/access.log: No such file or directory"
        for socket in (listen for server in servers for listen in server.listens):
            if int(socket.address) and not self.machine.network.own(str(socket.address)):
                return f"send server: {errors.text(errno.EADDRNOTAVAIL)}"
        return ""

    def answer(
        self, address: str, path: str, *, host: str = "", port: int = 80, client: str = "127.0.0.1"
    ) -> Answer:
        """The answer to a GET, which is logged; ConnectionRefusedError where nobody listens."""
        to, reply = address_of(address), None
        if self.alive and to is not None:
            chroot = Files(self.machine.files.resolve(CHROOT))
            reply = answer(self.servers, chroot, (to, port), path, host or address, client)
        if reply is None:
            raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused", address)
        if not reply.logged:
            return reply
        query = path.partition("?")[1] + path.partition("?")[2]
        shown = urllib.parse.quote(reply.path, safe=UNENCODED, encoding="latin-1") + query
        stamp = self.machine.clock.now().strftime("%d/%b/%Y:%H:%M:%S %z")
        line = f'{reply.server} {client} - - [{stamp}] "GET {shown} HTTP/1.1" {reply.status:03d}'
        self.machine.files.append_text(f"{LOGS}/access.log", f"{line} {len(reply.body)}\n")
        return reply


def httpd(machine: Machine, call: Call) -> Result:
    """httpd -n; the daemon itself is rcctl(8)'s to start."""
    options = getopt(call.argv[1:], "nf:")
    if options.operands or not options.has("n"):
        raise NotModelled(" ".join(call.argv[1:]))
    outcome = machine.httpd.test(options.last("f", CONFIGURATION) or "")
    return Result(int(not outcome.ok), "", outcome.stderr)


COMMANDS: dict[str, Handler] = {"/usr/sbin/httpd": httpd}
