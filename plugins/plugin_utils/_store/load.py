# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""From files and variables to the checked fleet."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.inventory_copy import (
    Inventory,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.vm import source, vm_of
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.model import (
    Fleet,
    Inputs,
    build_fleet,
)
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Problem
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.plain import plain
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.server_variables import (
    TAKEN,
    accounts_of,
    settings_of,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.directory import FleetTexts

# The group of all VMs.
ALL_VMS = "vms"

HOST_ALREADY = "is a host of the inventory already; a VM needs a name of its own"


def today() -> date:
    """Return the day in UTC, the same wherever the controller is."""
    return datetime.now(UTC).date()


def build(
    texts: FleetTexts,
    settings: Mapping[str, Mapping[str, object]],
    groups: Collection[str],
    taken: Mapping[str, str],
    accounts: Mapping[str, Mapping[str, str]],
    problems: Iterable[Problem] = (),
    arriving: Collection[str] = (),
) -> Fleet:
    """Build the fleet from its files and the settings of the servers.

    groups are the inventory's groups; taken has names that no VM can have, each with the reason;
    accounts are those of each server that do not belong to owners; problems are known already;
    arriving are VMs that come from another server.
    """
    known = [*texts.problems, *problems]
    for file in texts.vms:
        name = vm_of(file)
        if name in taken:
            text = f"{name!r} {taken[name]}"
            known.append(Problem(source(name), "name", text, frozenset([name])))
    inputs = Inputs(
        texts.vms,
        texts.ledgers,
        settings,
        groups,
        today(),
        texts.seen,
        texts.orders,
        accounts,
        texts.kept,
        known,
        texts.moves,
        arriving,
    )
    fleet = build_fleet(inputs)
    return replace(fleet, warnings=tuple(sorted({*texts.warnings, *fleet.warnings})))


@dataclass(frozen=True)
class TaskInventory:
    """What a task knows about the inventory, for build(), and what the fleet directory keeps."""

    kept: Inventory
    groups: Collection[str]
    taken: Mapping[str, str]
    problems: Sequence[Problem]

    def build(self, texts: FleetTexts, arriving: Collection[str] = ()) -> Fleet:
        settings, accounts = self.kept.settings, self.kept.accounts
        return build(texts, settings, self.groups, self.taken, accounts, self.problems, arriving)


def inventory_of_task(
    groups: Mapping[str, list[str]], servers: Mapping[str, Mapping[str, Any]]
) -> TaskInventory:
    """Return what a task knows; servers maps the names of servers to their variables."""
    settings: dict[str, Mapping[str, object]] = {}
    problems: list[Problem] = []
    others = set(groups["all"]) - servers.keys() - set(groups.get(ALL_VMS, ()))
    taken: dict[str, str] = dict.fromkeys(others, HOST_ALREADY)
    names = frozenset({*others, *servers, *groups, ALL_VMS})
    for name, variables in sorted(servers.items()):
        settings[name], unusable = settings_of(name, variables)
        problems += unusable
        taken |= plain(variables.get(TAKEN) or {})
    accounts = {name: accounts_of(variables) for name, variables in servers.items()}
    kept = Inventory(settings, accounts, names)
    return TaskInventory(kept, {*groups, ALL_VMS}, taken, problems)
