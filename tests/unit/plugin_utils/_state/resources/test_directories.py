# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Directories, and strays in them."""

from __future__ import annotations

import typing as t
from dataclasses import replace

import pytest
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import (
    EVERYBODYS,
    NOBODYS,
    PlanError,
    digest,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.answer import PathFacts
from unit.plugin_utils._state.servers import (
    DIRECTORY,
    LINK,
    Server,
    change,
    changes,
    notices,
    plan_on,
    steps,
    wants,
)

OLD = "once-" + "ab" * 16
STRAY = "once-" + "cd" * 16
INSTALL = "/var/www/install"
PURGED = {"path": INSTALL, "purge": "*-install.conf", "purge_directories": "once-*"}


def test_parents_first_and_strays() -> None:
    document = wants(
        directories=[{"path": "/var/a/b"}, {"path": "/var/a", "purge": "*.conf"}],
        files=[{"path": "/var/a/keep.conf", "content": ""}],
    )
    there = PathFacts("directory", "0700", "root", "wheel", 512)
    made = plan_on(document, Server({
        "/var/a": there, "/var/a/keep.conf": "", "/var/a/.hidden.conf": "", "/var/a/note": "",
        "/var/a/stray.conf": "",
    }))  # fmt: skip
    assert changes(made) == [
        "change mode or owner of /var/a", "create directory /var/a/b", "remove /var/a/stray.conf",
    ]  # fmt: skip
    assert steps(made) == ["directory /var/a", "directory /var/a/b", "remove /var/a/stray.conf"]


def test_a_directory_that_is_there_is_left_alone() -> None:
    document = wants(directories=[{"path": "/var/a/"}])
    assert plan_on(document, Server({"/var/a": DIRECTORY})).steps == ()


@pytest.mark.parametrize(
    ("path", "server", "text"),
    [
        ("/opt/a/b", Server(), "the directory /opt/a does not exist on this server"),
        ("/etc/x", Server({"/etc/x": "text"}), "r: /etc/x: is a file, not a directory; move it"),
        (
            "/etc/x",
            Server({"/etc/x": LINK}),
            "r: /etc/x: is a link, not a directory; set its variable",
        ),
    ],
)
def test_what_cannot_be_had(path: str, server: Server, text: str) -> None:
    with pytest.raises(PlanError, match=text):
        plan_on(wants(directories=[{"path": path}]), server)


def purged(server: Server, **more: t.Any) -> list[str]:
    return changes(plan_on(wants(directories=[{**PURGED, **more}]), server))


def test_directories_that_match_go_with_their_files() -> None:
    server = Server({f"{INSTALL}/{OLD}/a-install.conf": "x", f"{INSTALL}/{STRAY}": DIRECTORY})
    assert purged(server) == [
        f"remove {INSTALL}/{OLD}/a-install.conf", f"remove directory {INSTALL}/{OLD}",
        f"remove directory {INSTALL}/{STRAY}",
    ]  # fmt: skip
    assert purged(server, keep=[OLD]) == [f"remove directory {INSTALL}/{STRAY}"]


def test_files_are_removed_before_their_directory_and_only_as_they_were_seen() -> None:
    server = Server({f"{INSTALL}/{OLD}/a-install.conf": "x"})
    remove, rmdir = plan_on(wants(directories=[{**PURGED, "sensitive": True}]), server).steps
    assert (remove.do, rmdir.do) == ("remove", "rmdir")
    assert remove.fields["before"] == [digest(b"x")]
    assert remove.fields["sensitive"]


def test_nothing_else_is_ever_removed() -> None:
    server = Server({
        f"{INSTALL}/{OLD}/a-install.conf": "x", f"{INSTALL}/{OLD}/notes": "y",
        f"{INSTALL}/images/a-install.conf": "x", f"{INSTALL}/{STRAY}": LINK,
        f"{INSTALL}/once-file": "z", f"{INSTALL}/once-more/deep/a-install.conf": "x",
    })  # fmt: skip
    made = plan_on(wants(directories=[PURGED]), server)
    assert changes(made) == [f"remove {INSTALL}/{OLD}/a-install.conf"]
    assert notices(made) == [
        f"r: {INSTALL}/{name}: is left: something in it is not ours; look into it"
        for name in (OLD, "once-more")
    ]


def test_a_directory_of_the_document_is_not_purged() -> None:
    server = Server({f"{INSTALL}/{OLD}/a-install.conf": "x"})
    document = wants(directories=[PURGED, {"path": f"{INSTALL}/{OLD}"}])
    assert plan_on(document, server).steps == ()


def test_whose_a_directory_is() -> None:
    each = [{"name": "web1"}, {"name": "db1"}]
    item = {"each": each, "path": "/var/<one_time>", "vms": ["<name>"]}
    document = wants(directories=[item], one_time={"web1": "once-1/", "db1": "once-2/"})
    made = plan_on(document)
    assert change(made, "create directory /var/once-1").vms == {"web1"}
    assert change(made, "create directory /var/once-2").vms == {"db1"}
    made = plan_on(wants(directories=[{"path": "/var/b"}]))
    assert change(made, "create").vms == EVERYBODYS
    server = Server({f"{INSTALL}/{OLD}/a-install.conf": "x"})
    made = plan_on(wants(directories=[PURGED]), server)
    assert {found.vms for _name, found in made.changes} == {NOBODYS}


IMAGES = {"path": "/var/vmm", "link": True}
OURS = PathFacts("link", "0755", "root", "wheel")


def test_a_link_of_root_is_followed_where_that_is_asked_for() -> None:
    there = {"/var": DIRECTORY, "/var/vmm": OURS, "/var/vmm/.": replace(DIRECTORY, mode="0700")}
    assert plan_on(wants(directories=[IMAGES]), Server(there)).steps == ()
    with pytest.raises(PlanError, match="is a link, not a directory"):
        plan_on(wants(directories=[{"path": "/var/vmm"}]), Server(there))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"/var/vmm/.": None}, "leads to no directory; mount or remove it"),
        ({"/var/vmm/.": PathFacts("file", "0600", "root")}, "leads to no directory"),
        ({"/var/vmm": replace(OURS, owner="mira")}, "and it belongs to mira; only root's"),
        ({"/var": replace(DIRECTORY, mode="0777")}, "and /var has the mode 0777; let only root"),
        ({"/var/vmm/.": replace(DIRECTORY, owner="mira")}, "the directory belongs to mira"),
        ({"/var/vmm/.": replace(DIRECTORY, mode="0775")}, "the directory has the mode 0775"),
    ],
)
def test_a_link_that_others_could_have_made_is_not_followed(
    changes: dict[str, PathFacts | None], text: str
) -> None:
    found = {"/var": DIRECTORY, "/var/vmm": OURS, "/var/vmm/.": DIRECTORY, **changes}
    there = {path: facts for path, facts in found.items() if facts}
    with pytest.raises(PlanError, match=text):
        plan_on(wants(directories=[IMAGES]), Server(there))
