# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Where sshd(8) looks for the keys of an account, by its sshd_config(5).

As in usr.bin/ssh/servconf.c, the first Match block that applies and names a place decides; if there
is none, the first line outside of all blocks does.
"""

from __future__ import annotations

import re
import shlex
import typing as t
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

PATH: t.Final = "/etc/ssh/sshd_config"
_BEGIN, _END = "# begin of puffy.vmm", "# end of puffy.vmm"
_LINE: t.Final = re.compile(r"(\w+)(?:\s*=\s*|\s+)(.*)")
_DEFAULT: t.Final = (".ssh/authorized_keys", ".ssh/authorized_keys2")
_TOKEN: t.Final = re.compile("%([%huU])")


@dataclass(frozen=True)
class Account:
    name: str
    home: str
    uid: str = ""
    groups: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Place:
    """An AuthorizedKeysFile line: its files with sshd's tokens, and the criteria of its block.

    criteria is empty outside of blocks; ours says that the collection wrote the block.
    """

    line: int
    files: tuple[str, ...]
    criteria: tuple[str, ...] = ()
    ours: bool = False

    def applies(self, account: Account) -> bool | None:
        """Return whether the block is for the account; None if that depends on the connection."""
        answers = [_matches(*criterion, account) for criterion in _pairs(self.criteria)]
        return False if False in answers else None if None in answers else True


@dataclass(frozen=True)
class Conf:
    """places are in the order of the file; includes has Include lines with their numbers."""

    places: tuple[Place, ...]
    includes: tuple[tuple[int, str], ...] = ()

    def place(self, account: Account) -> Place:
        """Return the place of the account's keys, whatever the connection."""
        blocks = (place for place in self.places if place.criteria and place.applies(account))
        outside = (place for place in self.places if not place.criteria)
        return next(blocks, None) or next(outside, Place(0, _DEFAULT))

    def key_files(self, account: Account) -> list[str]:
        """Return the paths of the account's key files."""
        tokens = {"%": "%", "h": account.home, "u": account.name, "U": account.uid}
        paths = (
            _TOKEN.sub(lambda match: tokens[match[1]], file)
            for file in self.place(account).files
            if file.lower() != "none"
        )
        return [path if path.startswith("/") else f"{account.home}/{path}" for path in paths]


def read(text: str) -> Conf:
    """Read an sshd_config(5); lines that sshd(8) would refuse are passed over."""
    places, includes = [], []
    criteria: tuple[str, ...] = ()
    ours = False
    for number, line in enumerate(map(str.strip, text.splitlines()), start=1):
        if line.startswith((_BEGIN, _END)):
            ours = line.startswith(_BEGIN)
        match = _LINE.match(line)
        if match is None:
            continue
        try:
            words = tuple(shlex.split(match[2], comments=True))
        except ValueError:
            continue
        keyword = match[1].lower()
        if keyword == "match":
            criteria = words
        elif keyword == "authorizedkeysfile":
            places.append(Place(number, words, criteria, ours))
        elif keyword == "include":
            includes.append((number, line))
    return Conf(tuple(places), tuple(includes))


def _pairs(criteria: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Yield each criterion with its value; "all" and "invalid-user" have none."""
    words = iter(criteria)
    for word in words:
        name, equals, value = word.partition("=")
        alone = name.lower() in ("all", "invalid-user")
        yield name.lower(), value if equals or alone else next(words, "")


def _matches(name: str, value: str, account: Account) -> bool | None:
    match name:
        case "all":
            return True
        case "invalid-user":
            return False
        case "user":
            return _listed((account.name,), value)
        case "group":
            return _listed(account.groups, value)
    return None


def _listed(names: Collection[str], patterns: str) -> bool:
    """Return whether a pattern of the list matches a name, and none that is negated does."""
    rows = [(row.removeprefix("!"), row.startswith("!")) for row in patterns.split(",")]
    hits = {negated for name in names for pattern, negated in rows if fnmatchcase(name, pattern)}
    return hits == {False}
