# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Files with their whole content: from arguments and a server to steps."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import (
    COMMON,
    EVERYBODYS,
    PlanError,
    digest,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.arguments import DocumentError
from unit.plugin_utils._state.servers import (
    LINK,
    Content,
    Server,
    change,
    changes,
    plan_on,
    service,
    staged,
    steps,
    wants,
)

CONF: dict[str, t.Any] = {"path": "/etc/x.conf", "content": "new\n"}
CHECKED = {**CONF, "validate": "dhcpd -n -c {path}"}

CASES: dict[str, tuple[list[dict[str, t.Any]], Server, list[str], list[str]]] = {
    "as wanted": ([CONF], Server({"/etc/x.conf": "new\n"}), [], []),
    "missing": (
        [CONF], Server(), ["create /etc/x.conf"], ["stage /etc/x.conf", "commit /etc/x.conf"],
    ),
    "other content, with a checker": (
        [CHECKED], Server({"/etc/x.conf": "old\n"}), ["change /etc/x.conf"],
        ["stage /etc/x.conf", "run dhcpd -n -c {path}", "commit /etc/x.conf"],
    ),
    "only the mode differs": (
        [CONF], Server({"/etc/x.conf": Content(b"new\n", "0600")}),
        ["change mode or owner of /etc/x.conf"], ["attributes /etc/x.conf"],
    ),
    "only the owner differs": (
        [CONF], Server({"/etc/x.conf": Content(b"new\n", owner="puffy")}),
        ["change mode or owner of /etc/x.conf"], ["attributes /etc/x.conf"],
    ),
    "only the group differs": (
        [{**CONF, "group": "www"}], Server({"/etc/x.conf": Content(b"new\n")}),
        ["change mode or owner of /etc/x.conf"], ["attributes /etc/x.conf"],
    ),
    "a mode is a number, however it is written": (
        [{**CONF, "mode": "644"}], Server({"/etc/x.conf": "new\n"}), [], [],
    ),
    "all are staged and checked before any is put into place": (
        [CHECKED, {"path": "/etc/y.conf", "content": "y"}], Server(),
        ["create /etc/x.conf", "create /etc/y.conf"],
        ["stage /etc/x.conf", "run dhcpd -n -c {path}", "stage /etc/y.conf",
         "commit /etc/x.conf", "commit /etc/y.conf"],
    ),
    "what a change brings is shown": (
        [{**CONF, "note": "later"}], Server(), ["create /etc/x.conf (later)"],
        ["stage /etc/x.conf", "commit /etc/x.conf"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_plan(name: str) -> None:
    files, server, shown, done = CASES[name]
    made = plan_on(wants(files=files), server)
    assert changes(made) == shown
    assert steps(made) == done


def test_a_file_that_somebody_changes_meanwhile_stops_the_run() -> None:
    stage, commit = plan_on(wants(files=[CONF]), Server({"/etc/x.conf": "old\n"})).steps
    assert stage.fields["before"] == commit.fields["before"] == [digest(b"old\n")]
    assert commit.fields["sha256"] == digest(b"new\n")
    stage, commit = plan_on(wants(files=[CONF])).steps
    assert stage.fields["before"] == commit.fields["before"] == [None]


REFUSED: dict[str, tuple[dict[str, t.Any], Server, str]] = {
    "a link in the file's place": (
        CONF, Server({"/etc/x.conf": LINK}),
        "r: /etc/x.conf: is a link, not a file; move it away",
    ),
    "no directory for it": (
        {"path": "/opt/x", "content": ""}, Server(),
        "the directory /opt does not exist on this server",
    ),
    "a link in the directory's place": (
        {"path": "/opt/x", "content": ""}, Server({"/opt": LINK}),
        "the directory /opt does not exist",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_had(name: str) -> None:
    file, server, text = REFUSED[name]
    with pytest.raises(PlanError) as error:
        plan_on(wants(files=[file]), server)
    assert text in str(error.value)


def contents(**args: t.Any) -> dict[str, bytes]:
    return {item.file.path: item.file.content for item in wants("test", **args).wants["files"]}


def test_three_ways_to_a_content(tmp_path: Path) -> None:
    source = tmp_path / "x"
    source.write_bytes(b"\xff\x00\n")
    files = [
        {"path": "/a", "template": "a.j2"},
        {"path": "/b", "content": "text"},
        {"path": "/c", "source": str(source)},
    ]
    assert contents(files=files) == {"/a": b"a.j2", "/b": b"text", "/c": b"\xff\x00\n"}


def test_one_file_for_each_item(tmp_path: Path) -> None:
    for name in ("x", "y"):
        (tmp_path / name).write_text(name)
    item = {"path": "/sets/<name>", "source": f"{tmp_path}/<name>"}
    each = [{"name": "x"}, {"name": "y"}]
    assert contents(files=[item | {"each": each}]) == {"/sets/x": b"x", "/sets/y": b"y"}
    assert wants(files=[item | {"each": []}]).wants == {}
    with pytest.raises(DocumentError, match="an item has no name; it has other"):
        contents(files=[item | {"each": [{"other": "x"}]}])


def test_a_template_sees_its_item() -> None:
    files = [{"path": "/<name>", "template": "a.j2", "each": [{"name": "x"}]}]
    assert contents(files=files) == {"/x": b"a.j2 {'item': {'name': 'x'}}"}


def test_a_file_may_be_one_vms_alone() -> None:
    each = [{"name": "web1", "mac": "aa"}, {"name": "db1", "mac": "bb"}]
    item = {"path": "/etc/<mac>.conf", "content": "", "each": each, "vms": ["<name>"]}
    made = plan_on(wants(files=[item]))
    assert change(made, "create /etc/aa.conf").vms == {"web1"}
    assert change(made, "create /etc/bb.conf").vms == {"db1"}
    assert change(plan_on(wants(files=[CONF])), "create").vms == EVERYBODYS


def test_a_change_of_a_known_language_is_that_of_the_vms_whose_blocks_differ() -> None:
    file = {**CONF, "content": "start\n\tstart web1\n\tstart db1\n", "language": "rc.vmm"}
    made = plan_on(wants(files=[file]), Server({"/etc/x.conf": "start\n\tstart web1\n"}))
    assert change(made, "change").vms == {"db1"}
    made = plan_on(wants(files=[file]), Server({"/etc/x.conf": "stop\n\tstart web1\n"}))
    assert change(made, "change").vms == {"db1", COMMON}
    assert change(plan_on(wants(files=[file])), "create").vms == {"web1", "db1", COMMON}


@pytest.mark.parametrize(
    ("kinds", "message"),
    [
        ({}, "test: /a has no content; give one of template, content, source"),
        ({"content": "x", "source": "/y"}, "test: /a has content and source; give one of"),
    ],
)
def test_a_file_has_one_content(kinds: dict[str, str], message: str) -> None:
    with pytest.raises(DocumentError, match=message):
        contents(files=[{"path": "/a", **kinds}])


def test_a_source_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match=f"test: /a: {tmp_path}/x: No such file or directory"):
        contents(files=[{"path": "/a", "source": f"{tmp_path}/x"}])


@pytest.mark.parametrize("path", ["etc/x", "/etc/../x", "/etc/a\nb", "/etc/a b", "", "/"])
def test_paths_that_are_not_safe(path: str) -> None:
    with pytest.raises(DocumentError, match="is not a valid path on a server"):
        wants(files=[{**CONF, "path": path}])


def test_two_files_of_one_path_are_refused() -> None:
    with pytest.raises(DocumentError, match=r"r: /etc/x.conf is described twice"):
        wants(files=[CONF, {**CONF, "content": "other"}])


HTTPD = (
    "# Written by puffy.vmm\n"
    'server "default" {\n\tlisten on * port 80\n\tlocation "/pub/*" {\n\t}\n}\n'
)
OTHERS = 'server "shop.example.org" {\n\tlisten on * port 8080\n}\n'
WRITTEN = "/var/db/puffy.vmm.written"


def httpd(content: str = HTTPD, **foreign: t.Any) -> dict[str, t.Any]:
    return {
        "path": "/etc/httpd.conf",
        "content": content,
        "foreign": {"language": "httpd.conf", "advice": "put it into httpd_extra", **foreign},
    }


def test_what_others_have_in_a_file_is_not_taken_away() -> None:
    server = Server({"/etc/httpd.conf": OTHERS})
    with pytest.raises(PlanError) as error:
        plan_on(wants(files=[httpd()]), server)
    assert "server shop.example.org" in str(error.value)
    assert "put it into httpd_extra, or take it away with -e foreign=drop" in str(error.value)
    made = plan_on(wants(files=[httpd(drop=True)]), server)
    assert "change /etc/httpd.conf" in changes(made)
    # What the new content has too is not lost.
    made = plan_on(wants(files=[httpd(HTTPD + OTHERS)]), server)
    assert "change /etc/httpd.conf" in changes(made)


def test_what_this_collection_wrote_is_noted_and_may_go() -> None:
    made = plan_on(wants(files=[httpd(HTTPD + OTHERS)]))
    notes = staged(made)[WRITTEN]
    assert "/etc/httpd.conf\tserver shop.example.org\n" in notes
    # It is no business of anybody's.
    assert changes(made) == ["create /etc/httpd.conf"]
    server = Server({"/etc/httpd.conf": HTTPD + OTHERS, WRITTEN: Content(notes.encode(), "0600")})
    assert plan_on(wants(files=[httpd(HTTPD + OTHERS)]), server).steps == ()
    made = plan_on(wants(files=[httpd()]), server)
    assert changes(made) == ["change /etc/httpd.conf"]
    assert "shop" not in staged(made)[WRITTEN]
    # Somebody added to it since.
    added = HTTPD + OTHERS + 'server "late.example.org" {\n}\n'
    with pytest.raises(PlanError, match=r"would take away: server late\.example\.org;"):
        plan_on(wants(files=[httpd()]), server.plus({"/etc/httpd.conf": added}))


def test_a_file_that_this_collection_wrote_before_it_kept_notes_is_its_own() -> None:
    server = Server({"/etc/httpd.conf": HTTPD + OTHERS})
    assert "change /etc/httpd.conf" in changes(plan_on(wants(files=[httpd()]), server))


def test_notes_do_not_make_a_service_read_its_file_again() -> None:
    document = wants(files=[httpd()], services=[{"name": "httpd"}])
    made = plan_on(document, Server({"/etc/httpd.conf": HTTPD}, service("httpd")))
    assert steps(made) == [f"stage {WRITTEN}", f"commit {WRITTEN}"]
    assert changes(made) == []


@pytest.mark.parametrize("mode", ["0888", "u=rw", "493", "64", "00644", "-0644", ""])
@pytest.mark.parametrize("option", ["files", "directories", "marked_lines", "vm_conf"])
def test_modes_that_are_not_octal(option: str, mode: str) -> None:
    more: dict[str, t.Any] = {
        "files": {"content": ""},
        "marked_lines": {"lines": []},
        "vm_conf": {"template": "x", "service": "vmd"},
    }
    item = {"path": "/etc/x", "mode": mode, **more.get(option, {})}
    document: dict[str, t.Any] = {option: item if option == "vm_conf" else [item]}
    with pytest.raises(DocumentError, match=f"/etc/x: '{mode}' is not a valid mode"):
        wants(texts={"x": ""}, **document)


@pytest.mark.parametrize("mode", ["0644", "644", "4755"])
def test_modes_that_are_octal(mode: str) -> None:
    assert wants(files=[{"path": "/etc/x", "mode": mode, "content": ""}])
