# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""A run for some VMs alone: what of a plan would touch anything else."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.puffy.vmm.plugins.module_utils._formats.site_archive import short_name
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.secrets import masked
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import Step
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.blocks import READERS, REST, changed
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.one_time import is_one_time
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.plan import Plan
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.probe import Current
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.site_sets import INDEX

# What a changed file brings with it, and a server that does not serve yet.
_CONSEQUENCES: t.Final = ("reload ", "restart ", "start ", "load ")
# What the collection keeps on a server for itself.
_NOTES: t.Final = "/var/db/puffy.vmm."


@dataclass(frozen=True)
class Only:
    """What belongs to the VMs of a run: their names, and words of which one is in each path."""

    names: frozenset[str]
    words: tuple[str, ...]

    @classmethod
    def of(cls, vms: t.Iterable[t.Mapping[str, t.Any]]) -> Only:
        """What belongs to VMs as the inventory describes them."""
        vms = list(vms)
        words = []
        for vm in vms:
            owner = vm["owner"]
            words += [f"/{vm['mac']}-install.conf", f"/{owner}/.ssh", f"account {owner} "]
            words += [f"{vm['image']['path']} ", "group vmdusers"]
            words.append(f" of {vm['name']} ")
            words += [f"-{short_name(vm['hostname'])}.tgz ", f"/{INDEX} "]
        return cls(frozenset(vm["name"] for vm in vms), tuple(words))


def others(plan: Plan, current: Current, only: Only) -> list[str]:
    """What the plan would change besides, in words; an empty list if nothing."""
    found: list[str] = []
    for step in plan.steps:
        if step.change:
            found.extend(_of_step(step, step.change, current, only))
    return list(dict.fromkeys(map(masked, found)))


def _of_step(step: Step, change: str, current: Current, only: Only) -> t.Iterator[str]:
    path = str(step.fields.get("path", ""))
    if path.startswith(_NOTES) or change.startswith(_CONSEQUENCES):
        return
    # A directory of this run, or an empty one: what is in one has the VM in its name.
    if is_one_time(path.rpartition("/")[2]):
        return
    if path in READERS and step.do == "commit" and step.diff and step.diff.after is not None:
        for name in changed(path, current.read.get(path, b""), step.diff.after):
            if name not in only.names:
                yield f"{name} in {path}" if name != REST else f"what is common in {path}"
        return
    if not any(word in f"{change} " for word in only.words):
        yield change
