# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What httpd(8) answers to a GET request."""

from __future__ import annotations

import errno
import html
import stat
import urllib.parse
from dataclasses import dataclass

from sandbox.files import Files
from sandbox.model.httpd_match import find_pattern, matches_glob
from sandbox.model.httpd_tree import DOCUMENT_ROOT, Block, Config, Location, Rules, Server
from sandbox.model.names import Address

WWW = 67  # the uid and gid of the account that the server processes have
READ, SEARCH = 4, 1
INDEX = "index.html"
UNENCODED = "/!$'()*+,;:@=[]\\^`{|}>~"


@dataclass(frozen=True)
class Request:
    """A GET as the server gets it; `target` may have a query string."""

    address: Address
    target: str
    host: str = ""
    port: int = 80
    client: str = "127.0.0.1"

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]


@dataclass(frozen=True)
class Answer:
    """`path` is the request's path as it is logged; `uri` where a redirection leads."""

    status: int
    body: bytes = b""
    server: str = ""
    path: str = ""
    uri: str = ""
    logged: bool = True


class _HttpError(Exception):
    def __init__(self, status: int, uri: str = "") -> None:
        super().__init__(str(status))
        self.status = status
        self.uri = uri


def readable(mode: int, uid: int, gid: int, bit: int) -> bool:
    """Whether www may use a file that way; `bit` is 4 for reading, 1 for searching."""
    if uid == WWW:
        return bool(mode >> 6 & bit)
    if gid == WWW:
        return bool(mode >> 3 & bit)
    return bool(mode & bit)


def canonical(path: str) -> str:
    """Without empty, `.` and `..` components; _HttpError 400 if it does not begin with a slash."""
    if not path.startswith("/"):
        raise _HttpError(400)
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            parts = parts[:-1]
        elif part not in ("", "."):
            parts.append(part)
    tail = "/" if path.endswith(("/", "/.", "/..")) and parts else ""
    return "/" + "/".join(parts) + tail


def decode(path: str) -> str:
    """Percent signs with two digits; _HttpError 400 for others. One character is one byte."""
    for piece in path.split("%")[1:]:
        if len(piece) < 2 or not all(char in "0123456789abcdefABCDEF" for char in piece[:2]):
            raise _HttpError(400)
    return urllib.parse.unquote(path, "latin-1")


def strip(path: str, count: int) -> str:
    """Without the first components."""
    for _ in range(count):
        if path:
            slash = path.find("/", 1)
            path = path[slash:] if slash > 0 else ""
    return path


def answer(config: Config, chroot: Files, request: Request) -> Answer | None:
    """The answer, or None where nobody listens. `chroot` is rooted at the server's chroot."""
    hosts = config.hosts(request.address, request.port)
    if not hosts:
        return None
    return _Visit(chroot, request, hosts).answer()


