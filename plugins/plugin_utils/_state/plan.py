# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The difference between what is wanted of a server and what is there, as steps in order."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.programs import TOOLS
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.secrets import masked
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import (
    FileDiff,
    PlanError,
    Step,
    run,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.document import Document
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.probe import Current
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.resources import (
    accounts,
    files,
    links,
    needs,
    pf,
    vm_conf,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.resources import (
    services as plan_services,
)


@dataclass(frozen=True)
class Plan:
    """Steps in the order in which they are carried out."""

    steps: tuple[Step, ...] = ()

    @property
    def changes(self) -> tuple[str, ...]:
        """What the steps do, a line each, for people."""
        return tuple(masked(step.change) for step in self.steps if step.change)

    @property
    def diffs(self) -> tuple[FileDiff, ...]:
        return tuple(step.diff for step in self.steps if step.diff)


def plan(documents: t.Sequence[Document], current: Current) -> Plan:
    """Steps that bring a server from `current` to what the documents want; none if it is there.

    Raises PlanError for what cannot be had on this server.
    """
    if current.system != "OpenBSD":
        raise PlanError(f"the server runs {current.system or 'an unknown system'}, not OpenBSD")
    steps: list[Step] = []
    for document in documents:
        needs.vmm(document, current)
        steps.extend(needs.firmware(document, current))
    for document in documents:
        steps.extend(_document(document, current))
    return Plan(tuple(steps))


def _document(document: Document, current: Current) -> list[Step]:
    _need_interfaces(document, current)
    document = replace(document, services=needs.services(document, current))
    steps = [
        *accounts.groups(document, current),
        *accounts.accounts(document, current),
        *files.directories(document, current),
        *files.images(document, current),
        *files.devices(document, current),
    ]
    items = [
        *document.files,
        *files.line_edits(document, current),
        *vm_conf.files(document, current),
        *links.files(document, current),
        *accounts.roster(document, current),
    ]
    stages, commits = files.files(document, items, current)
    # These change nothing that a service would have to read again.
    records = files.files(document, plan_services.runfiles(document, current), current)
    purges = list(files.purges(document, current, {item.path for item in items}))
    # Rules first: what a flag of an interface shows to pf(4) must find them.
    kernel = [*pf.steps(document, current), *links.steps(document, current)]
    kernel += plan_services.sysctls(document, current)
    services = list(plan_services.services(document, current, files_changed=bool(commits)))
    if services:
        services = [*_still_there(document), *services]
    return [*steps, *stages, *records[0], *purges, *commits, *records[1], *kernel, *services]


def _need_interfaces(document: Document, current: Current) -> None:
    missing = [name for name in document.interfaces if name not in current.interfaces]
    if missing:
        raise PlanError(
            f"{document.name}: there is no interface {missing[0]} on this server; create it first "
            "(hostname.if(5), netstart(8)); vmd(8) exits, and every VM with it, when the interface "
            "of a switch is missing"
        )


def _still_there(document: Document) -> t.Iterator[Step]:
    for name in document.interfaces:
        title = f"{document.name}: interface {name} is gone, and without it vmd would exit"
        yield run(title, [TOOLS["ifconfig"], name], timeout=30)
