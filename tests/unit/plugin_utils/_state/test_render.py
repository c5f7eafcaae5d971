# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""document(): a task's arguments in, a state document out."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import FileDiff
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.diff import _one
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.document import (
    Directory,
    DocumentError,
    check,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.guard import Only, others
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.plan import plan
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.probe import Current, PathFacts
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.render import document

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBWcDBLMPu1WXn8+HKzegEKOQcDWqg3nfjnKqxlbiAyR"
WEB1 = {
    "name": "web1", "hostname": "web1.example.org", "ssh_keys": [KEY], "owner": "puffy",
    "mac": "fe:e1:bb:d1:c6:01", "image": {"path": "/var/vmm/web1.qcow2"},
}  # fmt: skip


def render(name: str, extra: t.Mapping[str, t.Any]) -> str:
    return f"{name} {dict(extra)}"


def contents(**args: t.Any) -> dict[str, bytes]:
    made = document("test", args, render)
    check([made])
    return {item.path: item.content for item in made.files}


def test_three_ways_to_a_content(tmp_path: Path) -> None:
    source = tmp_path / "x"
    source.write_bytes(b"\xff\x00\n")
    files = [
        {"path": "/a", "template": "a.j2"},
        {"path": "/b", "content": "text"},
        {"path": "/c", "source": str(source)},
    ]
    assert contents(files=files) == {"/a": b"a.j2 {}", "/b": b"text", "/c": b"\xff\x00\n"}


def test_one_file_an_item(tmp_path: Path) -> None:
    for name in ("x", "y"):
        (tmp_path / name).write_text(name)
    item = {"path": "/sets/<name>", "source": f"{tmp_path}/<name>"}
    each = [{"name": "x"}, {"name": "y"}]
    assert contents(files=[item | {"each": each}]) == {"/sets/x": b"x", "/sets/y": b"y"}
    with pytest.raises(DocumentError, match="an item has no name; it has other"):
        contents(files=[item | {"each": [{"other": "x"}]}])


@pytest.mark.parametrize(
    ("kinds", "told"),
    [
        ({}, "test: /a has no content; give one of template, content, source"),
        ({"content": "x", "source": "/y"}, "test: /a has content and source; give one of"),
    ],
)
def test_a_file_has_one_content(kinds: dict[str, str], told: str) -> None:
    with pytest.raises(DocumentError, match=told):
        contents(files=[{"path": "/a", **kinds}])


def test_a_source_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match=f"test: /a: {tmp_path}/x: No such file or directory"):
        contents(files=[{"path": "/a", "source": f"{tmp_path}/x"}])


def test_kernel_variables_are_text() -> None:
    made = document("test", {"sysctls": {"kern.maxproc": 4000}}, render)
    assert made.sysctls == {"kern.maxproc": "4000"}


@pytest.mark.parametrize(
    ("sysctls", "told"),
    [
        ({"net.inet.ip.forwarding": True}, "net.inet.ip.forwarding: true is no text"),
        ({"kern.maxproc": "4000 # more"}, "'4000 # more' is no value for a sysctl"),
        ({"kern.maxproc": "1\nkern.securelevel=-1"}, "is no value for a sysctl"),
        ({"kern.maxproc=1\nx": "1"}, "is no name of a sysctl"),
    ],
)
def test_no_kernel_variable_is_more_than_a_line(sysctls: dict[str, t.Any], told: str) -> None:
    with pytest.raises(DocumentError, match="test: sysctls: ") as refused:
        document("test", {"sysctls": sysctls}, render)
    assert told in str(refused.value)


def site_sets(fleet: Path, *vms: dict[str, t.Any]) -> dict[str, t.Any]:
    (fleet / "vms").mkdir(exist_ok=True)
    return {
        "directory": "/sets", "fleet": str(fleet), "release": "7.8", "vms": list(vms),
        "template": "install.site.j2", "modes": {},
    }  # fmt: skip


def test_site_sets_are_files_and_those_of_other_vms_go(tmp_path: Path) -> None:
    made = document("test", {"site_sets": site_sets(tmp_path, WEB1)}, render)
    assert [item.path for item in made.files] == [
        "/sets/site78.tgz", "/sets/site78-web1.tgz", "/sets/index.txt",
    ]  # fmt: skip
    assert made.directories == (Directory("/sets", purge="site78-*.tgz"),)
    again = document("test", {"site_sets": site_sets(tmp_path, WEB1)}, render)
    assert made == again


def changes(fleet: Path, *before: str) -> list[str]:
    """What a run for web1 alone would touch besides, on a server with these sets."""
    made = document("test", {"site_sets": site_sets(fleet, WEB1)}, render)
    paths = {"/sets": PathFacts("directory", "0755", "root", "wheel", 512)}
    paths |= {
        f"/sets/{name}": PathFacts("file", "0644", "root", "wheel", 1, "0" * 64) for name in before
    }
    current = Current(paths=t.cast("dict[str, PathFacts | None]", paths), entries={"/sets": before})
    return others(plan([made], current), current, Only.of([WEB1]))


def test_the_set_of_a_vm_belongs_to_a_run_for_it_alone(tmp_path: Path) -> None:
    common = "change /sets/site78.tgz"
    assert changes(tmp_path, "site78.tgz", "index.txt") == [common]
    assert changes(tmp_path, "site78.tgz", "site78-web1.tgz", "index.txt") == [common]
    assert changes(tmp_path, "site78.tgz", "site78-web2.tgz") == [
        "remove /sets/site78-web2.tgz", common,
    ]  # fmt: skip


def test_a_diff_shows_no_bytes_that_are_no_text() -> None:
    change = FileDiff("/sets/site78.tgz", b"\x1f\x8b\x00", sensitive=False, existed=True)
    assert _one(change, b"\x1f\x8b\x00\x00") == {
        "prepared": "change /sets/site78.tgz (no text: 4 and 3 bytes before and after)\n"
    }
    text = FileDiff("/etc/motd", "grüße\n".encode(), sensitive=False, existed=True)
    assert _one(text, b"")["after"] == "grüße\n"
