# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""A release directory as it should be on a server, and what of it is there.

The list of checksums decides: SHA256.sig, which signify(1) of the server verifies with a key of its
own /etc/signify, or SHA256, which nobody signed. Without a list a file that is there is right.
"""

from __future__ import annotations

import base64
import re
import typing as t

from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.programs import TOOLS
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.document import Mirror

LISTS: t.Final[t.Mapping[str, str]] = {"signify": "SHA256.sig", "sha256": "SHA256"}
# Where files are until they are whole: beside their places, where httpd(8) cannot read.
PARTIAL: t.Final = ".partial"

_LINE = re.compile(r"SHA256 \((?P<name>[^()\n]+)\) = (?P<sha256>[0-9a-f]{64})")

Checksums = t.Mapping[str, str]


class HasFacts(t.Protocol):
    """What is known of a path."""

    @property
    def sha256(self) -> str | None: ...


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
    asked = [{"path": place(mirror, name), "hash": wants_sums} for name in mirror.names]
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


def lists(answer: t.Mapping[str, t.Any]) -> dict[str, Checksums]:
    """The lists of a probe's answer that can be believed, by their paths."""
    found = {}
    for path, text in answer["read"].items():
        if path.endswith(f"/{LISTS['sha256']}"):
            found[path] = checksums(base64.b64decode(text).decode("latin-1"))
    for name, result in answer["run"].items():
        if name.startswith("list ") and result["rc"] == 0:
            found[name.removeprefix("list ")] = checksums(result["stdout"])
    return found


def checksums(text: str) -> Checksums:
    """A list of sha256(1) as a mapping of names."""
    return {match["name"]: match["sha256"] for match in _LINE.finditer(text)}


def missing(
    mirror: Mirror, sums: Checksums | None, facts: t.Mapping[str, HasFacts | None]
) -> list[str]:
    """Names of the files that are not there, or not as the list has them.

    Without a list that can be believed (None) all have to be looked at anew.
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
