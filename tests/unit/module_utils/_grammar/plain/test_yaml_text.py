# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

import pytest
import yaml
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.plain.yaml_text import (
    Document,
    Text,
    load,
)
from hypothesis import given
from hypothesis import strategies as st

LIMIT = 10_000


@pytest.fixture(params=["libyaml", "python"], autouse=True)
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run each test with libyaml and with the parser in Python: both must say the same."""
    if request.param == "python":
        monkeypatch.delattr(yaml, "CSafeLoader")
    return str(request.param)


def read(text: str) -> Document:
    return load(text, "vms/web1.yml", LIMIT)


def complaints(text: str) -> list[str]:
    return [str(problem) for problem in read(text).problems]


@pytest.mark.parametrize(
    "scalar",
    ["12:34:56:11:22:33", "010", "0x1F", "1e3", "1_000", "no", "~", "2026-01-02", ".inf", "-x*"],
)
def test_a_scalar_stays_as_it_was_written(scalar: str) -> None:
    fields = dict[str, object](read(f"field: {scalar}\nlist: [{scalar}]\n").fields)
    assert fields == {"field": scalar, "list": [scalar]}


def test_a_scalar_knows_its_line_and_its_quotes() -> None:
    fields = read("a: no\nb: 'no'\nc: |\n  no\n").fields
    result = {name: value for name, value in fields.items() if isinstance(value, Text)}
    assert {name: (text.line, text.quoted) for name, text in result.items()} == {
        "a": (1, False),
        "b": (2, True),
        "c": (3, True),
    }


def test_nested_data_and_both_line_ends() -> None:
    document = read("\ufeff---\r\na:\r\n  b: [1, {c: d}]\r\n  e:\r\n    - f\r\n...\r\n")
    assert dict[str, object](document.fields) == {"a": {"b": ["1", {"c": "d"}], "e": ["f"]}}
    assert not document.problems


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "memory: 1G\nowner: puffy\nmemory: 2G\n",
            "line 3: memory is given again, first in line 1; keep one of them",
        ),
        (
            "a:\n  b: 1\n  b: 2\n",
            "line 3: b is given again, first in line 2; keep one of them",
        ),
        (
            "a: &anchor 1\n",
            "line 1: the anchor &anchor is not allowed; a file here is plain data, put the value "
            "in quotes if it begins with &",
        ),
        (
            "a: *anchor\n",
            "line 1: the alias *anchor is not allowed; write the value out, or put it in quotes if "
            "it begins with *",
        ),
        (
            "a:\n  - !!python/object/apply:os.system [id]\n",
            "line 2: the tag 'tag:yaml.org,2002:python/object/apply:os.system' is not allowed; a "
            "file here is plain data, put the value in quotes if it begins with !",
        ),
        (
            "a: !vault x\n",
            "line 1: the tag '!vault' is not allowed; a file here is plain data, put the value in "
            "quotes if it begins with !",
        ),
        (
            "<<: {a: 1}\n",
            "line 1: the merge key << is not allowed; write the values out",
        ),
        ("? [a, b]\n: 1\n", "line 1: a field's name must be text, not a list or a mapping"),
        (
            "%YAML 1.1\n---\na: 1\n",
            "line 1: a % directive is not allowed; a file here is plain data",
        ),
        ("a: 1\n---\nb: 2\n", "line 2: a second document begins here; one file holds one"),
        ("- a\n", "line 1: write lines of the form 'field: value' here"),
        ("# nothing\n\njust text\n", "line 3: write lines of the form 'field: value' here"),
        ("# nothing\n", "line 1: the file is empty; write lines of the form 'field: value'"),
        ("a: " + 20 * "[", "line 1: more than 8 levels deep; no such file is"),
        (
            "a: 1\nb: \x00\n",
            "line 2: the character U+0000 is not allowed in this file; take it out",
        ),
        (
            "a: 1\nb: \x1b[2J\n",
            "line 2: the character U+001B is not allowed in this file; take it out",
        ),
        ("a: \u202eb\n", "line 1: the character U+202E is not allowed in this file; take it out"),
        (
            "a: b\u2028c: d\n",
            "line 1: the character U+2028 is not allowed in this file; take it out",
        ),
        ("a: \ufeff\n", "line 1: the character U+FEFF is not allowed in this file; take it out"),
        ("a: \ud800\n", "line 1: the character U+D800 is not allowed in this file; take it out"),
        ('a: "\\u202e"\n', "line 1: the character U+202E is not allowed in this file; take it out"),
        ('a: "\\0"\n', "line 1: the character U+0000 is not allowed in this file; take it out"),
        ("a: 1\n<<<<<<< HEAD\nb: 1\n", "line 2: git left <<<<<<< here; finish the merge first"),
        ("a: " + LIMIT * "x", "is longer than 10000 characters, which no such file needs"),
    ],
)
def test_what_is_no_plain_data_is_named_with_its_line(text: str, complaint: str) -> None:
    assert complaints(text) == [f"vms/web1.yml: {complaint}"]


@pytest.mark.parametrize(
    ("text", "start", "hint"),
    [
        (
            "note: see: this\n",
            "line 1: is not YAML: mapping",
            "put a value that has ': ' in it in quotes",
        ),
        ("a: 1\nnote: @home\n", "line 2: is not YAML: found", "begins with % @ or ` in quotes"),
        ("a:\n\tb: 1\n", "line 2: is not YAML: found", "indent with blanks instead of tabs"),
        ("a: 'b\nc: d\n", "line 1: is not YAML: found", "a closing quote is missing"),
        ("sets: [*]\n", "line 1: is not YAML: ", "put a value that begins with * in quotes"),
        ("a: & b\n", "line 1: is not YAML: ", "put a value that begins with & in quotes"),
        ("a: [b\n", "line 2: is not YAML: ", ""),
        ('a: "\\UFFFFFFFF"\n', "line 1: is not YAML: ", ""),
    ],
)
def test_broken_yaml_gets_a_hint(text: str, start: str, hint: str) -> None:
    (complaint,) = complaints(text)
    assert complaint.startswith(f"vms/web1.yml: {start}")
    assert hint in complaint


def test_what_is_wrong_in_one_field_leaves_the_others() -> None:
    document = read("a: &x 1\nb: 2\nc: [*x]\nd: 3\nd: 4\n")
    assert document.fields == {"b": "2", "c": [], "d": "3"}
    assert document.spoiled == {"a", "c", "d"}
    assert document.complete


def test_what_stands_before_broken_yaml_is_kept() -> None:
    document = read("a: 1\nb: 'x\n")
    assert document.fields == {"a": "1"}
    assert not document.complete


@given(st.text())
def test_any_text_gives_data_or_problems(text: str) -> None:
    document = read(text)
    assert document.fields or document.problems or text.strip()


PIECES = st.sampled_from(
    ["a", ": ", "\n", "- ", "[", "]", "{", "}", ", ", "&x ", "*x", "!t ", "'", '"', "|", ">", "? "]
    + [
        "#",
        "%",
        "---",
        "...",
        "<<",
        "\t",
        " ",
        "\\",
        "\r",
        "0",
        "@",
        "`",
        "\x85",
        "\u2029",
        "\\x00",
    ]
)


@given(st.lists(PIECES, max_size=40).map("".join))
def test_any_heap_of_yaml_gives_data_or_problems(text: str) -> None:
    document = read(text)
    assert document.complete or document.problems
