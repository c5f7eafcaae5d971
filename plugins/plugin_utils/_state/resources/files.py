# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Files with their whole content: from a template, from text, or as they are on the controller."""

from __future__ import annotations

import re
import typing as t
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from ansible_collections.puffy.vmm.plugins.module_utils._formats.elements import LANGUAGES, elements
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.answer import Answer, Questions
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.foreign import (
    is_ours,
    keep_or_refuse,
    questions,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.planning import Planning
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.resource import (
    ATTRIBUTES,
    Context,
    DocumentError,
    File,
    Options,
    Simple,
    given,
    list_of,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.text import blocks

_CONTENTS: t.Final = ("template", "content", "source")
_PLACE: t.Final = re.compile(r"<([a-z_][a-z0-9_]*)>")

EACH: t.Final[Options] = {
    "each": {"type": "list", "elements": "dict"},
    "vms": {"type": "list", "elements": "str"},
}


FOREIGN: t.Final[Options] = {
    "type": "dict",
    "options": {
        "language": {"type": "str", "choices": list(LANGUAGES), "required": True},
        "advice": {"type": "str", "required": True},
        "drop": {"type": "bool", "default": False},
    },
}


@dataclass(frozen=True)
class Foreign:
    """How to find what others have in a file, what to do about it, whether it may be dropped."""

    language: str
    advice: str
    drop: bool = False

    def review(self, file: File, out: Planning, own: t.Collection[str] = ()) -> None:
        """Raises PlanError for what others would lose; `own` are elements of nobody else."""
        old = out.text(file.path)
        keep_or_refuse(
            out,
            file.path,
            elements(self.language, old),
            elements(self.language, file.content.decode("utf-8", "replace")),
            drop=self.drop,
            advice=self.advice,
            ours=is_ours(old),
            own=own,
        )
        out.ours |= is_ours(old)


class Wanted(t.NamedTuple):
    """A file, the language in which each VM has a block in it, and what others have."""

    file: File
    language: str | None
    foreign: Foreign | None = None


class Files(Simple[tuple[Wanted, ...]]):
    """Files. Their parents must be there, or be made by the document."""

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

    def wanted(self, given_items: t.Any, context: Context) -> tuple[Wanted, ...]:
        items = tuple(file for item in given_items for file in _files(item, context))
        for path, times in Counter(item.file.path for item in items).items():
            if times > 1:
                raise DocumentError(f"{context.name}: {path} is described twice; name it once")
        return items

    def questions(self, want: tuple[Wanted, ...]) -> Questions:
        paths: list[t.Any] = [{"path": parent(item.file.path), "hash": 0} for item in want]
        for item in want:
            read = int(bool(item.language or item.foreign))
            paths.append({"path": item.file.path, "read": read})
            if item.foreign:
                paths += questions()
        return {"paths": paths}

    def plan(self, want: tuple[Wanted, ...], facts: Answer, out: Planning) -> None:
        for item in want:
            file = item.file
            if item.foreign:
                item.foreign.review(file, out)
            if item.language:
                old = out.text(file.path).encode("utf-8", "surrogateescape")
                differs = blocks.difference(item.language, old, file.content)
                file = replace(file, vms=frozenset(differs.changed), gone=differs.gone)
            out.file(file)

    def review(self, want: tuple[Wanted, ...], out: Planning) -> None:
        for item in want:
            out.file(item.file)


def parent(path: str) -> str:
    return str(PurePosixPath(path).parent)


def each(
    item: t.Mapping[str, t.Any], context: Context
) -> t.Iterator[tuple[dict[str, t.Any], t.Any]]:
    """What an argument sets, once, or once for each of its items with <key> filled in."""
    fields = given(item)
    items = fields.pop("each", None)
    vms = fields.pop("vms", None)
    for one in [None] if items is None else items:
        filled = dict(fields)
        if one is not None:
            for key in ("path", "source"):
                if key in filled:
                    filled[key] = _fill(filled[key], one, context)
        filled["path"] = context.path(filled["path"].rstrip("/"))
        if vms is not None:
            filled["vms"] = frozenset(
                name if one is None else _fill(name, one, context) for name in vms
            )
        yield filled, one


def _fill(text: str, one: t.Mapping[str, t.Any], context: Context) -> str:
    def value(match: re.Match[str]) -> str:
        if match[1] == "one_time":
            return context.one_time.get(str(one.get("name")), "")
        if match[1] not in one:
            known = ", ".join(sorted(one))
            raise DocumentError(
                f"{context.name}: {text}: an item has no {match[1]}; it has {known}"
            )
        return str(one[match[1]])

    return _PLACE.sub(value, text)


def _files(item: t.Mapping[str, t.Any], context: Context) -> t.Iterator[Wanted]:
    for fields, one in each(item, context):
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
            extra = {} if one is None else {"item": one}
            content = context.template(kinds["template"], extra).encode()
        elif "content" in kinds:
            content = str(kinds["content"]).encode()
        else:
            content = _read(context, path, context.find(kinds["source"]))
        others = Foreign(**foreign) if foreign else None
        yield Wanted(File(content=content, **fields), language, others)


def _read(context: Context, path: str, source: str) -> bytes:
    try:
        return Path(source).read_bytes()
    except OSError as error:
        raise DocumentError(f"{context.name}: {path}: {source}: {error.strerror}") from error
