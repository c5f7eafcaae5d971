# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The difference between what is wanted of a server and what is there, as steps in order."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from ansible_collections.puffy.vmm.plugins.plugin_utils import (
    _plan_accounts,
    _plan_files,
    _plan_needs,
    _plan_network,
    _plan_pf,
    _plan_services,
    _plan_vmd,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._current import Current
from ansible_collections.puffy.vmm.plugins.plugin_utils._document import TOOLS, Document
from ansible_collections.puffy.vmm.plugins.plugin_utils._one_time import masked
from ansible_collections.puffy.vmm.plugins.plugin_utils._steps import (
    FileDiff,
    PlanError,
    Step,
    run,
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
        _plan_needs.vmm(document, current)
        steps.extend(_plan_needs.firmware(document, current))
    for document in documents:
        steps.extend(_document(document, current))
    return Plan(tuple(steps))


def _document(document: Document, current: Current) -> list[Step]:
    _need_interfaces(document, current)
    document = replace(document, services=_plan_needs.services(document, current))
    steps = [
        *_plan_accounts.groups(document, current),
        *_plan_accounts.accounts(document, current),
        *_plan_files.directories(document, current),
        *_plan_files.images(document, current),
        *_plan_files.devices(document, current),
    ]
    items = [
        *document.files,
        *_plan_files.line_edits(document, current),
        *_plan_vmd.files(document, current),
        *_plan_network.files(document, current),
        *_plan_accounts.roster(document, current),
    ]
    stages, commits = _plan_files.files(document, items, current)
    # These change nothing that a service would have to read again.
    records = _plan_files.files(document, _plan_services.runfiles(document, current), current)
    purges = list(_plan_files.purges(document, current, {item.path for item in items}))
    # Rules first: what a flag of an interface shows to pf(4) must find them.
    kernel = [*_plan_pf.steps(document, current), *_plan_network.steps(document, current)]
    kernel += _plan_services.sysctls(document, current)
    services = list(_plan_services.services(document, current, files_changed=bool(commits)))
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
