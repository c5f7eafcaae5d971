# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Disk images for vmd(8): made blank when they are missing, never changed otherwise."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.answers import stat
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import Change
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.images import create
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.answer import Answer, Questions
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.arguments import (
    Context,
    Options,
    declared,
    list_of,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.file import parent
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.planning import Phase, Planning
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.resource import Simple


@dataclass(frozen=True)
class Image:
    """A disk image; `size` is written as vmctl(8) takes it."""

    path: str
    size: str
    format: str


class Images(Simple[tuple[Image, ...]]):
    """Images, each of which is created completely or not at all."""

    OPTION: t.ClassVar[str] = "images"
    SPEC: t.ClassVar[Options] = list_of(
        {
            "path": {"type": "str", "required": True},
            "size": {"type": "str", "required": True},
            "format": {"type": "str", "required": True, "choices": ["raw", "qcow2"]},
        }
    )

    def desired(self, options: t.Any, context: Context) -> tuple[Image, ...]:
        images = tuple(Image(**declared(item)) for item in options)
        for image in images:
            context.path(image.path)
        return images

    def questions(self, desired: tuple[Image, ...]) -> Questions:
        paths = [path for image in desired for path in (parent(image.path), image.path)]
        return {"paths": [*map(stat, paths)]}

    def plan(self, desired: tuple[Image, ...], facts: Answer, out: Planning) -> None:
        for image in desired:
            seen = facts.paths.get(image.path)
            if seen and seen.type != "file":
                raise out.error(image.path, f"is a {seen.type}; vmd takes only files as images")
            if not seen:
                out.need_parent(image.path)
                change = Change("create image", image.path, f"({image.size}, {image.format})")
                title = out.title(image.path)
                steps = create(title, image.path, image.size, image.format, change)
                out.step(Phase.PREPARE, *steps)
