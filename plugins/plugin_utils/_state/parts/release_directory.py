# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""A release directory as it should be on a server, and what is there.

The list of checksums decides: SHA256.sig, which signify(1) on the server verifies with a key in
/etc/signify, or SHA256, which nobody signed. Without a list any file that is there is right.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.answers import read, stat
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.programs import TOOLS
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.answer import (
    Answer,
    PathFacts,
    Questions,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.arguments import DocumentError

LISTS: t.Final[t.Mapping[str, str]] = {"signify": "SHA256.sig", "sha256": "SHA256"}
# Where files are until they are complete: beside their places, where httpd(8) cannot read.
PARTIAL: t.Final = ".partial"

_LINE = re.compile(r"SHA256 \((?P<name>[^()\n]+)\) = (?P<sha256>[0-9a-f]{64})")
_URL = re.compile(r"\Ahttps?://[A-Za-z0-9._:\[\]-]+(/[A-Za-z0-9._~%+-]+)*/?\Z")
# What the installer takes for a name in index.txt (install.sub, install_http).
_NAME = re.compile(r"\A[A-Za-z][A-Za-z0-9._-]*\Z")

Checksums = t.Mapping[str, str]


@dataclass(frozen=True)
class Mirror:
    """Files of a release directory on the web, fetched where they are missing or wrong.

    `verify` is "signify" for the signed list SHA256.sig and a public key, "sha256" for the unsigned
    list SHA256, or "none".
    """

    directory: str
    url: str
    names: tuple[str, ...]
    verify: str = "signify"
    key: str | None = None


def check_mirror(name: str, mirror: Mirror) -> None:
    """Refuse what ftp(1) or the installer would not take (DocumentError)."""
    if not mirror.names:
        raise DocumentError(
            f"{name}: {mirror.directory}: no files to fetch are named; set vmm_release, or name "
            "them (sets_names)"
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
    """Return the path of an incomplete file, or their directory."""
    return "/".join(part for part in (mirror.directory, PARTIAL, name) if part)


def place(mirror: Mirror, name: str) -> str:
    return f"{mirror.directory}/{name}"


def source(mirror: Mirror, name: str) -> str:
    return f"{mirror.url.rstrip('/')}/{name}"


def asks(mirror: Mirror) -> list[dict[str, t.Any]]:
    """Ask for the files with their checksums, and for their directories."""
    with_sums = mirror.verify in LISTS
    files = [
        {"path": place(mirror, name), "hash": int(with_sums), "verified": 1}
        for name in mirror.names
    ]
    others = [mirror.directory, partial(mirror)]
    if with_sums:
        others.append(list_path(mirror, mirror.directory))
    unwanted = [{"path": path} for path in unwanted_lists(mirror)]
    return [*files, *map(stat, others), *unwanted]


def list_path(mirror: Mirror, directory: str) -> str:
    """Return the path of the list of checksums in a directory."""
    return f"{directory}/{LISTS.get(mirror.verify, '')}"


def unwanted_lists(mirror: Mirror) -> list[str]:
    """Return the path of the signed list, if a mirror of unsigned files must not have one.

    The installer believes it, and stops at each file that differs (install.sub, install_http).
    """
    name = LISTS["signify"]
    unwanted = mirror.verify != "signify" and name not in mirror.names
    return [place(mirror, name)] if unwanted else []


def list_questions(mirror: Mirror, directory: str) -> Questions:
    """Ask for the list in a directory; signify(1) prints it once it has verified it."""
    path = list_path(mirror, directory)
    if mirror.verify == "sha256":
        return {"paths": [read(path)], "run": []}
    argv = [TOOLS["signify"], "-V", "-e", "-q", "-p", mirror.key, "-x", path, "-m", "-"]
    runs = [{"name": f"list {path}", "argv": argv}] if mirror.verify == "signify" else []
    return {"paths": [], "run": runs}


def checksums(mirror: Mirror, directory: str, answer: Answer) -> Checksums | None:
    """Return the list in a directory by file name; None where it cannot be trusted."""
    path = list_path(mirror, directory)
    if mirror.verify == "sha256":
        text = answer.read[path].decode("latin-1") if path in answer.read else None
    else:
        result = answer.runs.get(f"list {path}")
        text = result.stdout if result and result.rc == 0 else None
    if text is None:
        return None
    return {match["name"]: match["sha256"] for match in _LINE.finditer(text)}


def missing(
    mirror: Mirror, sums: Checksums | None, facts: t.Mapping[str, PathFacts | None]
) -> list[str]:
    """Return the names of the files that are missing, or not as the list has them.

    Without a list that can be trusted (None) all have to be looked at again.
    """

    def is_right(name: str) -> bool:
        file = facts.get(place(mirror, name))
        if file is None or mirror.verify not in LISTS:
            return file is not None
        return sums is not None and file.sha256 == sums.get(name)

    return [name for name in mirror.names if not is_right(name)]


def unrecorded(mirror: Mirror, facts: t.Mapping[str, PathFacts | None]) -> bool:
    """Return whether a file had to be read, since the server has no record of its state."""
    files = (facts.get(place(mirror, name)) for name in mirror.names)
    return mirror.verify in LISTS and any(file and not file.verified for file in files)
