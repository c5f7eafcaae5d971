# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Single lines in files of others."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import EVERYBODYS
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.arguments import DocumentError
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.text.lines import (
    Line,
    add_line,
    set_line,
)
from unit.plugin_utils._state.servers import (
    Content,
    Server,
    change,
    changes,
    plan_on,
    staged,
    steps,
    wants,
)

RC: dict[str, t.Any] = {"path": "/etc/rc.local", "line": "run this"}


def test_a_line_of_a_script_that_is_not_there_yet() -> None:
    made = plan_on(wants(lines=[RC]))
    assert changes(made) == ["create /etc/rc.local"]
    assert steps(made) == ["stage /etc/rc.local", "commit /etc/rc.local"]
    assert staged(made) == {"/etc/rc.local": "run this\n"}
    assert change(made, "create").vms == EVERYBODYS


def test_a_line_that_is_there() -> None:
    server = Server({"/etc/rc.local": Content(b"run this\n", "0600")})
    assert plan_on(wants(lines=[RC]), server).steps == ()


def test_all_else_of_the_file_stays_and_its_attributes_too() -> None:
    server = Server({"/etc/rc.local": Content(b"caf\xe9\nexit 0\n", "0755", "operator")})
    (stage, _commit) = plan_on(wants(lines=[RC]), server).steps
    assert stage.content == b"caf\xe9\nrun this\nexit 0\n"
    assert (stage.fields["mode"], stage.fields["owner"]) == ("0755", "operator")


def test_several_lines_of_one_file_are_one_change() -> None:
    made = plan_on(wants(lines=[RC, {**RC, "line": "and that"}]))
    assert staged(made) == {"/etc/rc.local": "run this\nand that\n"}


def test_a_path_that_is_not_safe() -> None:
    with pytest.raises(DocumentError, match="is not a valid path"):
        wants(lines=[{**RC, "path": "rc.local"}])


LINES = {
    "": "key=1\n",
    "# comment\nother=2": "# comment\nother=2\nkey=1\n",
    "key=0\nother=2\n": "key=1\nother=2\n",
    "key=0": "key=1",
    "key=3\nkey=0\n": "key=3\nkey=1\n",
    "key=1\nkey=\n": "key=1\nkey=1\n",
    "key=0\nkey=1\n": "key=0\nkey=1\n",
    "#key=0\nkeyed=4\n": "#key=0\nkeyed=4\nkey=1\n",
    "key=1 # as it was\n": "key=1 # as it was\n",
    "key=1# as it was\n": "key=1# as it was\n",
    "key=0\t# why\n": "key=1\t# why\n",
    "key=0 1\n": "key=1\n",
    # sysctl(8) takes no value from these, as it reads a line.
    "key = 1\n": "key = 1\nkey=1\n",
    " key=1\n": " key=1\nkey=1\n",
    "key\n": "key\nkey=1\n",
    "key=1\r\nother=2\r\n": "key=1\nother=2\r\n",
    "other=2\x0c\u2028x\n\n": "other=2\x0c\u2028x\n\nkey=1\n",
    "key=1": "key=1",
}


@pytest.mark.parametrize("text", LINES)
def test_set_line(text: str) -> None:
    assert set_line(text, Line("/etc/sysctl.conf", "key=1", "key")) == LINES[text]
    made = plan_on(
        wants(lines=[{"path": "/etc/x", "line": "key=1", "key": "key"}]), Server({"/etc/x": text})
    )
    assert staged(made).get("/etc/x", text) == LINES[text]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "x\n"),
        ("a\n", "a\nx\n"),
        ("a", "a\nx\n"),
        ("a\n\n\n", "a\nx\n\n\n"),
        ("x\na\n", "x\na\n"),
        ("a\nx", "a\nx"),
        ("#x\n x\n", "#x\n x\nx\n"),
        # What follows an exit would never run.
        ("a\nexit 0\n", "a\nx\nexit 0\n"),
        ("a\nexit\n\n", "a\nx\nexit\n\n"),
        ("exit", "x\nexit\n"),
        ("if a; then exit 1; fi\n", "if a; then exit 1; fi\nx\n"),
        ("exit_code=1\n", "exit_code=1\nx\n"),
        ("a\x0cb\r\n", "a\x0cb\r\nx\n"),
    ],
)
def test_add_line(text: str, expected: str) -> None:
    assert add_line(text, "x") == expected
    assert add_line(expected, "x") == expected
