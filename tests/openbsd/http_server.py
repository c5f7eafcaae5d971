# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The HTTP server that the installer asks, on a free port of 127.0.0.1.

QEMU's user network shows it to the guest as 10.0.2.2.
"""

from __future__ import annotations

import contextlib
import shutil
import threading
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType

Content = bytes | Path


class HttpServer:
    """Serves ``contents``, by path; ``requests`` has a line for each request: path and status.

    A query, as the installer appends it to the address of a response file, changes nothing.
    """

    def __init__(self, contents: Mapping[str, Content], log: Path) -> None:
        self.contents = dict(contents)
        self.requests: list[str] = []
        self._log = log
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def __enter__(self) -> HttpServer:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def note(self, line: str) -> None:
        with self._lock:
            self.requests.append(line)
            with self._log.open("a", encoding="utf-8") as log:
                log.write(f"{line}\n")


def _handler(server: HttpServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer()

        def do_HEAD(self) -> None:
            self._answer()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Not on standard error."""

        def _answer(self) -> None:
            content = server.contents.get(self.path.partition("?")[0])
            # If a guest was stopped or has what it wants, the server has not failed.
            with contextlib.suppress(ConnectionError):
                if content is None:
                    self._head(HTTPStatus.NOT_FOUND, 0)
                elif isinstance(content, bytes):
                    self._head(HTTPStatus.OK, len(content))
                    self._body(content)
                else:
                    with content.open("rb") as file:
                        self._head(HTTPStatus.OK, content.stat().st_size)
                        if self.command == "GET":
                            shutil.copyfileobj(file, self.wfile, 1 << 18)

        def _head(self, status: HTTPStatus, length: int) -> None:
            server.note(f"{self.command} {self.path} {status.value}")
            self.send_response(status)
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("Content-Length", str(length))
            self.end_headers()

        def _body(self, content: bytes) -> None:
            if self.command == "GET":
                self.wfile.write(content)

    return Handler
