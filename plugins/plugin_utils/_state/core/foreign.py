# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What files of a server have that this collection did not write and would remove.

What it wrote is noted on the server, a line for each element: the path, a tab, and the element. An
element of a file that is neither in its new content nor in the notes belongs to somebody else.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.puffy.vmm.plugins.module_utils._formats.elements import LANGUAGES, elements
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.arguments import Options
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.file import File, edited
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
    """How to find what others have in a file, what to do about it, and whether it may be removed.

    `adopted` are elements that the fleet has taken over in other words.
    """

    language: str
    advice: str
    drop: bool = False
    adopted: t.Sequence[str] = ()

    def review(self, file: File, out: Planning, own: t.Collection[str] = ()) -> None:
        """Refuse to remove what others have (PlanError); `own` are elements of nobody else."""
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
    """Ask for the notes."""
    return edited([WRITTEN])


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
    """Refuse to remove elements of others (PlanError), unless they may be dropped.

    `old` and `new` are what the file has and will have; with `ours`, all of a file without notes is
    this collection's; `own` are elements that are, whoever wrote them. What the file has from now
    on is noted.
    """
    lines = (line.partition("\t") for line in out.text(WRITTEN).splitlines())
    notes = {(path, element) for path, tab, element in lines if tab}
    noted = {element for path, element in notes if path == subject}
    if not noted and ours:
        noted = set(old)
    known = {*new, *noted, *own}
    foreign = [element for element in old if element not in known]
    if foreign and not drop:
        raise out.error(
            subject,
            f"has what puffy.vmm did not write and would take away: {', '.join(foreign)}; "
            f"{advice}, or take it away with -e foreign=drop",
        )
    for element in foreign:
        out.warn(subject, f"{element} is taken away")
    kept = {(path, element) for path, element in notes if path != subject}
    text = "".join(
        f"{path}\t{element}\n"
        for path, element in sorted(kept | {(subject, element) for element in new})
    )
    out.edit(WRITTEN, text, new_mode="0600", internal=True, quiet=True)


def is_ours(text: str) -> bool:
    """Return whether a file begins like all that this collection writes completely."""
    return text.startswith(_HEADER)
