# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What httpd(8) answers to a GET request."""

from __future__ import annotations

import fnmatch
import posixpath
import re
import stat
import urllib.parse
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.model.network.interfaces import Address
from sandbox.target.call import NotModelled

from .conf import Rules, Server

if TYPE_CHECKING:
    from sandbox.target.files import Files

_WWW, _READ, _SEARCH, _ROOT = 67, 4, 1, "/htdocs"
UNENCODED = "/!$'()*+,;:@=[]\\^`{|}>~"


@dataclass(frozen=True)
class Answer:
    """`path` is the request's path as it is `logged`."""

    status: int
    body: bytes = b""
    server: str = ""
    path: str = ""
    logged: bool = True


class _HttpError(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(str(status))
        self.status = status


def answer(
    servers: list[Server], chroot: Files, socket: tuple[Address, int], target: str, host: str,
    client: str,
) -> Answer | None:  # fmt: skip
    """The answer, or None where nobody listens. `chroot` is rooted at httpd's chroot.

    A server is chosen by the host name, else the first one that listens there.
    """
    here = [server for server in servers if any(listen.takes(*socket) for listen in server.listens)]
    if not here:
        return None
    server = next((server for server in here if server.name.lower() == host.lower()), here[0])
    path, rules = target.partition("?")[0], server.rules
    try:
        path = _canonical(path)
        rules, place = _rules(server, chroot, path), path
        if rules.rewrite:
            # server_response(): the location of the rewritten path counts, and is final.
            place = _expand(rules.rewrite, path, client)
            rules = _rules(server, chroot, place)
        body = _body(chroot, rules, place)
    except _HttpError as error:
        return Answer(error.status, b"", server.name, path, rules.logged)
    return Answer(200, body, server.name, path, rules.logged)


def _canonical(path: str) -> str:
    """Decoded, without empty, `.` and `..` components."""
    if not path.startswith("/") or re.search(r"%(?![0-9a-fA-F]{2})", path):
        raise _HttpError(400)
    plain = urllib.parse.unquote(path, "latin-1")
    tail = "/" if plain.endswith(("/", "/.", "/..")) else ""
    shown = posixpath.normpath(f"/{plain.lstrip('/')}")
    return shown if shown == "/" else shown + tail


def _body(chroot: Files, rules: Rules, path: str) -> bytes:
    place = _place(rules, path)
    mode = _open(chroot, place)
    if not stat.S_ISDIR(mode):
        if not stat.S_ISREG(mode) or path.endswith("/"):
            raise _HttpError(404 if path.endswith("/") else 403)
        return chroot.read_bytes(place)
    if not path.endswith("/"):
        raise _HttpError(301)
    if not rules.auto_index:
        raise _HttpError(403)
    return "".join(f'<a href="{name}">{name}</a>\n' for name in chroot.listdir(place)).encode()


def _expand(text: str, path: str, client: str) -> str:
    if re.search(r"[$%](?!DOCUMENT_URI|REMOTE_ADDR)", text):
        raise NotModelled(f"httpd: rewrite {text}")
    # server_expand_http() of usr.sbin/httpd: a question mark in a path stays part of it.
    uri = urllib.parse.quote(path, safe=UNENCODED, encoding="latin-1")
    return _canonical(text.replace("$DOCUMENT_URI", uri).replace("$REMOTE_ADDR", client))


def _rules(server: Server, chroot: Files, path: str) -> Rules:
    """Those of the first location that matches, else the server's: fnmatch(3), any case."""
    for location in server.locations:
        if re.match(fnmatch.translate(location.pattern), path, re.IGNORECASE | re.DOTALL):
            rules = location.rules.inside(server.rules)
            if not location.existing or _accessible(chroot, rules, path):
                return rules
    return server.rules


def _accessible(chroot: Files, rules: Rules, path: str) -> bool:
    """server_locationaccesstest(): what www may read, but for the root directory itself."""
    if _stripped(rules, path) in ("", "/"):
        return False
    try:
        _open(chroot, _place(rules, path))
    except _HttpError:
        return False
    return True


def _stripped(rules: Rules, path: str) -> str:
    for _ in range(rules.strip):
        slash = path.find("/", 1)
        path = path[slash:] if slash > 0 else ""
    return path


def _place(rules: Rules, path: str) -> str:
    return f"{rules.root or _ROOT}{_stripped(rules, path)}"


def _open(chroot: Files, path: str) -> int:
    """The file's mode, if www may read it; _HttpError otherwise."""
    try:
        inside = chroot.resolve(path).relative_to(chroot.root)
        for number in range(len(inside.parts)):
            mode = _need(chroot, "/" + "/".join(inside.parts[:number]), _SEARCH)
            if not stat.S_ISDIR(mode):
                raise _HttpError(404)
        return _need(chroot, f"/{inside}", _READ)
    except OSError as error:
        raise _HttpError(404) from error


def _need(chroot: Files, path: str, bit: int) -> int:
    status = chroot.lstat(path)
    shift = 6 if status.st_uid == _WWW else 3 if status.st_gid == _WWW else 0
    searches_file = bit == _SEARCH and not stat.S_ISDIR(status.st_mode)
    if not searches_file and not status.st_mode >> shift & bit:
        raise _HttpError(403)
    return status.st_mode
