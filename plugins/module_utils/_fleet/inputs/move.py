# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The journal of a VM's moves: the one that is under way, and images that earlier ones left."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ansible_collections.puffy.vmm.plugins.module_utils._grammar.images import recorded_image
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.plain.values import (
    as_text,
    boolean,
    matching,
    record,
    sequence,
)
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.plain.yaml_text import load
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Report, shown_name

DIRECTORY = "moves"
SUFFIX = ".yml"
LONGEST_FILE = 256 * 1024

_ABOUT = (
    "# Written by puffy.vmm. under_way: a move that is not finished; the command that began it",
    "# continues it. left: images that finished moves left on servers, until they are purged.",
    "---",
)


@dataclass(frozen=True)
class Image:
    """Paths of an image of a VM: on the server that it leaves, and on the one that it moves to.

    On the first, source is its path before the move and kept its path afterwards; on the second,
    arriving is its path until it is complete and verified, and place its path from then on.
    """

    source: str
    kept: str
    arriving: str
    place: str


@dataclass(frozen=True)
class UnderWay:
    """A move: the servers, when it began (as in the names of kept images), and who moves the VM.

    ran says whether the VM was running when it was stopped for this.
    """

    source: str
    to: str
    stamp: str
    by: str
    ran: bool
    images: tuple[Image, ...]


@dataclass(frozen=True)
class Left:
    """What a finished move left on a server: paths of images."""

    server: str
    stamp: str
    images: tuple[str, ...]


@dataclass(frozen=True)
class Moves:
    """The journal of one VM."""

    vm: str
    under_way: UnderWay | None = None
    left: tuple[Left, ...] = ()

    def render(self) -> str:
        """Return the file's text, which read_moves() takes."""
        lines = [*_ABOUT]
        if self.under_way:
            lines.append(f"under_way: {json.dumps(asdict(self.under_way))}")
        if self.left:
            lines.append("left:")
            lines += [f"  - {json.dumps(asdict(left))}" for left in self.left]
        return "\n".join(lines) + "\n"


def source(vm: str) -> str:
    """Return how problems name the journal of a VM."""
    return f"{DIRECTORY}/{shown_name(vm)}{SUFFIX}"


def read_moves(vm: str, text: str, report: Report) -> Moves | None:
    """Return the journal in a text, None where the report says what is wrong with it."""
    before = len(report.problems)
    where = source(vm)
    document = load(text, where, LONGEST_FILE)
    report.extend(document.problems)
    values: dict[str, Any] = {}
    for name, value in document.fields.items():
        parse = _FIELDS.get(name)
        if parse is None:
            report.add(where, shown_name(name), f"is not a field; there are {', '.join(_FIELDS)}")
        else:
            values[name] = report.attempt(where, name, parse, value)
    return Moves(vm, **values) if len(report.problems) == before else None


def moves_of(texts: Mapping[str, str | None], vm: str, report: Report) -> Moves:
    """Return a VM's journal among the texts of all, by file; an empty one where there is none."""
    if (file := f"{vm}{SUFFIX}") not in texts:
        return Moves(vm)
    return read_moves(vm, texts[file] or "", report) or Moves(vm)


def _stamp(value: object) -> str:
    return matching(value, "[0-9]{8}T[0-9]{6}", "is not a time; use one such as 20261129T120000")


def _image(value: object) -> Image:
    parsers = dict.fromkeys(("source", "kept", "arriving", "place"), recorded_image)
    return Image(**record(value, parsers, "{source: /var/vmm/web1.img, ...}", required=parsers))


def _under_way(value: object) -> UnderWay:
    parsers = {
        "source": as_text,
        "to": as_text,
        "stamp": _stamp,
        "by": as_text,
        "ran": boolean,
        "images": lambda images: sequence(images, _image, "images"),
    }
    return UnderWay(**record(value, parsers, "{source: server1, to: server2, ...}", parsers))


def _left(value: object) -> Left:
    parsers = {
        "server": as_text,
        "stamp": _stamp,
        "images": lambda paths: sequence(paths, recorded_image, "paths"),
    }
    return Left(**record(value, parsers, "{server: server1, ...}", required=parsers))


_FIELDS = {
    "under_way": _under_way,
    "left": lambda value: sequence(value, _left, "what moves left"),
}
