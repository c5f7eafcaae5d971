# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Steps that write and remove notes, such as those of installations, and other files."""

from __future__ import annotations

import typing as t

from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import (
    Change,
    Step,
    digest,
    run,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.facts import VmFacts
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.machine import Machine


def mark(
    machine: Machine, facts: VmFacts, content: bytes, change: Change | None = None
) -> t.Iterator[Step]:
    """Write the note of an installation. A run that another one overtook stops here."""
    before = facts.marker.sha256 if facts.marker else None
    yield from write(f"{machine.name}: install", machine.load, before, content, change)


def unmark(machine: Machine, facts: VmFacts, change: Change | None = None) -> t.Iterator[Step]:
    """Remove the note of an installation, if it is still the one that was seen."""
    if facts.marker:
        fields = {"path": machine.load, "before": [facts.marker.sha256], "sensitive": True}
        yield Step("remove", f"{machine.name}: install", fields, change=change)


def remove(title: str, *paths: str, change: Change | None = None) -> Step:
    """Remove files, whether or not they are there."""
    return run(title, ["/bin/rm", "-f", *paths], change=change)


def write(
    title: str, path: str, before: str | None, content: bytes, change: Change | None = None
) -> t.Iterator[Step]:
    """Write a note; `before` is the SHA-256 of what is there, None if there is nothing."""
    fields: dict[str, t.Any] = {"path": path, "before": [before], "sensitive": True}
    attributes = {"owner": "root", "group": "wheel", "mode": "0600"}
    yield Step("stage", title, {**fields, **attributes}, content=content)
    yield Step("commit", title, {**fields, "sha256": digest(content)}, change=change)