class _Visit:
    """One request on its way through servers, locations and files."""

    def __init__(
        self, chroot: Files, request: Request, hosts: list[tuple[Server, str, bool]]
    ) -> None:
        self.chroot = chroot
        self.request = request
        self.path = request.path
        self.alias = ""
        self.captures: tuple[str, ...] = ()
        self.server, self.name = self._choose(hosts)
        self.rules = self.server.rules

    def _choose(self, hosts: list[tuple[Server, str, bool]]) -> tuple[Server, str]:
        host = self.request.host
        for server, name, match in hosts:
            fits = find_pattern(name, host) is not None if match else matches_glob(name, host)
            if fits:
                return server, name
        return hosts[0][:2]

    def answer(self) -> Answer:
        body, status, uri = b"", 200, ""
        try:
            body = self._body()
        except _HttpError as error:
            status, uri = error.status, error.uri
        logged = self.rules.log is not False
        return Answer(status, body, self.name, self.path, uri, logged)

    def _body(self) -> bytes:
        self.path = canonical(decode(self.path))
        self.rules = self._rules(self.path)
        if isinstance(self.rules.rewrite, str):
            self.alias = canonical(self._expand(self.rules.rewrite).partition("?")[0])
            self.rules = self._rules(self.alias)
        if isinstance(self.rules.block, Block):
            raise _HttpError(self.rules.block.status, self._expand(self.rules.block.uri))
        if self.rules.authenticate:
            raise _HttpError(401)
        return self._file()

    def _rules(self, path: str) -> Rules:
        """Those of the first location that matches, else the server's."""
        for location in self.server.locations:
            if not self._matches(location, path):
                continue
            rules = location.rules.inside(self.server.rules)
            if location.found is None or self._is_there(rules, path) == location.found:
                return rules
        return self.server.rules

    def _matches(self, location: Location, path: str) -> bool:
        if not location.match:
            return matches_glob(location.path, path)
        captures = find_pattern(location.path, path)
        if captures is not None:
            self.captures = captures
        return captures is not None

    def _is_there(self, rules: Rules, path: str) -> bool:
        try:
            self._open(f"{rules.root or DOCUMENT_ROOT}{strip(path, rules.strip)}")
        except _HttpError:
            return False
        return True

    def _expand(self, text: str) -> str:
        for number, capture in enumerate(self.captures):
            text = text.replace(f"%{number}", urllib.parse.quote(capture, safe=UNENCODED))
        query = self.request.query
        # server_expand_http() of usr.sbin/httpd: a question mark in a path stays part of it.
        path = urllib.parse.quote(self.path, safe=UNENCODED, encoding="latin-1")
        values = {
            "$DOCUMENT_URI": path,
            "$QUERY_STRING": query,
            "$REQUEST_URI": path + (f"?{query}" if query else ""),
            "$REQUEST_SCHEME": "http",
            "$HTTP_HOST": self.request.host,
            "$REMOTE_ADDR": self.request.client,
            "$SERVER_ADDR": str(self.request.address),
            "$SERVER_PORT": str(self.request.port),
            "$SERVER_NAME": self.name,
        }
        for name, value in values.items():
            text = text.replace(name, value)
        return text

    def _file(self) -> bytes:
        if self.rules.fastcgi:
            raise _HttpError(500)
        stripped = strip(self.alias or self.path, self.rules.strip)
        return self._access(f"{self.rules.root or DOCUMENT_ROOT}{stripped}")

    def _open(self, path: str) -> int:
        """The file's mode, if www may read it; _HttpError otherwise."""
        try:
            host = self.chroot.resolve(path)
            inside = host.relative_to(self.chroot.root)
            place = ""
            for part in ("", *inside.parts[:-1]):
                place = f"{place}/{part}" if part else place
                if not stat.S_ISDIR(self._need(place or "/", SEARCH)):
                    raise _HttpError(404)
            return self._need(f"/{inside}", READ)
        except OSError as error:
            missing = error.errno in (errno.ENOENT, errno.ENOTDIR)
            raise _HttpError(404 if missing else 500) from error

    def _need(self, path: str, bit: int) -> int:
        found = self.chroot.lstat(path)
        searched_file = bit == SEARCH and not stat.S_ISDIR(found.st_mode)
        if not searched_file and not readable(found.st_mode, found.st_uid, found.st_gid, bit):
            raise _HttpError(403)
        return found.st_mode

    def _access(self, path: str, *, index: bool = False) -> bytes:
        mode = self._open(path)
        if stat.S_ISDIR(mode):
            if index:
                raise _HttpError(500)
            return self._directory(path)
        if not stat.S_ISREG(mode):
            raise _HttpError(403)
        if path.endswith("/"):
            raise _HttpError(404)
        return self.chroot.read_bytes(path)

    def _directory(self, path: str) -> bytes:
        if self.rules.no_index:
            raise _HttpError(403)
        if self.alias:
            raise _HttpError(500)
        if not path.endswith("/"):
            raise _HttpError(301, urllib.parse.quote(self.path, safe=UNENCODED) + "/")
        name = self.rules.index or INDEX
        self.alias = self.path + name
        before = self.rules
        self.rules = self._rules(self.alias)
        if self.rules != before:
            return self._file()
        try:
            return self._access(path + name, index=True)
        except _HttpError as error:
            if error.status != 404:
                raise
        if not self.rules.auto_index:
            raise _HttpError(403)
        return self._listing(path)

    def _listing(self, path: str) -> bytes:
        names = [name for name in self.chroot.listdir(path) if not name.startswith(".")]
        if path != "/":
            names.insert(0, "..")
        rows = "".join(
            f'<a href="{urllib.parse.quote(name)}">{html.escape(name)}</a>\n' for name in names
        )
        title = f"Index of {html.escape(self.path)}"
        page = f"<!DOCTYPE html>\n<title>{title}</title>\n<h1>{title}</h1>\n{rows}"
        return page.encode("latin-1", "xmlcharrefreplace")
