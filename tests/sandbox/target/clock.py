# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The server's clock: real time, with waits that a test or the demo can shorten."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True)
class Clock:
    """``speed`` divides every modelled wait: 10 makes an install of 60 seconds take 6."""

    speed: float = float(os.environ.get("SANDBOX_SPEED", "1"))

    def now(self) -> datetime:
        """The time of day, in UTC, as the server's own zone is UTC."""
        return datetime.now(UTC)

    def real(self, seconds: float) -> float:
        """Real seconds that a modelled wait takes."""
        return seconds / self.speed
