# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""New files, all or none, and none in the place of another.

They are written into a directory of their own first, with a list of their places. Then each gets
its name by link(2), which replaces nothing, in the order that is given, and the directory goes. Cut
off at whatever point, what is left is that directory, and names of files that are in it: the next
call takes those names away again, which it knows by their inodes and contents, and nothing else.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.files import (
    create_file,
    sync_directory,
)

_PLACES = "places.json"


class NotNew(OperatorError):
    """Some of the files are there already; nothing was written."""


def write_new(stage: Path, files: Mapping[Path, str]) -> None:
    """Write files, by their paths, through the directory `stage`, whose parent must be there.

    Only for who is the only one to do so. Raises NotNew, OperatorError, OSError.
    """
    take_back(stage)
    refuse_existing(files)
    stage.mkdir(mode=0o755)
    places = {str(path): _digest(text.encode()) for path, text in files.items()}
    done: list[Path] = []
    try:
        for name, text in enumerate(files.values()):
            create_file(stage / f"{name}", text.encode(), 0o644)
        create_file(stage / _PLACES, json.dumps(places).encode(), 0o644)
        for name, path in enumerate(files):
            path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            os.link(stage / f"{name}", path, follow_symlinks=False)
            done.append(path)
            sync_directory(path.parent)
    except OSError as error:
        for path in done:
            path.unlink()
        shutil.rmtree(stage)
        if error.errno == errno.EXDEV:
            raise OperatorError(
                f"{error.filename2}: is on another file system than {stage.parent}, so that the "
                f"files could not be written all or none: nothing was written"
            ) from error
        raise
    # Without the list, all that is left to do is to remove the directory.
    (stage / _PLACES).unlink()
    sync_directory(stage)
    shutil.rmtree(stage)


def refuse_existing(files: Mapping[Path, str]) -> None:
    """Raises NotNew for files of which there is one, or something else of that name."""
    there = [str(path) for path in files if os.path.lexists(path)]
    if there:
        raise NotNew(
            f"{', '.join(there)}: there already, and no file is written over; nothing was written. "
            f"Move what is there away, or keep it and take what is new from what is shown"
        )


def take_back(stage: Path) -> None:
    """Take back what a call that was cut off had written. Raises OSError."""
    if not stage.is_dir() or stage.is_symlink():
        return
    staged = {(one.stat().st_dev, one.stat().st_ino) for one in stage.iterdir() if one.is_file()}
    try:
        places = json.loads((stage / _PLACES).read_bytes())
    except (FileNotFoundError, ValueError):
        places = {}
    for name, digest in places.items():
        path = Path(name)
        known = path.lstat() if os.path.lexists(path) else None
        if (
            known
            and (known.st_dev, known.st_ino) in staged
            and _digest(path.read_bytes()) == digest
        ):
            path.unlink()
    shutil.rmtree(stage)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
