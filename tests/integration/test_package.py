# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The collection as it is published: what is in it, and what runs where nothing else is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from checkout import copy_files
from integration.harness import CHECKOUT, messages

# What tools and runs leave behind in a checkout.
LEFT = (
    ".dev/sandbox/x", ".venv/bin/x", ".mypy_cache/x", ".pytest_cache/x", ".ruff_cache/x",
    ".hypothesis/x", ".ansible/x", ".cache/x", "plugins/__pycache__/x.pyc", "tests/output/x",
    "fleets/example/credentials/x.yml", "fleets/example/handover/x.md", "puffy-vmm-0.0.9.tar.gz",
    "fleets/example/host_keys/x.pub", "fleets/example/kept/x.json", "fleets/example/inventory.json",
    "fleets/example/allocations/.lock", "changelogs/.plugin-cache.yaml",
)  # fmt: skip


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive, built in a checkout that somebody works in."""
    copy = tmp_path_factory.mktemp("package") / "checkout"
    copy_files(CHECKOUT, copy)
    for name in LEFT:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_text("{}")
    run(copy, "ansible-galaxy", "collection", "build")
    (archive,) = copy.glob("puffy-vmm-0.1.0.tar.gz")
    return archive


@pytest.fixture
def installed(package: Path, tmp_path: Path) -> Path:
    collections = tmp_path / "collections"
    words = ("install", "--offline", "-p", str(collections), str(package))
    run(tmp_path, "ansible-galaxy", "collection", *words)
    return collections / "ansible_collections/puffy/vmm"


def run(directory: Path, program: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Runs a program in an environment that knows no checkout. It must succeed."""
    done = subprocess.run(
        [program, *words],
        cwd=directory,
        env={
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(directory),
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_COLLECTIONS_PATH": str(directory / "collections"),
            "ANSIBLE_NOCOLOR": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, messages(done)
    return done


def test_what_is_in_it(package: Path) -> None:
    with tarfile.open(package) as archive:
        names = set(archive.getnames())
        runs = {member.name for member in archive if member.isfile() and member.mode & 0o100}
    assert names.isdisjoint(LEFT)
    hidden = {name for name in names if any(part.startswith(".") for part in Path(name).parts)}
    assert hidden <= {"fleets/example/.gitignore", "fleets/example/site/.gitkeep"}
    assert {"bin/check-vm", "examples/contact-form/order.cgi"} <= runs
    for needed in (
        "LICENSE", "CHANGELOG.md", "meta/runtime.yml", "requirements.txt", "docs/vm.schema.json",
        "plugins/plugin_utils/_agent/perl/base.pl", "playbooks/site.yml", "roles/vmd/README.md",
    ):  # fmt: skip
        assert needed in names, needed


def test_the_example_where_nothing_else_is(installed: Path, tmp_path: Path) -> None:
    inventory = ("-i", str(installed / "inventories/example"))
    play = ("ansible-playbook", *inventory)
    run(tmp_path, *play, "puffy.vmm.allocate", "-e", "vmm_credentials=false")
    run(tmp_path, *play, "puffy.vmm.render", "-e", f"render_to={tmp_path}/out")
    assert 'vm "db1"' in (tmp_path / "out/server1/etc/vm.conf").read_text()
    graph = run(tmp_path, "ansible-inventory", *inventory, "--graph").stdout
    assert "--web1" in graph
    copy = json.loads((installed / "fleets/example/inventory.json").read_text())
    assert set(copy["servers"]) == {"server1", "server2"}
    order = (installed / "fleets/example/vms/web1.yml").read_text().replace("server: server1", "")
    (tmp_path / "web9.yml").write_text(order)
    words = ("--fleet", str(installed / "fleets/example"), "web9.yml")
    assert run(tmp_path, str(installed / "bin/check-vm"), *words).stdout == "[]\n"


def test_the_documentation_is_found(installed: Path, tmp_path: Path) -> None:
    for kind, folder in (("module", "modules"), ("inventory", "inventory"), ("become", "become")):
        shown = run(tmp_path, "ansible-doc", "-t", kind, "-l", "--json", "puffy.vmm").stdout
        names = {name.removeprefix("puffy.vmm.") for name in json.loads(shown)}
        assert names == {path.stem for path in (installed / "plugins" / folder).glob("*.py")}
