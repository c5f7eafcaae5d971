# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""A mirror on this machine, which can be told to fail."""

from __future__ import annotations

import threading
import typing as t
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

DIRECTORY = "/pub/OpenBSD/7.8/amd64/"


class Mirror:
    """What a mirror serves, and what it was asked for: names, with where a range began."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.asked: list[tuple[str, int]] = []
        # Names of files that are cut off after so many bytes, once each.
        self.cut: dict[str, int] = {}
        self.ranges = True
        # Seconds between the halves of a file, once each.
        self.slow: dict[str, float] = {}
        self.port = 0
        self.closing = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{DIRECTORY.rstrip('/')}"

    def names(self) -> list[str]:
        """What was asked for since the last call."""
        asked, self.asked = self.asked, []
        return [name for name, _start in asked]


@contextmanager
def serving(files: dict[str, bytes]) -> Iterator[Mirror]:
    """A mirror with these files, until the end of the block."""
    mirror = Mirror(files)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _answer(self, mirror)

        def log_message(self, *_words: t.Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    mirror.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield mirror
    finally:
        mirror.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()


def _answer(request: BaseHTTPRequestHandler, mirror: Mirror) -> None:
    name = request.path.removeprefix(DIRECTORY)
    start = 0
    if mirror.ranges:
        start = int(request.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
    mirror.asked.append((name, start))
    content = mirror.files.get(name)
    if content is None:
        request.send_error(404)
        return
    if start and start >= len(content):
        request.send_error(416)
        return
    body = content[start:]
    request.send_response(206 if start else 200)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    half = len(body) // 2 if name in mirror.slow else 0
    request.wfile.write(body[:half])
    mirror.closing.wait(mirror.slow.pop(name, 0))
    request.wfile.write(body[half : mirror.cut.pop(name, len(body))])
