# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""New files, all or none, without replacing any.

They are first written into a directory of their own, with a list of their places. Then each gets
its name by link(2), which replaces nothing, in the order of the arguments, and the directory is
removed. If this is cut off at any point, that directory is left, and names of files in it: the
next call removes those names again, which it knows by their inodes and contents, and nothing else.
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
    """Some of the files exist already; nothing was written."""


def write_new(stage: Path, files: Mapping[Path, str]) -> None:
    """Write files, by their paths, by way of the directory `stage`, whose parent must exist.

    Nobody else may do so at the same time. Raises NotNew, OperatorError, OSError.
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
    # Without the list, all that remains is to remove the directory.
    (stage / _PLACES).unlink()
    sync_directory(stage)
    shutil.rmtree(stage)


def refuse_existing(files: Mapping[Path, str]) -> None:
    """Refuse paths where there is something already (NotNew)."""
    existing = [str(path) for path in files if os.path.lexists(path)]
    if existing:
        raise NotNew(
            f"{', '.join(existing)}: exists already, and no file is overwritten; nothing was "
            f"written. Move it away, or keep it and copy what is new from what is shown"
        )


def take_back(stage: Path) -> None:
    """Remove what a call that was cut off had written. Raises OSError."""
    if not stage.is_dir() or stage.is_symlink():
        return
    staged = {_identity(file) for file in stage.iterdir()}
    try:
        places = json.loads((stage / _PLACES).read_bytes())
    except (FileNotFoundError, ValueError):
        places = {}
    for name, digest in places.items():
        path = Path(name)
        ours = os.path.lexists(path) and _identity(path) in staged
        if ours and _digest(path.read_bytes()) == digest:
            path.unlink()
    shutil.rmtree(stage)


def _identity(path: Path) -> tuple[int, int]:
    status = path.lstat()
    return status.st_dev, status.st_ino


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
