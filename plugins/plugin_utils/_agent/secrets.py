# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Hides from people what only the server and one VM may know."""

from __future__ import annotations

import re
import typing as t

ONE_TIME_PREFIX: t.Final = "once-"
ONE_TIME_BYTES: t.Final = 16
ONE_TIME_NAME: t.Final = re.compile(f"{ONE_TIME_PREFIX}[0-9a-f]{{{2 * ONE_TIME_BYTES}}}")


def masked(text: str) -> str:
    """Return a text without any one-time path."""
    return ONE_TIME_NAME.sub(f"{ONE_TIME_PREFIX}...", text)
