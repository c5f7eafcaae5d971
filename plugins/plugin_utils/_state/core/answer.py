# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What a resource asks a server, and what the agent answers, with types."""

from __future__ import annotations

import base64
import typing as t
from dataclasses import dataclass, field

# What _agent/answers.py describes, in lists that can be joined.
Questions = dict[str, list[t.Any]]


def merged(several: t.Iterable[Questions]) -> Questions:
    """Return several questions as one."""
    together: Questions = {}
    for questions in several:
        for kind, asks in questions.items():
            together.setdefault(kind, []).extend(asks)
    return together


@dataclass(frozen=True)
class PathFacts:
    """What lstat(2) shows of a path; `sha256` is there for regular files that were read.

    `verified` is set where it was on record, since the file is as it was when it was last read.
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
    """What a program printed, and its exit status; 124 where its time limit ended it."""

    rc: int
    stdout: str = ""
    stderr: str = ""


@dataclass(frozen=True)
class UserFacts:
    """An account, with its login group and its other groups."""

    home: str
    shell: str
    group: str
    groups: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answer:
    """The answers to all questions under a key; a path that does not exist is None."""

    paths: t.Mapping[str, PathFacts | None] = field(default_factory=dict)
    read: t.Mapping[str, bytes] = field(default_factory=dict)
    entries: t.Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    runs: t.Mapping[str, Run] = field(default_factory=dict)
    users: t.Mapping[str, UserFacts] = field(default_factory=dict)
    groups: t.Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    opened: t.Mapping[str, str] = field(default_factory=dict)

    def text(self, path: str) -> str:
        """Return the content of a file, "" for none; what is not UTF-8 survives."""
        return self.read.get(path, b"").decode("utf-8", "surrogateescape")

    @classmethod
    def of(cls, raw: t.Mapping[str, t.Any]) -> Answer:
        """Return the answer from the JSON under a key."""
        return cls(
            paths={path: path_facts(facts) for path, facts in raw.get("paths", {}).items()},
            read={path: base64.b64decode(text) for path, text in raw.get("read", {}).items()},
            entries={path: tuple(names) for path, names in raw.get("list", {}).items()},
            runs={name: Run(**result) for name, result in raw.get("run", {}).items()},
            users={
                name: UserFacts(**{**user, "groups": tuple(user["groups"])})
                for name, user in raw.get("users", {}).items()
            },
            groups={
                name: tuple(members.split()) for name, members in raw.get("groups", {}).items()
            },
            opened=raw.get("open", {}),
        )


def path_facts(facts: t.Mapping[str, t.Any] | None) -> PathFacts | None:
    """Return what lstat(2) shows from the agent's JSON; None for nothing."""
    if facts is None:
        return None
    known = PathFacts.__dataclass_fields__
    return PathFacts(**{name: value for name, value in facts.items() if name in known})
