# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""A file as it is wanted, and how its place, mode and owner compare with what is there."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from pathlib import PurePosixPath

from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import EVERYBODYS


@dataclass(frozen=True)
class File:
    """A file with its whole content, in bytes.

    `note` says what a change of it brings, `gone` are VMs that it names no more, `vms` and `joint`
    whose it is (see Change), `quiet` that no service has to read it again, `internal` that it is a
    note of this collection, which is not shown to anybody, `check_last` that its checker reads
    files of the same document that must be in place by then, and `stays` that it goes with
    something that is not a file, so that no rollback puts it back.
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
    """The directory of a path."""
    return str(PurePosixPath(path).parent)


class _HasAttributes(t.Protocol):
    @property
    def mode(self) -> str: ...
    @property
    def owner(self) -> str: ...
    @property
    def group(self) -> str: ...


def attributes(item: _HasAttributes) -> dict[str, str]:
    """Mode, owner and group as the agent takes them."""
    return {"mode": f"{int(item.mode, 8):04o}", "owner": item.owner, "group": item.group}


def differ(facts: _HasAttributes, item: _HasAttributes) -> bool:
    """Whether mode, owner or group of what is there are not those wanted."""
    return attributes(facts) != attributes(item)
