# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The line on /etc/motd that announces an upgrade to owners."""

from __future__ import annotations

import typing as t

_MARK: t.Final = "puffy.vmm: "


def with_notice(motd: str, text: str) -> str:
    """Return /etc/motd with this line and without an earlier one; "" only removes that.

    rc(8) keeps what follows the first empty line, so there has to be an empty line.
    """
    lines = motd.splitlines(keepends=True)
    kept = "".join(line for line in lines if not line.startswith(_MARK))
    if not text:
        return kept
    gap = "" if kept.endswith("\n") or not kept else "\n"
    empty = "" if "\n\n" in kept or kept.startswith("\n") else "\n"
    return f"{kept}{gap}{empty}{_MARK}{text}\n"
