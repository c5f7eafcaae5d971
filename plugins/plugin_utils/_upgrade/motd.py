# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The line on /etc/motd that tells owners of an upgrade."""

from __future__ import annotations

import typing as t

_MARK: t.Final = "puffy.vmm: "


def with_notice(motd: str, text: str) -> str:
    """The text of /etc/motd with this line, and without an earlier one; "" for none.

    rc(8) keeps what comes from the first empty line on, so there is one.
    """
    lines = motd.splitlines(keepends=True)
    kept = "".join(line for line in lines if not line.startswith(_MARK))
    if not text:
        return kept
    gap = "" if kept.endswith("\n") or not kept else "\n"
    empty = "" if "\n\n" in kept or kept.startswith("\n") else "\n"
    return f"{kept}{gap}{empty}{_MARK}{text}\n"
