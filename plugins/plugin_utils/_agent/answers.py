# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What a probe asks under a key, and what the server answers under it.

Questions; each key may be missing:

    paths    [{path, hash?, read?, head?, verified?}]: `hash` 0 for no SHA-256, `read` for the
             content too, `head` for so many of its first bytes; with `verified`, a file that is as
             it was when a step recorded its SHA-256 is not read again
    list     [{path, within?, hash?}]: the names in a directory, and in those of its directories
             whose names match the regular expression `within`, which `paths` has then too
    open     [path]: whether open(2) succeeds
    run      [{name, argv, cwd?, timeout?}]: a program, which runs once for all that ask for it,
             for at most `timeout` seconds (60)
    users    [name], rosters: [path of a file that lists accounts], groups: [name]
    log      see logs.pl; generations: 1 for what is kept of replaced files

Answers, by path or name; what does not exist is missing, or None in `paths`:

    paths    {type, mode, owner, group, size, blocks, mtime, ctime, inode, sha256?, verified?}:
             lstat(2), times in seconds since 1970. `sha256` is there for regular files, but for
             those above 1 MiB that others than root can write; `verified` where it was on record
    read     base64
    open     the error of open(2), empty for none
    run      {rc, stdout, stderr}: `rc` 124 where time ran out; a character is a byte
    users    {home, shell, group, groups}: the login group, and the groups that list the account
    groups   the members as group(5) lists them, separated by spaces
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

Questions = t.Mapping[str, t.Any]

# The id of a transaction begins with its time, in UTC.
_ID: t.Final = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)-")


def time_of(transaction_id: str) -> str | None:
    """Return when a transaction began, such as 2026-11-29T03:00:00Z; UTC."""
    match = _ID.match(transaction_id)
    return "{}-{}-{}T{}:{}:{}Z".format(*match.groups()) if match else None


def time_words(time: str) -> str:
    """Return such a time for people: 2026-11-29 03:00:00 UTC."""
    return time.replace("T", " ").replace("Z", " UTC")


def stat(path: str) -> dict[str, t.Any]:
    """Ask what is at a path, without its SHA-256."""
    return {"path": path, "hash": 0}


def read(path: str) -> dict[str, t.Any]:
    """Ask what is at a path, and for its content."""
    return {"path": path, "read": 1}


@dataclass(frozen=True)
class Answer:
    """What a probe answered, by the key of who asked.

    `applied` is the id of the last transaction; `generation` has number, id and name of the last
    that changed files, if it is kept; `unfinished` says that one was cut off or waits for
    its confirmation; `uid` and `user` are the agent's; `uname` is what uname(1) -sr prints.
    """

    answers: t.Mapping[str, t.Mapping[str, t.Any]]
    applied: str | None
    generation: t.Mapping[str, t.Any] | None
    unfinished: bool
    uid: int
    user: str
    uname: str

    def __getitem__(self, key: str) -> t.Mapping[str, t.Any]:
        return self.answers[key]

    @property
    def applied_at(self) -> str | None:
        """When this collection last changed the server, such as 2026-11-29T03:00:00Z; UTC."""
        return time_of(self.applied or "")

    @property
    def system(self) -> str:
        """The operating system's name, such as OpenBSD; empty where uname(1) printed nothing."""
        return self.uname.partition(" ")[0]

    @property
    def release(self) -> str:
        """The release of the system, such as 7.8."""
        return self.uname.partition(" ")[2]
