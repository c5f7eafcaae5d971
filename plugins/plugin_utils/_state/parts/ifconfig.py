# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Commands of ifconfig(8) as steps, each with the commands that undo it."""

from __future__ import annotations

import typing as t

from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.programs import TOOLS
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import Change, Step, run, undo

IFCONFIG: t.Final = TOOLS["ifconfig"]
_SECONDS: t.Final = 30


def ifconfig(
    title: str,
    name: str,
    words: t.Iterable[str],
    *back: t.Iterable[str],
    change: Change | None = None,
    **fields: t.Any,
) -> Step:
    """Return the step for an interface; `fields` are further ones of the commands that undo it."""
    way_back = undoing(name, *back, **fields)
    return run(title, [IFCONFIG, name, *words], change=change, undo=way_back, timeout=_SECONDS)


def undoing(name: str, *back: t.Iterable[str], **fields: t.Any) -> list[dict[str, t.Any]]:
    """Return what a step for an interface is undone by, in this order."""
    return [{**undo(IFCONFIG, name, *old, timeout=_SECONDS), **fields} for old in back]
