# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""From files and variables to the checked fleet."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, date, datetime

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.model import (
    Fleet,
    Inputs,
    build_fleet,
)
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Problem, Problems
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.directory import VMS, FleetTexts


def today() -> date:
    """The day, the same wherever the controller is."""
    return datetime.now(UTC).date()


def build(
    texts: FleetTexts,
    settings: Mapping[str, Mapping[str, object]],
    groups: Collection[str],
    hosts: Collection[str],
    problems: Iterable[Problem] = (),
) -> Fleet:
    """Build the fleet from its files and the settings of the servers.

    groups are the inventory's groups, hosts its hosts that are neither servers nor VMs; problems
    are those known already. Raises Problems with all problems.
    """
    found = [*texts.problems, *problems, *_clashes(texts, hosts)]
    reported = {(problem.source, problem.field) for problem in found}
    try:
        fleet = build_fleet(Inputs(texts.vms, texts.ledgers, settings, groups, today(), texts.seen))
    except Problems as more:
        # What could not even be read is missing for the model: one problem, not two.
        found += (each for each in more.problems if (each.source, each.field) not in reported)
        raise Problems(found) from None
    if found:
        raise Problems(found)
    return fleet


def _clashes(texts: FleetTexts, hosts: Collection[str]) -> Iterable[Problem]:
    for file in texts.vms:
        name = file.removesuffix(".yml")
        if name in hosts:
            yield Problem(
                f"{VMS}/{file}",
                "name",
                f"{name!r} is a host of the inventory already; a VM needs a name of its own",
            )
