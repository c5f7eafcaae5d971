# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Reads what an operator keeps for site sets: a directory that represents a system's root."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.puffy.vmm.plugins.module_utils._formats.site_archive import (
    FILE_MODE,
    PROGRAM_MODE,
    Entry,
    checked_link,
    checked_path,
)
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Refused, Report, shown_name
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.files import Unreadable, read_file

# The whole set is sent in one request, and is kept in memory on both sides.
MOST_BYTES = 64 * 1024 * 1024

# Makes git keep an otherwise empty directory.
_PLACE_HOLDER = ".gitkeep"


def read_tree(root: Path, source: str, report: Report) -> dict[str, Entry]:
    """Return the files below a directory by their path in it; none where it does not exist.

    Only the owner's right to execute counts of a file's mode, as for git. No link is followed.
    source is the name of the directory in the report.
    """
    tree: dict[str, Entry] = {}
    left = MOST_BYTES
    for path in _paths(root, "", source, report):
        try:
            tree[checked_path(path)] = _entry(root / path, path, left)
        except (Refused, Unreadable) as reason:
            report.add(f"{source}/{shown_name(path)}", "", str(reason))
        else:
            left -= len(tree[path].content)
    return tree


def _paths(root: Path, below: str, source: str, report: Report) -> Iterator[str]:
    try:
        with os.scandir(root / below) as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
    except FileNotFoundError:
        return
    except OSError as error:
        report.add(f"{source}/{shown_name(below)}", "", f"cannot be read: {error.strerror}")
        return
    for entry in listed:
        path = f"{below}/{entry.name}" if below else entry.name
        if entry.is_dir(follow_symlinks=False):
            yield from _paths(root, path, source, report)
        elif entry.name != _PLACE_HOLDER:
            yield path


def _entry(place: Path, path: str, limit: int) -> Entry:
    """Return a file or link. Raises Refused and Unreadable."""
    try:
        mode = place.lstat().st_mode
        if stat.S_ISLNK(mode):
            return Entry(link=checked_link(path, os.readlink(place)))
    except OSError as error:
        raise Unreadable(f"cannot be read: {error.strerror}") from error
    content = read_file(place, limit)
    return Entry(content, PROGRAM_MODE if mode & stat.S_IXUSR else FILE_MODE)
