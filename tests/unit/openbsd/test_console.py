# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What is shown of a guest's console while it works."""

from __future__ import annotations

from pathlib import Path

import pytest

from openbsd.console import last_line

BOOTING = "booting tftp:bsd.rd:"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"{BOOTING} |\b/\b-\b\\\b|\b", BOOTING),
        # Read between a character and its backspace.
        (f"{BOOTING} |\b/\b-", BOOTING),
        (f"{BOOTING} |\b/\b4026136-\b+1590", f"{BOOTING} 4026136+1590"),
        ("12% |***  | 5 MB\r34% |***** | 9 MB", "34% |***** | 9 MB"),
        ("Which disk is the root disk? [sd0] -", "Which disk is the root disk? [sd0] -"),
        ("\x1b[2Jprobing: pc0 com0|\r\n", "probing: pc0 com0|"),
    ],
)
def test_the_last_line_says_something(tmp_path: Path, text: str, shown: str) -> None:
    log = tmp_path / "console.log"
    log.write_bytes(f"pxeboot\r\n{text}".encode())
    assert last_line(log) == shown
