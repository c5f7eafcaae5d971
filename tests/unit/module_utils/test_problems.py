# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""How texts of others are shown."""

from __future__ import annotations

import pytest
from ansible_collections.puffy.vmm.plugins.module_utils._problems import shown_text

TEXTS = {
    "a line\n\twith a tab\n": "a line\n\twith a tab\n",
    "Grüße, привет, 你好 – «quotes»": "Grüße, привет, 你好 – «quotes»",
    "\x1b[2J\x1b]0;title\x07": r"\x1b[2J\x1b]0;title\x07",
    "over\rwritten\r\n": r"over\rwritten\r" + "\n",
    "\x9b31m C1": r"\x9b31m C1",
    "\x00\x08\x7f": r"\x00\x08\x7f",
    "abc\u202edcba\u2066\u200b": r"abc\u202edcba\u2066\u200b",
    "two\u2028lines": r"two\u2028lines",
    "\udcff": r"\udcff",
    "\U000e0041": r"\U000e0041",
}


@pytest.mark.parametrize("text", TEXTS)
def test_shown_text(text: str) -> None:
    assert shown_text(text) == TEXTS[text]
