# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""State documents: what one role wants of one server.

A document is plain data that was checked; it knows nothing of a server's present state.
"""

from __future__ import annotations

import re
import shlex
import typing as t
from dataclasses import dataclass
from ipaddress import ip_interface
from pathlib import PurePosixPath

from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.programs import TOOLS

_INTERFACE = re.compile(r"\A(?=.{2,15}\Z)[a-z]+(?:0|[1-9][0-9]*)\Z")
# priv_validgroup() of usr.sbin/vmd/priv.c, and letters that need no quotes anywhere.
_GROUP = re.compile(r"\A[A-Za-z_](?:[A-Za-z0-9_.-]{0,13}[A-Za-z_.-])?\Z")
_ANCHOR = re.compile(r"\A[A-Za-z][A-Za-z0-9._-]{0,62}\Z")
_FLAGS = ("link0", "link1", "link2")
_PATH = re.compile(r"\A(/[A-Za-z0-9_.,:@%+=-]+)+\Z")

_URL = re.compile(r"\Ahttps?://[A-Za-z0-9._:\[\]-]+(/[A-Za-z0-9._~%+-]+)*/?\Z")
# What the installer takes for a name in index.txt (install.sub, install_http).
_NAME = re.compile(r"\A[A-Za-z][A-Za-z0-9._-]*\Z")


class DocumentError(OperatorError, ValueError):
    """A state document that cannot be meant: says which document, resource and value."""


@dataclass(frozen=True)
class File:
    """A file with its whole content; `note` tells a person what a change of it brings."""

    path: str
    content: bytes
    mode: str = "0644"
    owner: str = "root"
    group: str = "wheel"
    validate: str | None = None
    sensitive: bool = False
    note: str | None = None


@dataclass(frozen=True)
class Directory:
    """A directory; `purge` is a glob: files that match and are in no document are removed.

    So are, with `purge_directories`, directories in it that match that glob, but for those of
    `keep`: their files that match `purge`, and they themselves if nothing else is in them.
    """

    path: str
    mode: str = "0755"
    owner: str = "root"
    group: str = "wheel"
    purge: str | None = None
    purge_directories: str | None = None
    keep: frozenset[str] = frozenset()
    sensitive: bool = False


@dataclass(frozen=True)
class Line:
    """One line in a file that others edit too.

    With a `key` it is a `key=value` line, as in sysctl.conf(5); without, it is one of a script,
    such as rc.local(8).
    """

    path: str
    line: str
    key: str | None = None


@dataclass(frozen=True)
class Mirror:
    """Files of a release directory on the web, fetched where they are missing or wrong.

    `verify` is "signify" for the signed list SHA256.sig and a public key, "sha256" for the list
    SHA256 that nobody signed, or "none".
    """

    directory: str
    url: str
    names: tuple[str, ...]
    verify: str = "signify"
    key: str | None = None


@dataclass(frozen=True)
class Image:
    """A disk image for vmd(8), made blank when it is missing, never changed otherwise."""

    path: str
    size: str
    format: str


@dataclass(frozen=True)
class Firmware:
    """A file that fw_update(8) installs for a driver.

    `source` is a URL or a directory of the server, empty for the system's own choice. `missing` is
    what to do where the file is not there: "fetch" it, "fail", or "ignore" it.
    """

    path: str
    driver: str
    source: str = ""
    missing: str = "fetch"


@dataclass(frozen=True)
class Account:
    """An account that logs in by key: `groups` are added to what it has."""

    name: str
    groups: tuple[str, ...] = ()
    authorized_keys: tuple[str, ...] = ()
    shell: str = "/bin/ksh"


@dataclass(frozen=True)
class Service:
    """A service of rcctl(8). `shows` is what its status command must name once it is up."""

    name: str
    enabled: bool = True
    running: bool = True
    flags: str | None = None
    timeout: int | None = None
    on_change: str = "restart"
    shows: tuple[str, ...] = ()


@dataclass(frozen=True)
class Tap:
    """The tap(4) of a VM's interface number `place`, which is in a switch, and in a group."""

    vm: str
    group: str | None = None
    place: int = 0


@dataclass(frozen=True)
class Link:
    """A network interface, live and in its hostname.if(5) file; what is not given stays as it is.

    Addresses are written address/length. `create` is false for what must be there already, and
    `known` names members, besides taps of VMs and vport(4), without which no flag is set.
    """

    name: str
    create: bool = True
    up: bool = True
    vnetid: int | None = None
    parent: str | None = None
    protocol: str | None = None
    ports: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    known: tuple[str, ...] | None = None
    taps: tuple[Tap, ...] = ()


@dataclass(frozen=True)
class Pf:
    """Rules of pf(4) in a file of their own, which pf.conf(5) loads into an anchor."""

    anchor: str
    path: str
    rules: bytes
    enable: bool = False


