# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Makes blank disk images, each whole or not at all, and never in place of another one."""

from __future__ import annotations

import typing as t
from pathlib import PurePosixPath

from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.programs import TOOLS
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import Change, Step, run, undo

CREATE_SECONDS: t.Final = 300


def create(title: str, path: str, size: str, image_format: str, change: Change) -> t.Iterator[Step]:
    """Make an image under another name, then rename it; size is as vmctl(8) takes it.

    vmctl(8) create never overwrites, and neither does the renaming.
    """
    place = PurePosixPath(path)
    new = str(place.with_name(f".new-{place.name}"))
    command = [TOOLS["vmctl"], "create", "-s", size, f"{image_format}:{new}"]
    remove = undo("/bin/rm", "-f", new)
    yield run(f"{title}: clear the way", remove["argv"])
    yield run(title, command, timeout=CREATE_SECONDS, undo=[remove], undo_always=True)
    yield Step("rename", title, {"from": new, "path": path}, change=change)
