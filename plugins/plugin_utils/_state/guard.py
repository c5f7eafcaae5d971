# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What of a plan would touch anything else than the VMs that a run is for."""

from __future__ import annotations

import typing as t

from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.secrets import masked
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import (
    COMMON,
    EVERYBODYS,
    Change,
)


def others(changes: t.Iterable[Change], names: t.Collection[str]) -> list[str]:
    """Return what the changes touch besides VMs of these names, in words."""
    touched: list[str] = []
    for change in changes:
        if change.consequence:
            continue
        if change.vms == EVERYBODYS:
            touched.append(str(change))
        elif change.joint:
            if change.vms and change.vms.isdisjoint(names):
                touched.append(f"{change} (of {', '.join(sorted(change.vms))})")
        else:
            for name in sorted(change.vms - frozenset(names)):
                whose = "what is common" if name == COMMON else name
                touched.append(f"{whose} in {change.subject}")
    return list(dict.fromkeys(map(masked, touched)))
