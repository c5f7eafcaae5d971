# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Site sets, built on the controller from files of the fleet directory.

The set of all VMs is common; a VM's own set comes and goes with its installation.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.puffy.vmm.plugins.module_utils._formats.site_archive import set_name
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import EVERYBODYS, NOBODYS
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.answer import Answer, Questions
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.arguments import (
    Context,
    Options,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.file import File
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.planning import Planning
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.resource import Simple
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.resources.directories import (
    Directories,
    Directory,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._store import site_sets

OPTIONS: t.Final[Options] = {
    "fleet": {"type": "path", "required": True},
    "release": {"type": "str", "required": True},
    "vms": {"type": "list", "elements": "dict", "default": []},
    "template": {"type": "str"},
    "modes": {"type": "dict", "default": {}},
    "listed": {"type": "list", "elements": "str", "default": []},
}


@dataclass(frozen=True)
class Desired:
    """The sets and their list, and the directory, which loses the sets of other VMs."""

    directory: Directory
    files: tuple[File, ...]


class SiteSets(Simple[Desired]):
    """Sets that the installer unpacks last."""

    OPTION: t.ClassVar[str] = "site_sets"
    SPEC: t.ClassVar[Options] = {
        "type": "dict",
        "options": {"directory": {"type": "str", "required": True}, **OPTIONS},
    }

    def desired(self, options: t.Any, context: Context) -> Desired:
        place, release = context.path(options["directory"]), str(options["release"])
        built = site_sets.build(site_sets.recipe(options, context.template))
        owners = {
            set_name(release, str(vm["hostname"])): frozenset({str(vm["name"])})
            for vm in options["vms"]
        } | {site_sets.INDEX: NOBODYS}
        files = tuple(
            File(f"{place}/{name}", content, vms=owners.get(name, EVERYBODYS))
            for name, content in built.items()
        )
        return Desired(Directory(place, purge=site_sets.own_sets(release)), files)

    def questions(self, desired: Desired) -> Questions:
        questions = Directories().questions((desired.directory,))
        questions["paths"] += [{"path": file.path} for file in desired.files]
        return questions

    def plan(self, desired: Desired, facts: Answer, out: Planning) -> None:
        Directories().plan((desired.directory,), facts, out)
        self.review(desired, out)

    def review(self, desired: Desired, out: Planning) -> None:
        for file in desired.files:
            out.file(file)
