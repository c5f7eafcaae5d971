# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Writes what a server would get below a directory of the controller, for people to read."""

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.file import File
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.planning import Review, World
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.document import Document
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.resources.registry import RESOURCES


def files(documents: t.Iterable[Document]) -> t.Iterator[File]:
    """Yield the files that a new server would get; the last document for a file has all of it."""
    world = World()
    last: dict[str, File] = {}
    for document in documents:
        out = Review(document.name, world)
        for resource in RESOURCES:
            if resource.OPTION in document.wants:
                resource.review(document.wants[resource.OPTION], out)
        last |= {file.path: file for file in out.files()}
    yield from last.values()


def write(documents: t.Iterable[Document], directory: str, server: str) -> dict[str, t.Any]:
    """Write the files below directory/server; return a task's result. Raises OperatorError."""
    changed = []
    for file in files(documents):
        path = Path(directory) / server / file.path.lstrip("/")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.is_file() or path.read_bytes() != file.content:
                path.touch(mode=0o600 if file.sensitive else 0o644)
                path.write_bytes(file.content)
                changed.append(str(path))
        except OSError as error:
            raise OperatorError(
                f"{path}: {error.strerror}; name a directory to write to"
            ) from error
    return {"changed": bool(changed), "changes": [f"write {path}" for path in changed]}
