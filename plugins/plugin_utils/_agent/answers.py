# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What a probe asks, and what the server answers: JSON of the agent's, with names and types."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

# The id of a transaction begins with its time, in UTC.
_ID: t.Final = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)-")


def time_of(transaction_id: str) -> str | None:
    """When a transaction began, such as 2026-11-29T03:00:00Z; UTC."""
    match = _ID.match(transaction_id)
    return "{}-{}-{}T{}:{}:{}Z".format(*match.groups()) if match else None


class PathQuestion(t.TypedDict, total=False):
    """`hash` 0: no SHA-256; `read`: the content as well; `head`: so many of its first bytes.

    `verified`: a file that is as it was when a step recorded its SHA-256 is not read again.
    """

    path: t.Required[str]
    hash: int
    read: int
    head: int
    verified: int


class ListQuestion(t.TypedDict, total=False):
    """Names in a directory, and all of those directories in it whose names match `within`."""

    path: t.Required[str]
    within: str


class RunQuestion(t.TypedDict, total=False):
    """A program, which runs once for all that ask for it, for `timeout` seconds at most (60)."""

    name: t.Required[str]
    argv: t.Required[t.Sequence[str]]
    cwd: str
    timeout: int


class Questions(t.TypedDict, total=False):
    """What one asks.

    `rosters` are files that list accounts, which are looked at with `users`; `generations` 1: what
    is kept of replaced files.
    """

    paths: t.Sequence[PathQuestion]
    list: t.Sequence[ListQuestion]
    open: t.Sequence[str]
    run: t.Sequence[RunQuestion]
    users: t.Sequence[str]
    rosters: t.Sequence[str]
    groups: t.Sequence[str]
    log: t.Sequence[t.Mapping[str, t.Any]]
    generations: int


class PathAnswer(t.TypedDict, total=False):
    """lstat(2), times in seconds since 1970; `sha256` only of regular files that were hashed.

    `verified` is there where it was not read again, but was on record.
    A file that is not root's, or that others can write, has none if it is larger than 1 MiB.
    """

    type: t.Required[str]
    mode: t.Required[str]
    owner: t.Required[str]
    group: t.Required[str]
    size: t.Required[int]
    blocks: t.Required[int]
    mtime: t.Required[int]
    ctime: t.Required[int]
    inode: t.Required[int]
    sha256: str
    verified: int


class RunAnswer(t.TypedDict):
    """`rc` is 124 where time ran out; `stdout` and `stderr` hold a byte in each character."""

    rc: int
    stdout: str
    stderr: str


class UserAnswer(t.TypedDict):
    """An account, `group` its login group, `groups` those that list it."""

    home: str
    shell: str
    group: str
    groups: list[str]


class Answers(t.TypedDict):
    """The answer to Questions, by path or name; what is not there is not in it, or None in paths.

    `read` is base64; `open` has the error of open(2), empty for none; `groups` has the members as
    group(5) lists them, with spaces between.
    """

    paths: dict[str, PathAnswer | None]
    read: dict[str, str]
    list: dict[str, list[str]]
    open: dict[str, str]
    run: dict[str, RunAnswer]
    users: dict[str, UserAnswer]
    groups: dict[str, str]


@dataclass(frozen=True)
class Answer:
    """What a probe found, by the key of who asked.

    `applied` is the id of the last transaction, `generation` has number, id and name of the last
    that changed files, if it is kept; `unfinished` says that one was cut off or waits for
    its confirmation; `uid` and `user` are the agent's, `uname` is what uname(1) -sr prints.
    """

    answers: t.Mapping[str, Answers]
    applied: str | None
    generation: t.Mapping[str, t.Any] | None
    unfinished: bool
    uid: int
    user: str
    uname: str

    def __getitem__(self, key: str) -> Answers:
        return self.answers[key]

    @property
    def applied_at(self) -> str | None:
        """When this collection last changed the server, such as 2026-11-29T03:00:00Z; UTC."""
        return time_of(self.applied or "")

    @property
    def system(self) -> str:
        """The operating system's name, such as OpenBSD; empty where uname(1) said nothing."""
        return self.uname.partition(" ")[0]

    @property
    def release(self) -> str:
        """The release of the system, such as 7.8."""
        return self.uname.partition(" ")[2]
