# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Downloads from a mirror, by the proxies of the environment, continued where they broke."""

from __future__ import annotations

import http.client
import ipaddress
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from openbsd.errors import OpenBSDError, write_error

_ATTEMPTS = 5
_PAUSE = 2.0
_SILENCE = 60
_PIECE = 1 << 18
# Worth another try: the server is busy, or something between us and it.
_BUSY = {408, 425, 429, 500, 502, 503, 504}

# Called with a file's name, the bytes that are there and, if known, all bytes.
Progress = Callable[[str, int, int | None], None]


class NotThere(OpenBSDError):
    """The mirror has no such file."""


def quiet(_name: str, _done: int, _total: int | None) -> None:
    """Report nothing."""


@dataclass(frozen=True)
class Mirror:
    """``url``: a directory, such as https://cdn.openbsd.org/pub/OpenBSD/7.8/amd64."""

    url: str
    progress: Progress = quiet
    pause: Callable[[float], None] = field(default=time.sleep)

    def fetch(self, name: str, directory: Path) -> Path:
        """Download a file into a directory, and return its path.

        What a broken download left is continued, as far as it is still of the same file. Raises
        OpenBSDError: NotThere, a full disk, or a mirror that cannot be reached.
        """
        path = directory / name
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                self._attempt(name, path)
            except _Broken as error:
                if attempt == _ATTEMPTS:
                    raise OpenBSDError(
                        f"{self.url}/{name}: {error} ({attempt} attempts); what is there of it is "
                        "kept, and the next run continues it"
                    ) from error
                self.pause(_PAUSE * attempt)
            else:
                break
        return path

    def _attempt(self, name: str, path: Path) -> None:
        part = path.with_name(f"{path.name}.part")
        tag = path.with_name(f"{path.name}.part-of")
        begin = part.stat().st_size if part.exists() and tag.exists() else 0
        headers = {"Accept-Encoding": "identity"}
        if begin:
            headers |= {"Range": f"bytes={begin}-", "If-Range": tag.read_text()}
        try:
            with self._open(name, headers) as response:
                if response.status != http.client.PARTIAL_CONTENT:
                    begin = 0
                total = _total(response.headers, begin)
                _note(tag, response.headers)
                with part.open("ab" if begin else "wb") as file:
                    self._copy(response, file, name, begin, total)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
                part.unlink(missing_ok=True)
            raise _refused(f"{self.url}/{name}", error) from error
        except (http.client.HTTPException, TimeoutError, ConnectionError, ssl.SSLError) as error:
            raise _Broken(f"the connection broke ({error})") from error
        except urllib.error.URLError as error:
            raise _Broken(f"cannot be reached: {error.reason}") from error
        except OSError as error:
            raise write_error(part, error) from error
        part.replace(path)
        tag.unlink(missing_ok=True)

    def _open(self, name: str, headers: Mapping[str, str]) -> http.client.HTTPResponse:
        url = f"{self.url}/{name}"
        # As with other tools, a proxy is never asked for this machine itself.
        proxies: dict[str, str] | None = {} if _is_loopback(urlsplit(url).hostname or "") else None
        opener = urllib.request.build_opener(urllib.request.ProxyHandler(proxies))
        request = urllib.request.Request(url, headers=dict(headers))
        response: http.client.HTTPResponse = opener.open(request, timeout=_SILENCE)
        return response

    def _copy(
        self,
        response: http.client.HTTPResponse,
        file: BinaryIO,
        name: str,
        begin: int,
        total: int | None,
    ) -> None:
        done = begin
        self.progress(name, done, total)
        while piece := response.read(_PIECE):
            file.write(piece)
            done += len(piece)
            self.progress(name, done, total)
        if total is not None and done != total:
            raise _Broken(f"the connection broke after {done} of {total} bytes")


class _Broken(RuntimeError):
    """Another attempt may succeed."""


def _refused(url: str, error: urllib.error.HTTPError) -> Exception:
    if error.code in (http.client.NOT_FOUND, http.client.GONE):
        return NotThere(f"{url}: the mirror has no such file")
    if error.code in _BUSY or error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
        return _Broken(f"the mirror answers {error.code} {error.reason}")
    return OpenBSDError(f"{url}: the mirror answers {error.code} {error.reason}")


def _total(headers: http.client.HTTPMessage, begin: int) -> int | None:
    length = headers.get("Content-Length", "")
    return begin + int(length) if length.isdigit() else None


def _note(tag: Path, headers: http.client.HTTPMessage) -> None:
    """Note what identifies this version of the file, for If-Range (RFC 9110, 13.1.5)."""
    etag = headers.get("ETag", "")
    value = etag if etag.startswith('"') else headers.get("Last-Modified", "")
    if value:
        tag.write_text(value)
    else:
        tag.unlink(missing_ok=True)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
