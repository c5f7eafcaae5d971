# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What a server's own files have that this collection did not write, and would take away.

What it wrote is noted on the server, a line for each: the path, a tab, and the element. A file that
has an element which is neither in its new content nor in the notes belongs to somebody.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.puffy.vmm.plugins.module_utils._formats.elements import LANGUAGES, elements
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.arguments import Options
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.file import File
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.planning import Planning

WRITTEN: t.Final = "/var/db/puffy.vmm.written"
_HEADER: t.Final = "# Written by puffy.vmm"


FOREIGN: t.Final[Options] = {
    "type": "dict",
    "options": {
        "language": {"type": "str", "choices": list(LANGUAGES), "required": True},
        "advice": {"type": "str", "required": True},
        "drop": {"type": "bool", "default": False},
        "adopted": {"type": "list", "elements": "str", "default": []},
    },
}


@dataclass(frozen=True)
class Foreign:
    """How to find what others have in a file, what to do about it, whether it may be dropped.

    adopted are elements that the fleet has taken over in other words.
    """

    language: str
    advice: str
    drop: bool = False
    adopted: t.Sequence[str] = ()

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
            own=(*own, *self.adopted),
        )
        out.ours |= is_ours(old)


def questions() -> list[dict[str, t.Any]]:
    """Paths for the probe."""
    return [{"path": "/var/db", "hash": 0}, {"path": WRITTEN, "read": 1}]


def keep_or_refuse(
    out: Planning,
    subject: str,
    old: t.Sequence[str],
    new: t.Sequence[str],
    *,
    drop: bool,
    advice: str,
    ours: bool = False,
    own: t.Collection[str] = (),
) -> None:
    """Raises PlanError for elements of others that would be dropped, unless they may be.

    `old` and `new` are what the file has and will have; `ours` says that all of a file without
    notes is known to be this collection's, `own` are elements that are, whoever wrote them. Notes
    what the file has from now on.
    """
    notes = _notes(out)
    known = {element for path, element in notes if path == subject}
    if not known and ours:
        known = set(old)
    known |= set(own)
    foreign = [element for element in old if element not in new and element not in known]
    if foreign and not drop:
        raise out.error(
            subject,
            f"has what puffy.vmm did not write and would take away: {', '.join(foreign)}; "
            f"{advice}, or take it away with -e foreign=drop",
        )
    for element in foreign:
        out.warn(subject, f"{element} is taken away")
    _write(out, notes, subject, new)


def is_ours(text: str) -> bool:
    """Whether a file begins as all do that this collection writes whole."""
    return text.startswith(_HEADER)


def _notes(out: Planning) -> list[tuple[str, str]]:
    lines = out.text(WRITTEN).splitlines()
    return [
        (path, element) for path, tab, element in (line.partition("\t") for line in lines) if tab
    ]


def _write(
    out: Planning, notes: list[tuple[str, str]], subject: str, elements: t.Iterable[str]
) -> None:
    kept = [(path, element) for path, element in notes if path != subject]
    lines = sorted({*kept, *((subject, element) for element in elements)})
    text = "".join(f"{path}\t{element}\n" for path, element in lines)
    out.edit(WRITTEN, text, new_mode="0600", internal=True, quiet=True)
