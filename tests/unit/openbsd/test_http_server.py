# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What the installer gets from the HTTP server."""

from __future__ import annotations

import http.client
from pathlib import Path

from openbsd.http_server import Content, HttpServer


def ask(server: HttpServer, path: str, method: str = "GET") -> tuple[int, bytes, str | None]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    # As ftp(1) does it.
    connection.request(method, path, headers={"Connection": "close"})
    answer = connection.getresponse()
    reply = answer.status, answer.read(), answer.getheader("Content-Length")
    connection.close()
    return reply


def test_serves_what_it_has_and_notes_it(tmp_path: Path) -> None:
    file = tmp_path / "base78.tgz"
    file.write_bytes(b"x" * 100_000)
    contents: dict[str, Content] = {
        "/install.conf": b"System hostname = x\n",
        "/pub/base78.tgz": file,
    }
    log = tmp_path / "http.log"
    with HttpServer(contents, log) as server:
        assert ask(server, "/install.conf?path=7.8/amd64") == (200, b"System hostname = x\n", "20")
        assert ask(server, "/pub/base78.tgz") == (200, b"x" * 100_000, "100000")
        assert ask(server, "/pub/base78.tgz", "HEAD") == (200, b"", "100000")
        assert ask(server, "/install.conf", "HEAD") == (200, b"", "20")
        for path in ("/", "/pub", "/pub/../pub/base78.tgz", f"/{file}", "/install.conf/"):
            assert ask(server, path)[0] == 404
        server.contents["/late"] = b"1"
        assert ask(server, "/late")[0] == 200
        assert server.requests[:2] == [
            "GET /install.conf?path=7.8/amd64 200",
            "GET /pub/base78.tgz 200",
        ]
        assert server.requests[-2] == "GET /install.conf/ 404"
        assert log.read_text().splitlines() == server.requests


def test_two_servers_have_different_ports(tmp_path: Path) -> None:
    with HttpServer({}, tmp_path / "a") as first, HttpServer({}, tmp_path / "b") as two:
        assert first.port != two.port


def test_a_client_that_goes_away_does_no_harm(tmp_path: Path) -> None:
    file = tmp_path / "big"
    file.write_bytes(bytes(20_000_000))
    with HttpServer({"/big": file, "/small": b"1"}, tmp_path / "log") as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        connection.request("GET", "/big")
        connection.getresponse().read(10)
        connection.close()
        assert ask(server, "/small")[0] == 200
