# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What a server said to one who asked: the agent's answer to a probe, typed."""

from __future__ import annotations

import base64
import typing as t
from dataclasses import dataclass, field

# What perl/probe.pl takes under one key: paths, list, open, run, users, rosters, groups.
Questions = dict[str, list[t.Any]]


@dataclass(frozen=True)
class PathFacts:
    """What lstat(2) says of a path; `sha256` is there for regular files that were read.

    `verified` is set where it is on record, since the file is as it was when it was read last.
    """

    type: str
    mode: str = ""
    owner: str = ""
    group: str = ""
    size: int = 0
    sha256: str | None = None
    mtime: int = 0
    verified: int = 0


@dataclass(frozen=True)
class Run:
    """What a program printed, and its exit status; 124 where it was ended by its time limit."""

    rc: int
    stdout: str = ""
    stderr: str = ""


@dataclass(frozen=True)
class UserFacts:
    """An account, with its login group and the others that it is in."""

    home: str
    shell: str
    group: str
    groups: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answer:
    """All that was asked under one key; a path that is not there is None."""

    paths: t.Mapping[str, PathFacts | None] = field(default_factory=dict)
    read: t.Mapping[str, bytes] = field(default_factory=dict)
    entries: t.Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    runs: t.Mapping[str, Run] = field(default_factory=dict)
    users: t.Mapping[str, UserFacts] = field(default_factory=dict)
    groups: t.Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    opened: t.Mapping[str, str] = field(default_factory=dict)

    def text(self, path: str) -> str:
        """The content of a file, "" where there is none, so that what is not UTF-8 survives."""
        return self.read.get(path, b"").decode("utf-8", "surrogateescape")

    @classmethod
    def of(cls, raw: t.Mapping[str, t.Any]) -> Answer:
        """From the JSON of one key."""
        return cls(
            paths={path: path_facts(facts) for path, facts in raw.get("paths", {}).items()},
            read={path: base64.b64decode(text) for path, text in raw.get("read", {}).items()},
            entries={path: tuple(names) for path, names in raw.get("list", {}).items()},
            runs={
                name: Run(result["rc"], result["stdout"], result["stderr"])
                for name, result in raw.get("run", {}).items()
            },
            users={
                name: UserFacts(is_["home"], is_["shell"], is_["group"], tuple(is_["groups"]))
                for name, is_ in raw.get("users", {}).items()
            },
            groups={
                name: tuple(members.split()) for name, members in raw.get("groups", {}).items()
            },
            opened=raw.get("open", {}),
        )


_FIELDS: t.Final = frozenset(PathFacts.__dataclass_fields__)


def path_facts(facts: t.Mapping[str, t.Any] | None) -> PathFacts | None:
    """What lstat(2) said, from the agent's JSON; None for nothing."""
    if facts is None:
        return None
    return PathFacts(**{name: value for name, value in facts.items() if name in _FIELDS})
