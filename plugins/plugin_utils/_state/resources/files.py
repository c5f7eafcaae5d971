# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Files with their whole content: from a template, from text, or as they are on the controller."""

from __future__ import annotations

import typing as t
from collections import Counter
from dataclasses import replace
from pathlib import Path

from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.answers import stat
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.answer import Answer, Questions
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.arguments import (
    ATTRIBUTES,
    EACH,
    Context,
    DocumentError,
    Options,
    each,
    list_of,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.file import File, parent
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.foreign import (
    FOREIGN,
    Foreign,
    questions,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.planning import Planning
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.resource import Simple
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.text import blocks

_CONTENTS: t.Final = ("template", "content", "source")


class Desired(t.NamedTuple):
    """A file, the language in which each VM has a block in it, and what others have in it."""

    file: File
    language: str | None
    foreign: Foreign | None = None


class Files(Simple[tuple[Desired, ...]]):
    """Files; their parents must exist, or be made by the document."""

    OPTION: t.ClassVar[str] = "files"
    SPEC: t.ClassVar[Options] = list_of(
        {
            "path": {"type": "str", "required": True},
            "template": {"type": "str"},
            "content": {"type": "str"},
            "source": {"type": "path"},
            **EACH,
            "mode": {"type": "str", "default": "0644"},
            **ATTRIBUTES,
            "validate": {"type": "str"},
            "sensitive": {"type": "bool", "default": False},
            "note": {"type": "str"},
            "language": {"type": "str", "choices": sorted(blocks.READERS)},
            "foreign": FOREIGN,
        }
    )

    def desired(self, options: t.Any, context: Context) -> tuple[Desired, ...]:
        items = tuple(file for item in options for file in _files(item, context))
        for path, times in Counter(item.file.path for item in items).items():
            if times > 1:
                raise DocumentError(f"{context.name}: {path} is described twice; name it once")
        return items

    def questions(self, desired: tuple[Desired, ...]) -> Questions:
        paths = [stat(parent(item.file.path)) for item in desired]
        for item in desired:
            read = int(bool(item.language or item.foreign))
            paths.append({"path": item.file.path, "read": read})
            if item.foreign:
                paths += questions()
        return {"paths": paths}

    def plan(self, desired: tuple[Desired, ...], facts: Answer, out: Planning) -> None:
        for item in desired:
            file = item.file
            if item.foreign:
                item.foreign.review(file, out)
            if item.language:
                old = out.text(file.path).encode("utf-8", "surrogateescape")
                differs = blocks.difference(item.language, old, file.content)
                file = replace(file, vms=frozenset(differs.changed), gone=differs.gone)
            out.file(file)

    def review(self, desired: tuple[Desired, ...], out: Planning) -> None:
        for item in desired:
            out.file(item.file)


def _files(item: t.Mapping[str, t.Any], context: Context) -> t.Iterator[Desired]:
    for fields, values in each(item, context):
        language = fields.pop("language", None)
        foreign = fields.pop("foreign", None)
        kinds = {kind: fields.pop(kind) for kind in _CONTENTS if kind in fields}
        path = fields["path"]
        if len(kinds) != 1:
            raise DocumentError(
                f"{context.name}: {path} has {' and '.join(kinds) or 'no content'}; give one of "
                f"{', '.join(_CONTENTS)}"
            )
        if "template" in kinds:
            extra = {} if values is None else {"item": values}
            try:
                content = context.template(kinds["template"], extra).encode()
            except OperatorError as error:
                error.vms = fields.get("vms") or error.vms
                raise
        elif "content" in kinds:
            content = str(kinds["content"]).encode()
        else:
            content = _read(context, path, context.find(kinds["source"]))
        others = Foreign(**foreign) if foreign else None
        yield Desired(File(content=content, **fields), language, others)


def _read(context: Context, path: str, source: str) -> bytes:
    try:
        return Path(source).read_bytes()
    except OSError as error:
        raise DocumentError(f"{context.name}: {path}: {source}: {error.strerror}") from error
