# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What a VM has next to its first: interfaces and disks, of which vmd(8) gives it four."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ansible_collections.puffy.vmm.plugins.module_utils._grammar.plain.values import sequence
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Refused

T = TypeVar("T")

# VM_MAX_DISKS_PER_VM and VM_MAX_NICS_PER_VM of usr.sbin/vmd/vmd.h are 4.
MOST_FURTHER = 3


def further(value: object, parse: Callable[[object], T], expected: str) -> tuple[T, ...]:
    """Return the parsed items; there may be none, and two may be the same. Raises Refused."""
    items = sequence(value, parse, expected, distinct=False, empty=True)
    if len(items) > MOST_FURTHER:
        raise Refused(
            f"are {len(items)}; vmd(8) gives a VM at most 4, so list at most {MOST_FURTHER} "
            f"besides the first"
        )
    return items
