# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What is written says what was meant to Ansible, and to the reader of VM files."""

from __future__ import annotations

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.puffy.vmm.plugins.module_utils._formats.blocks import (
    Unreadable,
    statements,
    without,
)
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.plain.yaml_text import load
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.look.draft import render
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.plain import plain
from hypothesis import example, given, settings
from hypothesis import strategies as st

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
VALUES = st.recursive(
    TEXTS | st.booleans() | st.integers(-5, 1 << 40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
ASCII = st.text(st.characters(codec="ascii", exclude_categories=["C"]), max_size=60)
NAMES = st.from_regex("vmm_[a-z_]{1,9}", fullmatch=True)


@settings(deadline=None)
@given(st.dictionaries(NAMES, VALUES, min_size=1, max_size=4))
@example({"a": "{{ lookup('pipe', 'id') }}\n{% x %}"})
@example({"a": ["{{ 1 + 1 }}", "#jinja2: variable_start_string: x"], "b": {"c": "{# #}"}})
@example(
    {"a": "\tb\n  c", "b": "yes", "c": "12:30:45", "d": "a: b # c", "e": "|", "f": "", "g": "b\n"}
)
def test_ansible_reads_what_was_written(values: dict[str, object]) -> None:
    loader = DataLoader()
    read = loader.load(render(values))
    assert plain(read) == values
    # Nothing of it is a template, whatever it looks like.
    assert plain(Templar(loader=loader, variables={}).template(read)) == values


@settings(deadline=None)
@given(st.dictionaries(NAMES, ASCII, min_size=1))
def test_a_vm_file_says_it_too(values: dict[str, str]) -> None:
    assert dict(load(render(values, unsafe=False), "x", 1 << 20).fields) == values


@given(text=st.text("ab{}\"'#\\\n; \t", max_size=40), lines=st.booleans())
@example(text="\\\n", lines=False)
def test_statements_lie_where_they_are_said_to(text: str, lines: bool) -> None:
    try:
        rows = statements(text, lines=lines)
    except Unreadable as error:
        assert str(error).startswith("line ")
        return
    for row in rows:
        assert row.begin < row.end <= len(text)
        assert text[: row.begin].count("\n") + 1 == row.line
    # Without all of them, nothing is left but comments.
    assert statements(without(text, rows), lines=lines) == ()


def test_braces_that_do_not_match() -> None:
    for text, why in (("a {\n", "line 1: a '{' is never closed"), ("}", "closes nothing"),
                      ("{" * 40 + "}" * 40, "more than 16 blocks")):  # fmt: skip
        with pytest.raises(Unreadable, match=why):
            statements(text, lines=True)


def test_an_apostrophe_opens_no_string_in_dhcpd_conf() -> None:
    # conflex.c of dhcpd(8) knows double quotes alone.
    (row,) = statements("server-name o'brien, b;", lines=False)
    assert row.words == ("server-name", "o'brien", "b")
