# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Statements where lines, comments and backslashes meet, as the daemons' lexers have it."""

from __future__ import annotations

import pytest
from ansible_collections.puffy.vmm.plugins.module_utils._formats.blocks import comments, statements


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("# off \\\nlisten\nroot", [("root",)]),
        ("log # off \\\nlisten\nroot", [("log",), ("root",)]),
        ("# C:\\\\\nlisten", [("listen",)]),
        ("# a\\b\nlisten", [("listen",)]),
        ("listen # off \\", [("listen",)]),
    ],
)
def test_a_comment_ends_with_its_line_unless_a_backslash_continues_it(
    text: str, words: list[tuple[str, ...]]
) -> None:
    assert [row.words for row in statements(text, lines=True)] == words


def test_a_comment_of_dhcpd_conf_always_ends_with_its_line() -> None:
    (row,) = statements("# off \\\nauthoritative;", lines=False)
    assert row.words == ("authoritative",)


def test_lines_are_counted_in_comments_too() -> None:
    assert list(comments("# a \\\nb\n\n# c\n", lines=True)) == [(1, "# a \\\nb"), (4, "# c")]
