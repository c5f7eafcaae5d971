# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Downloads from a server that breaks off, is busy, or has nothing; onto a disk that is full."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from openbsd.errors import OpenBSDError
from openbsd.mirror import Mirror, NotThere

CONTENT = bytes(range(256)) * 4000


class Upstream:
    """A mirror. ``answers``: what it does with one request after the other; then it is good.

    cut: breaks off in the middle. busy: 503. deny: 403. plain: knows no ranges.
    """

    def __init__(self) -> None:
        self.answers: list[str] = []
        self.asked: list[tuple[str, str | None]] = []
        self.content = CONTENT
        self.etag = '"one"'
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        self.address = f"127.0.0.1:{self._server.server_address[1]}"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(upstream) -> type[BaseHTTPRequestHandler]:  # noqa: N805
        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

            def do_GET(self) -> None:
                byte_range = self.headers.get("Range")
                upstream.asked.append((self.path, byte_range))
                way = upstream.answers.pop(0) if upstream.answers else "good"
                if way in ("busy", "deny") or not self.path.endswith("bsd"):
                    status = {"busy": 503, "deny": 403}.get(way, 404)
                    self.send_error(status)
                    return
                begin = 0
                same = self.headers.get("If-Range") == upstream.etag
                if byte_range and same and way != "plain":
                    begin = int(byte_range.removeprefix("bytes=").removesuffix("-"))
                body = upstream.content[begin:]
                self.send_response(206 if begin else 200)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("ETag", upstream.etag)
                self.end_headers()
                self.wfile.write(body[: len(body) // 2] if way == "cut" else body)

        return Handler


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    server = Upstream()
    yield server
    server.stop()


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def mirror(upstream: Upstream, pauses: list[float]) -> Mirror:
    return Mirror(f"http://{upstream.address}/pub/7.8/amd64", pause=pauses.append)


def test_a_file_arrives_whole_and_progress_is_told(upstream: Upstream, tmp_path: Path) -> None:
    told: list[tuple[str, int, int | None]] = []
    mirror = Mirror(f"http://{upstream.address}/x", lambda *state: told.append(state))
    assert mirror.fetch("bsd", tmp_path).read_bytes() == CONTENT
    assert [path.name for path in tmp_path.iterdir()] == ["bsd"]
    assert upstream.asked == [("/x/bsd", None)]
    assert told[0] == ("bsd", 0, len(CONTENT))
    assert told[-1] == ("bsd", len(CONTENT), len(CONTENT))


def test_a_cut_download_is_continued(
    upstream: Upstream, mirror: Mirror, pauses: list[float], tmp_path: Path
) -> None:
    upstream.answers = ["cut", "cut", "busy"]
    assert mirror.fetch("bsd", tmp_path).read_bytes() == CONTENT
    half = len(CONTENT) // 2
    most = half + len(CONTENT) // 4
    ranges = [byte_range for _, byte_range in upstream.asked]
    assert ranges == [None, f"bytes={half}-", f"bytes={most}-", f"bytes={most}-"]
    assert len(pauses) == 3


def test_the_next_run_continues(upstream: Upstream, mirror: Mirror, tmp_path: Path) -> None:
    upstream.answers = ["cut"] * 5
    with pytest.raises(OpenBSDError, match="after .* bytes .5 attempts.; what is there"):
        mirror.fetch("bsd", tmp_path)
    assert not (tmp_path / "bsd").exists()
    upstream.asked.clear()
    assert mirror.fetch("bsd", tmp_path).read_bytes() == CONTENT
    assert upstream.asked[0][1] is not None


def test_another_file_of_that_name_is_not_added_to_it(
    upstream: Upstream, mirror: Mirror, tmp_path: Path
) -> None:
    upstream.answers = ["cut"] * 5
    with pytest.raises(OpenBSDError):
        mirror.fetch("bsd", tmp_path)
    upstream.content, upstream.etag = CONTENT[::-1], '"two"'
    assert mirror.fetch("bsd", tmp_path).read_bytes() == CONTENT[::-1]


def test_a_server_without_ranges_begins_again(
    upstream: Upstream, mirror: Mirror, tmp_path: Path
) -> None:
    upstream.answers = ["cut", "plain"]
    assert mirror.fetch("bsd", tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize(("answer", "error"), [("deny", OpenBSDError), ("good", NotThere)])
def test_a_refusal_is_no_reason_to_try_again(
    upstream: Upstream, mirror: Mirror, tmp_path: Path, answer: str, error: type[Exception]
) -> None:
    upstream.answers = [answer]
    with pytest.raises(error, match=f"http://{upstream.address}/pub/7.8/amd64/nosuch: the mirror"):
        mirror.fetch("nosuch", tmp_path)
    assert len(upstream.asked) == 1


def test_a_mirror_that_cannot_be_reached_is_named(tmp_path: Path, pauses: list[float]) -> None:
    mirror = Mirror("http://127.0.0.1:1/pub", pause=pauses.append)
    with pytest.raises(OpenBSDError, match=r"http://127\.0\.0\.1:1/pub/bsd: cannot be reached"):
        mirror.fetch("bsd", tmp_path)
    assert len(pauses) == 4


def test_a_proxy_is_asked_for_other_machines_only(
    upstream: Upstream, mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("http_proxy", f"http://{upstream.address}")
    Mirror("http://mirror.example.org/pub").fetch("bsd", tmp_path)
    assert upstream.asked == [("http://mirror.example.org/pub/bsd", None)]
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    mirror.fetch("bsd", tmp_path)
    assert upstream.asked[1:] == [("/pub/7.8/amd64/bsd", None)]


_FULL = """\
import pathlib, sys
from openbsd.errors import OpenBSDError
from openbsd.mirror import Mirror
try:
    Mirror(sys.argv[1]).fetch("bsd", pathlib.Path(sys.argv[2]))
except OpenBSDError as error:
    print(error)
"""


def test_a_full_disk_is_told_with_what_to_do(upstream: Upstream, tmp_path: Path) -> None:
    place = tmp_path / "small"
    place.mkdir()
    # A small separate disk, which only this process sees; the network stays.
    script = f'mount -t tmpfs -o size=256k none {place} && exec "$@"'
    words = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"]
    if subprocess.run([*words, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no user namespaces with mounts here")
    words += [sys.executable, "-c", _FULL, f"http://{upstream.address}/pub", str(place)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"{place}/bsd.part: the disk is full (0 MiB free); make room")
    assert "OPENBSD_CACHE" in done.stdout
    assert len(upstream.asked) == 1
