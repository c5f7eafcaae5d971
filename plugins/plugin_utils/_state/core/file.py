# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""A desired file, and how its mode and owner compare with those of the present one."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from pathlib import PurePosixPath

from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.answers import read, stat
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import EVERYBODYS


@dataclass(frozen=True)
class File:
    """A file with its whole content, in bytes.

    `note` says what a change of it brings; `gone` are VMs that it no longer names; for `vms` and
    `joint` see Change. No service has to read a `quiet` file again. An `internal` one is a note of
    this collection, which is not shown to anybody. With `check_last`, its checker reads files of
    the same document that must be in place by then. One that `stays` belongs to something that is
    not a file, so that no rollback puts it back.
    """

    path: str
    content: bytes
    mode: str = "0644"
    owner: str = "root"
    group: str = "wheel"
    validate: str | None = None
    sensitive: bool = False
    note: str | None = None
    gone: tuple[str, ...] = ()
    vms: frozenset[str] = EVERYBODYS
    joint: bool = False
    quiet: bool = False
    internal: bool = False
    check_last: bool = False
    stays: bool = False


def parent(path: str) -> str:
    """Return the directory of a path."""
    return str(PurePosixPath(path).parent)


def edited(paths: t.Iterable[str]) -> list[dict[str, t.Any]]:
    """Ask for files that are edited, and for their directories, which they may need."""
    files = [*paths]
    return [*map(stat, dict.fromkeys(map(parent, files))), *map(read, files)]


class _HasAttributes(t.Protocol):
    @property
    def mode(self) -> str:
        """In octal digits, such as 0644."""

    @property
    def owner(self) -> str:
        """The name of a user."""

    @property
    def group(self) -> str:
        """The name of a group."""


def attributes(item: _HasAttributes) -> dict[str, str]:
    """Return mode, owner and group as the agent takes them."""
    return {"mode": f"{int(item.mode, 8):04o}", "owner": item.owner, "group": item.group}


def differ(facts: _HasAttributes, item: _HasAttributes) -> bool:
    """Return whether mode, owner or group of what is there are not the desired ones."""
    return attributes(facts) != attributes(item)
