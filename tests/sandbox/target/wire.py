# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Frames between the machine's process and the programs inside a server.

A frame is a kind (one byte), the length of the rest (four bytes, network order) and the rest.
Kinds from a caller: R request, D standard input, Z its end, H session begins, B session ends,
J control. Kinds to it: I asks for standard input, O and E output, X exit status, S another
program to run, J an answer.
"""

from __future__ import annotations

import json
import socket
import struct
from typing import Any

_HEAD = struct.Struct("!cI")


def send(peer: socket.socket, kind: bytes, body: bytes = b"") -> None:
    """Sends one frame; OSError if the peer is gone."""
    peer.sendall(_HEAD.pack(kind, len(body)) + body)


def receive(peer: socket.socket) -> tuple[bytes, bytes]:
    """The next frame as kind and body; EOFError when the peer has closed."""
    kind, size = _HEAD.unpack(_exactly(peer, _HEAD.size))
    return kind, _exactly(peer, size)


def send_json(peer: socket.socket, value: object) -> None:
    send(peer, b"J", json.dumps(value).encode())


def receive_json(peer: socket.socket) -> Any:
    """The next frame's value, which must be JSON; ValueError for another kind."""
    kind, body = receive(peer)
    if kind != b"J":
        raise ValueError(f"a frame of kind {kind!r} where JSON was expected")
    return json.loads(body)


def fields(body: bytes) -> list[str]:
    """The parts of a body between NUL bytes."""
    return [part.decode("utf-8", "surrogateescape") for part in body.split(b"\0")]


def join(parts: list[str]) -> bytes:
    """The reverse of ``fields``."""
    return b"\0".join(part.encode("utf-8", "surrogateescape") for part in parts)


def _exactly(peer: socket.socket, size: int) -> bytes:
    chunks = []
    while size:
        chunk = peer.recv(min(size, 1 << 16))
        if not chunk:
            raise EOFError
        chunks.append(chunk)
        size -= len(chunk)
    return b"".join(chunks)
