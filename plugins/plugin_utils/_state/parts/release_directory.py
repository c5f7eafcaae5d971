# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""A release directory as it should be on a server, and what of it is there.

The list of checksums decides: SHA256.sig, which signify(1) of the server verifies with a key of its
own /etc/signify, or SHA256, which nobody signed. Without a list a file that is there is right.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.programs import TOOLS
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.answer import Answer, PathFacts
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.arguments import DocumentError

LISTS: t.Final[t.Mapping[str, str]] = {"signify": "SHA256.sig", "sha256": "SHA256"}
# Where files are until they are whole: beside their places, where httpd(8) cannot read.
PARTIAL: t.Final = ".partial"

_LINE = re.compile(r"SHA256 \((?P<name>[^()\n]+)\) = (?P<sha256>[0-9a-f]{64})")

_URL = re.compile(r"\Ahttps?://[A-Za-z0-9._:\[\]-]+(/[A-Za-z0-9._~%+-]+)*/?\Z")
# What the installer takes for a name in index.txt (install.sub, install_http).
_NAME = re.compile(r"\A[A-Za-z][A-Za-z0-9._-]*\Z")

Checksums = t.Mapping[str, str]


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


def check_mirror(name: str, mirror: Mirror) -> None:
    """Raises DocumentError for what ftp(1) or the installer would not take."""
    if not mirror.names:
        raise DocumentError(
            f"{name}: {mirror.directory}: no files to fetch are named; set "
            "vmm_release, or name them (sets_names)"
        )
    if not _URL.match(mirror.url):
        raise DocumentError(
            f"{name}: {mirror.url!r} is not a directory to fetch from; write its address, such as "
            f"https://cdn.openbsd.org/pub/OpenBSD/7.8/amd64, without a password or a query"
        )
    for item in mirror.names:
        if not _NAME.match(item):
            raise DocumentError(
                f"{name}: {item!r} is not a name of a set; use letters, digits and . _ -, a letter "
                f"first, as the installer does"
            )
    if (mirror.verify == "signify") != bool(mirror.key):
        raise DocumentError(f"{name}: verify: signify needs a key, and nothing else has one")


def partial(mirror: Mirror, name: str = "") -> str:
    """The path of a file, or the directory, of what is not whole yet."""
    return "/".join(part for part in (mirror.directory, PARTIAL, name) if part)


def place(mirror: Mirror, name: str) -> str:
    return f"{mirror.directory}/{name}"


def source(mirror: Mirror, name: str) -> str:
    return f"{mirror.url.rstrip('/')}/{name}"


def asks(mirror: Mirror) -> list[dict[str, t.Any]]:
    """Paths for a probe: the files with their checksums, and the list that nobody signed."""
    wants_sums = int(mirror.verify in LISTS)
    asked = [
        {"path": place(mirror, name), "hash": wants_sums, "verified": 1} for name in mirror.names
    ]
    directories = [{"path": path, "hash": 0} for path in (mirror.directory, partial(mirror))]
    listed = [{"path": place(mirror, LISTS[mirror.verify]), "hash": 0}] if wants_sums else []
    return asked + directories + listed + read_unsigned(mirror, mirror.directory)


def read_unsigned(mirror: Mirror, directory: str) -> list[dict[str, t.Any]]:
    """Paths for a probe: the list of a directory, where nobody signs it."""
    if mirror.verify != "sha256":
        return []
    return [{"path": f"{directory}/{LISTS['sha256']}", "read": 1}]


def reads(mirror: Mirror, directory: str) -> list[dict[str, t.Any]]:
    """Programs for a probe: signify(1) prints the list of a directory once it has verified it."""
    if mirror.verify != "signify":
        return []
    path = f"{directory}/{LISTS['signify']}"
    argv = [TOOLS["signify"], "-V", "-e", "-q", "-p", mirror.key, "-x", path, "-m", "-"]
    return [{"name": f"list {path}", "argv": argv}]


def lists(answer: Answer) -> dict[str, Checksums]:
    """The lists of an answer that can be believed, by their paths."""
    believed = {}
    for path, content in answer.read.items():
        if path.endswith(f"/{LISTS['sha256']}"):
            believed[path] = checksums(content.decode("latin-1"))
    for name, result in answer.runs.items():
        if name.startswith("list ") and result.rc == 0:
            believed[name.removeprefix("list ")] = checksums(result.stdout)
    return believed


def checksums(text: str) -> Checksums:
    """A list of sha256(1) as a mapping of names."""
    return {match["name"]: match["sha256"] for match in _LINE.finditer(text)}


def missing(
    mirror: Mirror, sums: Checksums | None, facts: t.Mapping[str, PathFacts | None]
) -> list[str]:
    """Names of the files that are not there, or not as the list has them.

    Without a list that can be believed (None) all have to be looked at again.
    """
    absent = [name for name in mirror.names if facts.get(place(mirror, name)) is None]
    if mirror.verify not in LISTS:
        return absent
    if sums is None:
        return list(mirror.names)
    wrong = [
        name
        for name in mirror.names
        if (there := facts.get(place(mirror, name))) and there.sha256 != sums.get(name)
    ]
    return [name for name in mirror.names if name in absent or name in wrong]


def unrecorded(mirror: Mirror, facts: t.Mapping[str, PathFacts | None]) -> bool:
    """Whether a file had to be read, since the server has no record of it as it is."""
    return mirror.verify in LISTS and any(
        there and not there.verified
        for there in (facts.get(place(mirror, name)) for name in mirror.names)
    )
