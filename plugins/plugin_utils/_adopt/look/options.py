# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What the operator says in addition to what a server shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.read.flat_files import Record


@dataclass(frozen=True)
class Options:
    """owner and keys are for VMs without an owner, at is the time of installation to record.

    records are of an operator's own text files, by the VM's name. known are the settings that the
    inventory has of the server. without has the names of VMs that stay out of the fleet, and why.
    """

    server: str
    at: datetime
    owner: str | None = None
    keys: tuple[str, ...] = ()
    records: Mapping[str, Record] = field(default_factory=dict)
    known: Mapping[str, object] = field(default_factory=dict)
    without: Mapping[str, str] = field(default_factory=dict)
