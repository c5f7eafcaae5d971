# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Site sets from the files of a fleet."""

from __future__ import annotations

import io
import os
import re
import tarfile
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Problems
from ansible_collections.puffy.vmm.plugins.plugin_utils._store import site_tree
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.site_sets import Recipe, build

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBWcDBLMPu1WXn8+HKzegEKOQcDWqg3nfjnKqxlbiAyR"
OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPazF8i2eHif2fQVowohslU3QU9yUV7ixamrMlONLhiX laptop"
WEB1 = {"name": "web1", "hostname": "www.example.org", "ssh_keys": [KEY, OTHER], "memory": "1G"}
# The pattern of install_http() in install.sub.
INSTALLER = re.compile(r"^.* ([a-zA-Z][a-zA-Z0-9._-]+)$", re.MULTILINE)


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    (tmp_path / "vms").mkdir()
    (tmp_path / "vms/web1.yml").touch()
    return tmp_path


def put(fleet: Path, path: str, content: str = "x\n", mode: int = 0o644) -> Path:
    place = fleet / "site" / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(content)
    place.chmod(mode)
    return place


def built(fleet: Path, *vms: dict[str, Any], **fields: Any) -> dict[str, bytes]:
    given = {"release": "7.8", "script": "#!/bin/sh\n", "modes": {}} | fields
    return build(Recipe(fleet=fleet, vms=vms, **given))


def content(packed: bytes) -> dict[str, tuple[int, bytes]]:
    """Mode and content of each file of a set."""
    with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as archive:
        files = {one.name: (one.mode, archive.extractfile(one)) for one in archive.getmembers()}
        return {name: (mode, file.read() if file else b"") for name, (mode, file) in files.items()}


def problems(fleet: Path, *vms: dict[str, Any], **fields: Any) -> list[str]:
    with pytest.raises(Problems) as found:
        built(fleet, *vms, **fields)
    return [str(problem) for problem in found.value.problems]


def test_a_fleet_without_files_has_the_script_alone(fleet: Path) -> None:
    sets = built(fleet)
    assert list(sets) == ["site78.tgz", "index.txt"]
    assert content(sets["site78.tgz"]) == {"install.site": (0o755, b"#!/bin/sh\n")}


def test_each_vm_has_a_set_with_its_keys_and_its_files(fleet: Path) -> None:
    put(fleet, "common/etc/motd", "for all\n")
    put(fleet, "hosts/web1/etc/motd", "for one\n")
    put(fleet, "hosts/web1/usr/local/bin/go", mode=0o700)
    sets = built(fleet, WEB1)
    assert content(sets["site78.tgz"])["etc/motd"] == (0o644, b"for all\n")
    assert content(sets["site78-www.tgz"]) == {
        "etc/motd": (0o644, b"for one\n"),
        "install.site.keys": (0o644, f"{KEY}\n{OTHER}\n".encode()),
        "usr/local/bin/go": (0o755, b"x\n"),
    }


def test_the_installer_finds_the_sets_in_index_txt(fleet: Path) -> None:
    sets = built(fleet, WEB1)
    assert INSTALLER.findall(sets["index.txt"].decode()) == ["site78-www.tgz", "site78.tgz"]


def test_nothing_but_names_contents_and_the_right_to_execute_counts(fleet: Path) -> None:
    motd = put(fleet, "common/etc/motd")
    put(fleet, "common/etc/rc.local", mode=0o755)
    before = built(fleet, WEB1)
    motd.chmod(0o600)
    os.utime(motd, (1, 1))
    put(fleet, "common/etc/rc.local", mode=0o710)
    (fleet / "site/common/empty").mkdir()
    put(fleet, "common/var/.gitkeep")
    assert built(fleet, WEB1) == before
    put(fleet, "common/etc/rc.local", mode=0o644)
    assert built(fleet, WEB1) != before


def test_the_operators_own_script_wins(fleet: Path) -> None:
    put(fleet, "common/install.site", "#!/bin/ksh\n", 0o755)
    assert content(built(fleet)["site78.tgz"])["install.site"] == (0o755, b"#!/bin/ksh\n")


def test_modes_are_those_asked_for(fleet: Path) -> None:
    put(fleet, "common/etc/a", mode=0o755)
    put(fleet, "hosts/web1/etc/b")
    sets = built(fleet, WEB1, modes={"etc/a": "0600", "etc/b": "0640"})
    assert content(sets["site78.tgz"])["etc/a"][0] == 0o600
    assert content(sets["site78-www.tgz"])["etc/b"][0] == 0o640


def test_links_are_kept_and_never_followed(fleet: Path) -> None:
    put(fleet, "common/etc/a")
    (fleet / "site/common/etc/b").symlink_to("a")
    (fleet / "site/common/dir").symlink_to("etc")
    with tarfile.open(fileobj=io.BytesIO(built(fleet)["site78.tgz"])) as archive:
        links = {one.name: one.linkname for one in archive.getmembers() if one.issym()}
        assert links == {"dir": "etc", "etc/b": "a"}
        assert "dir/a" not in archive.getnames()


def test_all_problems_are_told_at_once(fleet: Path) -> None:
    put(fleet, "common/etc/a b")
    (fleet / "site/common/secret").symlink_to("/etc/shadow")
    (fleet / "site/common/up").symlink_to("../../vault-password")
    os.mkfifo(fleet / "site/common/fifo")
    put(fleet, "hosts/web2/etc/motd")
    put(fleet, "hosts/web1/install.site.keys")
    second = WEB1 | {"name": "shop1", "hostname": "WWW.example.com", "ssh_keys": ["none"]}
    found = problems(
        fleet, WEB1, second, release="7", modes={"etc/none": "0600", "install.site": "4755"}
    )
    assert [line.partition(";")[0] for line in found] == [
        "modes: etc/none: there is no such file below site/",
        "modes: install.site: '4755' is not a mode of a file",
        "release: '7' is not a release of OpenBSD",
        "site/common/etc/a b: 'a b' is not a name for a file in a site set",
        "site/common/fifo: is not a regular file",
        "site/common/secret: is a link to '/etc/shadow', which leads out of the site set",
        "site/common/up: is a link to '../../vault-password', which leads out of the site set",
        "site/hosts/web1/install.site.keys: is written by this collection",
        "site/hosts/web2: there is no VM web2",
        "vms/shop1.yml: hostname: begins with WWW as that of web1 does, and the installer knows a "
        "VM's own site set by that alone",
        "vms/shop1.yml: ssh_keys: 'none' is not a type of a public key",
    ]


def test_a_set_that_is_too_large_is_refused(fleet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site_tree, "MOST_BYTES", 10)
    put(fleet, "common/a", "123456")
    put(fleet, "common/b", "123456")
    (told,) = problems(fleet)
    assert told.startswith("site/common/b: is larger than 4 bytes")


def test_a_name_that_is_too_long_is_refused(fleet: Path) -> None:
    put(fleet, f"common/{'a' * 101}")
    (told,) = problems(fleet)
    assert "does not fit into a ustar archive" in told
