# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What tests and the command line ask of a running server, outside ssh."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import socket
import stat
from collections.abc import Callable
from typing import Any

from . import wire
from .machine import Machine
from .sessions import Sessions


class Control:
    """Answers {"do": NAME, ...} with {"value": ...} or {"error": TEXT}."""

    def __init__(self, machine: Machine, sessions: Sessions, end: Callable[[], None]) -> None:
        self._machine = machine
        self._sessions = sessions
        self._end = end
        self._actions: dict[str, Callable[[dict[str, Any]], object]] = {
            "ping": lambda _: True,
            "stop": lambda _: self._end(),
            "fault": lambda ask: self._machine.faults.set(*ask["fault"]),
            "clear": lambda ask: self._machine.faults.clear(ask["name"]),
            "faults": lambda _: self._machine.faults.dump(),
            "state": lambda _: self._machine.state,
            "read": self._read,
            "write": self._write,
            "remove": lambda ask: self._machine.files.remove(ask["path"]),
            "snapshot": self._snapshot,
        }
        # Calls of commands in a session need the lock themselves.
        self._free: dict[str, Callable[[dict[str, Any]], object]] = {"run": self._run}

    def serve(self, peer: socket.socket) -> None:
        """Answers one question."""
        with peer, contextlib.suppress(EOFError, ConnectionError):
            ask = wire.receive_json(peer)
            try:
                value = self._answer(ask)
            except (OSError, ValueError) as error:
                wire.send_json(peer, {"error": str(error)})
            else:
                wire.send_json(peer, {"value": value})

    def _answer(self, ask: dict[str, Any]) -> object:
        if ask["do"] in self._free:
            return self._free[ask["do"]](ask)
        with self._machine.lock:
            return self._actions[ask["do"]](ask)

    def _run(self, ask: dict[str, Any]) -> list[object]:
        done = self._sessions.run(ask["user"], ask["command"], base64.b64decode(ask["stdin"]))
        texts = [base64.b64encode(output).decode() for output in (done.stdout, done.stderr)]
        return [done.returncode, *texts]

    def _read(self, ask: dict[str, Any]) -> str:
        return base64.b64encode(self._machine.files.read_bytes(ask["path"])).decode()

    def _write(self, ask: dict[str, Any]) -> None:
        content = base64.b64decode(ask["content"])
        owner = tuple(ask["owner"]) if ask["owner"] is not None else None
        self._machine.files.write_bytes(ask["path"], content, ask["mode"], owner)

    def _snapshot(self, ask: dict[str, Any]) -> dict[str, list[object]]:
        """Each path with type and mode, owner, and what it holds (a SHA-256, target or number)."""
        files = self._machine.files
        entries: dict[str, list[object]] = {}
        for directory, names, plain in os.walk(files.root):
            for name in sorted((*names, *plain)):
                path = "/" + os.path.relpath(os.path.join(directory, name), files.root)
                if any(path == top or path.startswith(f"{top}/") for top in ask["without"]):
                    continue
                seen = files.lstat(path)
                entries[path] = [stat.filemode(seen.st_mode), seen.st_uid, seen.st_gid]
                entries[path].append(_content(os.path.join(directory, name), seen))
        return entries


def _content(host: str, seen: os.stat_result) -> str | int | None:
    if stat.S_ISLNK(seen.st_mode):
        return os.readlink(host)
    if stat.S_ISCHR(seen.st_mode):
        return seen.st_rdev
    if stat.S_ISREG(seen.st_mode):
        with open(host, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    return None