@dataclass(frozen=True)
class Document:
    """All that one role wants of one server.

    `roster` is a file of the server with the names of its accounts, kept by the engine. One in it
    that is wanted no more is locked, and leaves `groups`.
    `vmm` is "required" where nothing of this makes sense without vmm(4), "optional" where all of it
    does but a running vmd(8), None where nobody asks.
    """

    name: str
    files: tuple[File, ...] = ()
    directories: tuple[Directory, ...] = ()
    lines: tuple[Line, ...] = ()
    mirrors: tuple[Mirror, ...] = ()
    images: tuple[Image, ...] = ()
    devices: tuple[str, ...] = ()
    sysctls: t.Mapping[str, str] | None = None
    groups: tuple[str, ...] = ()
    accounts: tuple[Account, ...] = ()
    roster: str | None = None
    services: tuple[Service, ...] = ()
    interfaces: tuple[str, ...] = ()
    links: tuple[Link, ...] = ()
    pf: Pf | None = None
    firmware: tuple[Firmware, ...] = ()
    vmm: str | None = None

    def paths(self) -> t.Iterator[str]:
        """The paths of all files, directories and images, and the roster's, in this order."""
        yield from (item.path for item in self.files)
        yield from (item.path for item in self.directories)
        yield from (item.path for item in self.images)
        if self.roster:
            yield self.roster


def argv(command: str) -> tuple[str, ...]:
    """Splits a command as a shell would and gives its program an absolute path; no shell runs it.

    Raises DocumentError for a program that is neither absolute nor one of OpenBSD's that we know.
    """
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise DocumentError(f"{command!r} is no command: {error}") from error
    if not words:
        raise DocumentError("a command is empty; name a program and its arguments")
    program = TOOLS.get(words[0], words[0])
    if not program.startswith("/"):
        raise DocumentError(f"{words[0]!r} is no known program; write its absolute path")
    return (program, *words[1:])


def check(documents: t.Sequence[Document]) -> None:
    """Raises DocumentError for paths that are unsafe or that two documents want at once."""
    seen: dict[str, str] = {}
    for document in documents:
        for path in document.paths():
            if not _PATH.match(path) or ".." in PurePosixPath(path).parts:
                raise DocumentError(
                    f"{document.name}: {path!r} is no path for a server; use an absolute path of "
                    "letters, digits and . _ - , : @ % + = without '..'"
                )
            if path in seen:
                raise DocumentError(
                    f"{document.name}: {path} is wanted a second time (first by {seen[path]}); "
                    "name each path once"
                )
            seen[path] = document.name
        for mirror in document.mirrors:
            _check_mirror(document.name, mirror)
        for link in document.links:
            _check_link(document.name, link)
        if document.pf and not _ANCHOR.match(document.pf.anchor):
            raise DocumentError(
                f"{document.name}: {document.pf.anchor!r} is no name for an anchor; use letters, "
                "digits and . _ -"
            )
        for service in document.services:
            if service.name == "vmd" and service.on_change == "restart":
                raise DocumentError(
                    f"{document.name}: vmd: on_change: restart would stop every VM; use reload"
                )


def _check_mirror(name: str, mirror: Mirror) -> None:
    for path in filter(None, (mirror.directory, mirror.key)):
        if not _PATH.match(path) or ".." in PurePosixPath(path).parts:
            raise DocumentError(f"{name}: {path!r} is no path for a server")
    if not mirror.names:
        raise DocumentError(
            f"{name}: {mirror.directory}: no files to fetch are named; set vmm_release, or "
            "name them"
        )
    if not _URL.match(mirror.url):
        raise DocumentError(
            f"{name}: {mirror.url!r} is no directory to fetch from; write its address, such as "
            f"https://cdn.openbsd.org/pub/OpenBSD/7.8/amd64, without a password or a query"
        )
    for item in mirror.names:
        if not _NAME.match(item):
            raise DocumentError(
                f"{name}: {item!r} is no name of a set; use letters, digits and . _ -, a letter "
                f"first, as the installer does"
            )
    if (mirror.verify == "signify") != bool(mirror.key):
        raise DocumentError(f"{name}: verify: signify needs a key, and nothing else has one")


def _check_link(document: str, link: Link) -> None:
    """Allows what netstart(8), which gives these words to a shell, may read."""
    names = [link.name, *link.ports, *link.members, *([link.parent] if link.parent else [])]
    for name in names:
        if not _INTERFACE.match(name):
            raise DocumentError(
                f"{document}: {name!r} is no interface; use a driver's name and a number, such as "
                "vport42"
            )
    for address in link.addresses:
        try:
            written = ip_interface(address).with_prefixlen
        except ValueError:
            written = ""
        if written != address:
            raise DocumentError(
                f"{document}: {link.name}: {address!r} is no address; write it with its length, as "
                "in 203.0.113.1/24, and an IPv6 address in its shortest form"
            )
    if link.vnetid is not None and not 1 <= link.vnetid <= 4094:
        raise DocumentError(f"{document}: {link.name}: {link.vnetid} is no VLAN; use 1 to 4094")
    if (link.vnetid is None) != (link.parent is None):
        raise DocumentError(f"{document}: {link.name}: give vnetid and parent, or neither")
    if link.protocol and not re.fullmatch("[a-z]{2,15}", link.protocol):
        raise DocumentError(f"{document}: {link.name}: {link.protocol!r} is no trunkproto")
    for flag in link.flags:
        if flag not in _FLAGS:
            raise DocumentError(f"{document}: {link.name}: {flag!r} is not one of {_FLAGS}")
    for tap in link.taps:
        if tap.group and not _GROUP.match(tap.group):
            raise DocumentError(
                f"{document}: {tap.vm}: {tap.group!r} is no interface group; use up to 15 letters, "
                "digits and . _ -, and no digit last"
            )
