# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Site sets on a server."""

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import EVERYBODYS, NOBODYS
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.document import Document
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.guard import others
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.review import files
from unit.plugin_utils._state.servers import (
    DIRECTORY,
    Server,
    Thing,
    change,
    changes,
    plan_on,
    wants,
)

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBWcDBLMPu1WXn8+HKzegEKOQcDWqg3nfjnKqxlbiAyR"
WEB1 = {"name": "web1", "hostname": "web1.example.org", "ssh_keys": [KEY]}


def sets(fleet: Path, *vms: dict[str, t.Any]) -> Document:
    (fleet / "vms").mkdir(exist_ok=True)
    options = {
        "directory": "/sets", "fleet": str(fleet), "release": "7.8", "vms": list(vms),
        "template": "install.site.j2", "modes": {}, "listed": ["base78.tgz"],
    }  # fmt: skip
    return wants(site_sets=options)


def now(*names: str) -> Server:
    things: dict[str, Thing] = {"/sets": DIRECTORY}
    return Server(things | {f"/sets/{name}": "old" for name in names})


def test_site_sets_are_files_always_the_same(tmp_path: Path) -> None:
    written = {file.path: file.content for file in files([sets(tmp_path, WEB1)])}
    assert list(written) == [
        "/sets/site78.tgz", "/sets/site78-web1.tgz", "/sets/index.txt",
    ]  # fmt: skip
    index = written["/sets/index.txt"].decode()
    assert [line.split()[-1] for line in index.splitlines()] == [
        "base78.tgz", "site78-web1.tgz", "site78.tgz",
    ]  # fmt: skip
    server = Server({path: content for path, content in written.items()})
    assert plan_on(sets(tmp_path, WEB1), server).steps == ()


def test_sets_of_other_vms_go(tmp_path: Path) -> None:
    server = now("site78-web2.tgz", "site77-web2.tgz", "base78.tgz", "site78-web1.tgz")
    made = plan_on(sets(tmp_path, WEB1), server)
    assert changes(made) == [
        "remove /sets/site78-web2.tgz", "create /sets/site78.tgz", "change /sets/site78-web1.tgz",
        "create /sets/index.txt",
    ]  # fmt: skip
    made = plan_on(sets(tmp_path), now("site78-web1.tgz"))
    assert "remove /sets/site78-web1.tgz" in changes(made)


def test_whose_a_change_is(tmp_path: Path) -> None:
    made = plan_on(sets(tmp_path, WEB1), now("site78-web2.tgz"))
    assert change(made, "create /sets/site78.tgz").vms == EVERYBODYS
    assert change(made, "create /sets/site78-web1.tgz").vms == {"web1"}
    assert change(made, "create /sets/index.txt").vms == NOBODYS
    assert change(made, "remove").vms == NOBODYS
    found = [change for _name, change in made.changes]
    assert others(found, ["web1"]) == ["create /sets/site78.tgz"]
    assert others(found, ["web2"]) == [
        "create /sets/site78.tgz", "web1 in /sets/site78-web1.tgz",
    ]  # fmt: skip
