# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

import gzip
import hashlib
import io
import tarfile

import pytest
from ansible_collections.puffy.vmm.plugins.module_utils._formats.site_archive import (
    Entry,
    checked_link,
    checked_path,
    pack,
    release_files,
    selected_sets,
    set_name,
)
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Refused

FILES = {
    "etc/motd": Entry(b"hello\n"),
    "install.site": Entry(b"#!/bin/sh\n", 0o755),
    "etc/localtime": Entry(link="../usr/share/zoneinfo/UTC"),
}
# Of the archive before it is compressed, which depends on nothing but this module.
DIGEST = "ddba93a5f42ee1f302db904873bd2289fa1ef36446ab9bdacc7800df9c5504ef"


def members(packed: bytes) -> list[tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as archive:
        return archive.getmembers()


def test_entries_have_numbers_for_owners_and_nothing_that_varies() -> None:
    entries = members(pack(FILES.items()))
    assert [(entry.name, entry.mode, entry.type, entry.linkname) for entry in entries] == [
        ("etc/localtime", 0o644, tarfile.SYMTYPE, "../usr/share/zoneinfo/UTC"),
        ("etc/motd", 0o644, tarfile.REGTYPE, ""),
        ("install.site", 0o755, tarfile.REGTYPE, ""),
    ]
    for entry in entries:
        assert (entry.uid, entry.gid, entry.uname, entry.gname) == (0, 0, "", "")
        assert entry.mtime == 946684800


def test_the_same_files_make_the_same_bytes() -> None:
    packed = pack(FILES.items())
    assert pack(reversed(FILES.items())) == packed
    assert hashlib.sha256(gzip.decompress(packed)).hexdigest() == DIGEST
    # RFC 1952: no flags, so no name, and no time.
    assert packed[:8] == b"\x1f\x8b\x08\x00\x00\x00\x00\x00"


def test_what_ustar_cannot_hold_is_refused() -> None:
    with pytest.raises(Refused, match=r"'aaaa.*' does not fit into a ustar archive: name is too l"):
        pack([("a" * 101, Entry())])
    pack([("a" * 100 + "/" + "b" * 100, Entry())])


@pytest.mark.parametrize(
    "path", ["a b", "a\nb", "a/../b", "./a", "/a", "a//b", "a/", "", "b\\a", "ä", "$(x)", "a'b"]
)
def test_strange_paths_are_refused(path: str) -> None:
    with pytest.raises(Refused, match="is not a name for a file in a site set"):
        checked_path(path)


@pytest.mark.parametrize("path", ["etc/motd", "root/.profile", "a/b-1.2_3+4@5:6,7=8%9~#", "..."])
def test_ordinary_paths_are_taken(path: str) -> None:
    assert checked_path(path) == path


@pytest.mark.parametrize(
    ("path", "target", "inside"),
    [
        ("a", "b", True),
        ("etc/a", "../b", True),
        ("etc/a", "b/../../c", True),
        ("a", "../b", False),
        ("etc/a", "../../b", False),
        ("etc/a", "b/../../../c/d/e", False),
        ("a", "/etc/passwd", False),
    ],
)
def test_links_stay_in_the_set(path: str, target: str, inside: bool) -> None:
    if inside:
        assert checked_link(path, target) == target
    else:
        with pytest.raises(Refused, match="which leads out of the site set"):
            checked_link(path, target)


def test_names_are_those_that_the_installer_looks_for() -> None:
    assert set_name("7.8") == "site78.tgz"
    assert set_name("7.8", "web1.example.org") == "site78-web1.tgz"
    assert set_name("7.8", "web1") == "site78-web1.tgz"


@pytest.mark.parametrize(
    ("patterns", "chosen"),
    [
        ([], ["own"]),
        (["+site*"], ["all", "own"]),
        (["-x*", "+xb*", "site78.tgz"], ["all", "own"]),
        (["all"], ["all", "own"]),
        (["-all"], []),
        (["-site*"], []),
        (["+site*", "-site78-*"], ["all"]),
        (["-site78-web1.tgz"], []),
        (["+SITE*"], ["own"]),
    ],
)
def test_selection_follows_the_installer(patterns: list[str], chosen: list[str]) -> None:
    names = {"all": "site78.tgz", "own": "site78-web1.tgz"}
    selected = selected_sets(names.values(), [names["own"]], patterns)
    assert selected == [names[word] for word in chosen]


RELEASE: dict[tuple[tuple[str, ...], ...], list[str]] = {
    (): ["bsd", "bsd.rd", "base78.tgz"],
    (("-x*", "+xb*", "+site*"),): [
        "bsd", "bsd.rd", "base78.tgz", "comp78.tgz", "man78.tgz", "game78.tgz", "xbase78.tgz",
    ],
    (("-all", "bsd*", "base*"),): ["bsd", "bsd.rd", "base78.tgz"],
    (("-all", "bsd", "base*"), ("-all", "bsd", "base*", "man*")): [
        "bsd", "bsd.rd", "base78.tgz", "man78.tgz",
    ],
    # A VM has one processor, and no installer offers it that kernel.
    (("-all", "bsd.mp", "base*"),): ["bsd", "bsd.rd", "base78.tgz"],
}  # fmt: skip


@pytest.mark.parametrize("patterns", RELEASE)
def test_files_of_a_release(patterns: tuple[tuple[str, ...], ...]) -> None:
    assert release_files("7.8", patterns, signed=False) == [*RELEASE[patterns], "INSTALL.amd64"]
    assert release_files("7.8", patterns, signed=True)[-2:] == ["BUILDINFO", "INSTALL.amd64"]
