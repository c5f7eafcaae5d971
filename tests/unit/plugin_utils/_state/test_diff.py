# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What --diff shows: contents that are known already, others that are asked for, and no secrets."""

from __future__ import annotations

import typing as t

from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import Change
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.diff import asks, diffs
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.plan import Part, Plan
from unit.plugin_utils._state.servers import Content, Server, plan_on, wants

FILE: dict[str, t.Any] = {"path": "/etc/x", "content": "new\n"}
SECRET = {"path": "/etc/secret", "content": "password\n", "sensitive": True}
LINE = {"path": "/etc/rc.local", "line": "added"}


def test_contents_that_are_known_are_not_asked_for_again() -> None:
    document = wants(files=[FILE, SECRET, {**FILE, "path": "/etc/new"}], lines=[LINE])
    server = Server({"/etc/x": "old\n", "/etc/secret": "hidden\n", "/etc/rc.local": "there\n"})
    made = plan_on(document, server)
    assert asks(made.shown) == [{"path": "/etc/x", "read": 1}]
    shown = diffs(made.shown, {"/etc/x": b"old\n"})
    assert shown == [
        {"before_header": "/etc/x", "after_header": "/etc/x", "before": "old\n", "after": "new\n"},
        {"prepared": "change /etc/secret (its content is secret and not shown)\n"},
        {"before_header": "(no file)", "after_header": "/etc/new", "before": "", "after": "new\n"},
        {
            "before_header": "/etc/rc.local",
            "after_header": "/etc/rc.local",
            "before": "there\n",
            "after": "there\nadded\n",
        },
    ]


def test_a_file_that_two_documents_edit_is_shown_step_by_step() -> None:
    documents = [wants("a", lines=[LINE]), wants("b", lines=[{**LINE, "line": "more"}])]
    made = plan_on(documents, Server({"/etc/rc.local": ""}))
    assert asks(made.shown) == []
    assert [(one["before"], one["after"]) for one in diffs(made.shown, {})] == [
        ("", "added\n"), ("added\n", "added\nmore\n"),
    ]  # fmt: skip


def test_what_is_removed() -> None:
    directory = {"path": "/var/a", "purge": "*"}
    made = plan_on(wants(directories=[directory]), Server({"/var/a/x": "gone\n"}))
    assert asks(made.shown) == [{"path": "/var/a/x", "read": 1}]
    (shown,) = diffs(made.shown, {"/var/a/x": b"gone\n"})
    assert (shown["before"], shown["after"], shown["after_header"]) == ("gone\n", "", "(no file)")
    made = plan_on(
        wants(directories=[{**directory, "sensitive": True}]), Server({"/var/a/x": "gone\n"})
    )
    assert asks(made.shown) == []
    assert diffs(made.shown, {}) == [
        {"prepared": "remove /var/a/x (its content is secret and not shown)\n"}
    ]


def test_secrets_are_not_shown_even_where_they_are_known() -> None:
    secret = {**SECRET, "content": "# VM a\npassword\n", "language": "pf.conf"}
    made = plan_on(wants(files=[secret]), Server({"/etc/secret": "hidden\n"}))
    (commit,) = (step for step in made.steps if step.diff)
    assert commit.diff is not None
    assert commit.diff.before == b"hidden\n"
    text = str(diffs(made.shown, {"/etc/secret": b"hidden\n"}))
    assert "hidden" not in text
    assert "password" not in text


def test_one_time_paths_are_masked() -> None:
    path = "once-" + "ab" * 16
    made = plan_on(
        wants(directories=[{"path": f"/etc/{path}"}], files=[{**FILE, "content": f"at {path}/\n"}]),
        Server({"/etc/x": f"was {path}\n"}),
    )
    text = str(diffs(made.shown, {"/etc/x": f"was {path}\n".encode()}))
    assert path not in text
    assert "at once-.../" in text
    assert "create directory /etc/once-..." in text


def test_what_would_control_a_terminal_is_shown() -> None:
    server = Server({"/etc/x": Content(b"a\x1b[2Jb\r\tc\x07\xff\n")})
    made = plan_on(wants(files=[FILE]), server)
    (shown,) = diffs(made.shown, {"/etc/x": b"a\x1b[2Jb\r\tc\x07\xff\n"})
    assert shown["before"] == "a\\x1b[2Jb\\r\tc\\x07\ufffd\n"


def test_bytes_that_are_not_text() -> None:
    made = plan_on(wants(files=[{**FILE, "content": "a\0"}]), Server({"/etc/x": "x"}))
    assert diffs(made.shown, {"/etc/x": b"\x1f\x8b\x00\x00"}) == [
        {"prepared": "change /etc/x (not text: 4 and 2 bytes before and after)\n"}
    ]
    made = plan_on(wants(files=[{**FILE, "content": "grüße\n"}]), Server({"/etc/x": ""}))
    assert diffs(made.shown, {})[0]["after"] == "grüße\n"


def test_changes_without_a_content_are_words() -> None:
    made = plan_on(wants(directories=[{"path": "/etc/d"}]))
    assert diffs(made.shown, {}) == [{"prepared": "create directory /etc/d\n"}]


def test_what_is_fetched_is_shown() -> None:
    mirror = {"directory": "/sets", "url": "http://m/", "names": ["bsd"], "verify": "none"}
    made = plan_on(wants(mirrors=[mirror]), Server({"/sets/x": ""}))
    assert diffs(made.shown, {}) == [{"prepared": "fetch /sets/bsd\n"}]


def test_nothing_to_show() -> None:
    assert diffs(Plan((Part("a"),)).shown, {}) == []
    assert str(Change("create", "/etc/x", "(later)")) == "create /etc/x (later)"
