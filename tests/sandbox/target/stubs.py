# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Answers the stubs that stand for modelled commands inside a server."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import traceback

from . import wire
from .base import LIBEXEC
from .call import Call, Exec, Reply, Result, Streams
from .machine import Machine
from .sessions import Sessions

_PEER = struct.Struct("iII")


class _Remote(Streams):
    """The streams of a caller at the other end of a socket."""

    def __init__(self, peer: socket.socket) -> None:
        super().__init__()
        self._peer = peer
        self._asked = False
        self.complete = False

    def ask(self) -> None:
        if not self._asked:
            self._asked = True
            wire.send(self._peer, b"I")

    def write(self, stdout: str, stderr: str) -> None:
        for kind, text in ((b"O", stdout), (b"E", stderr)):
            if text:
                wire.send(self._peer, kind, text.encode("utf-8", "surrogateescape"))


class Stubs:
    """Serves one call after the other of each connection."""

    def __init__(self, machine: Machine, sessions: Sessions) -> None:
        self._machine = machine
        self._sessions = sessions

    def serve(self, peer: socket.socket) -> None:
        """Reads a request, runs its handler and sends what comes of it; a lost caller cancels."""
        with peer, contextlib.suppress(EOFError, ConnectionError):
            kind, body = wire.receive(peer)
            if kind != b"R":
                return
            streams = _Remote(peer)
            call = self._call(peer, wire.fields(body), streams)
            threading.Thread(target=_watch, args=(peer, call, streams), daemon=True).start()
            try:
                reply = self._machine.handle(call)
            except OSError as error:
                name = call.path.rsplit("/", 1)[-1]
                reply = Result(1, "", f"{name}: {error.filename}: {error.strerror}\n")
            except (
                ArithmeticError,
                AssertionError,
                AttributeError,
                LookupError,
                TypeError,
                ValueError,
                RuntimeError,
            ):
                with self._machine.lock:
                    reply = self._machine.not_modelled(traceback.format_exc())
            self._answer(peer, call, streams, reply)

    def _call(self, peer: socket.socket, parts: list[str], streams: Streams) -> Call:
        path, cwd, uid, gid, _, count, *rest = parts
        path = path.removeprefix(f"/{LIBEXEC}/stubs")
        argv, environment = rest[: int(count)], rest[int(count) :]
        raw = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
        pid, _, _ = _PEER.unpack(raw)
        account = self._sessions.identity(pid) if uid == "" else (int(uid), int(gid))
        return Call(
            (path.rsplit("/", 1)[-1], *argv),
            path,
            cwd,
            *account,
            self._sessions.name(account[0]),
            dict(variable.split("=", 1) for variable in environment if "=" in variable),
            streams,
            pid=pid,
        )

    def _answer(self, peer: socket.socket, call: Call, streams: Streams, reply: Reply) -> None:
        if isinstance(reply, Exec):
            wire.send(peer, b"S", wire.join(self._sessions.exec_parts(call, reply)))
            return
        streams.write(reply.stdout, reply.stderr)
        wire.send(peer, b"X", str(reply.rc).encode())


def _watch(peer: socket.socket, call: Call, streams: _Remote) -> None:
    """Takes in standard input, and cancels the call when the caller is gone."""
    chunks = []
    try:
        while True:
            kind, body = wire.receive(peer)
            if kind == b"D":
                chunks.append(body)
            elif kind == b"Z":
                _complete(call, streams, chunks)
    except (EOFError, OSError):
        _complete(call, streams, chunks)
        call.cancel()


def _complete(call: Call, streams: _Remote, chunks: list[bytes]) -> None:
    streams.input = b"".join(chunks)
    streams.complete = True
    with call.wakeup:
        call.wakeup.notify_all()
