# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The guide to a first server, word by word, on a stand-in and without the checkout."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from checkout import copy_files
from integration.conftest import SPEED
from integration.harness import CHECKOUT, Site, messages, recap

from sandbox.server import Server

GUIDE = (CHECKOUT / "docs/first-server.md").read_text()
KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIGPKSUTyz1HwHReFVvD5obVsALAgJRNarH4TRpNePnAS"
# The first VM is installed by another command, further down on the page.
LATER = ("-e", "vmm_install=false")
# Where the stand-in is, in place of a name in DNS.
REACH = "ansible_ssh_common_args: -F {}/ssh_config"


def files() -> dict[str, str]:
    """The files that the guide shows, by path, which is in the first line of each.

    What is further down for the same path is for another kind of server.
    """
    blocks = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)
    texts: dict[str, str] = {}
    for block in blocks:
        lines = [line.removeprefix("   ") for line in block.splitlines()]
        assert lines[0].startswith("# "), lines[0]
        texts.setdefault(lines[0].removeprefix("# "), "\n".join([*lines[1:], ""]))
    return texts


def commands() -> list[list[str]]:
    """The commands of the guide, in order."""
    lines = re.findall(r"^ {4,}((?:pip|ansible-[a-z]+) .*)$", GUIDE, re.MULTILINE)
    return [shlex.split(line) for line in lines]


@pytest.fixture
def operator(tmp_path: Path) -> Iterator[Site]:
    """A directory of an operator's own, with what the guide has them write."""
    server = Server(tmp_path / "sandbox", "server1")
    (tmp_path / "vault-password").write_text("a secret of the operator\n")
    for name, text in files().items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        reach = REACH.format(tmp_path / "sandbox")
        path.write_text(
            text.replace("AAAA...", KEY)
            .replace("ansible_host: server1.example.org", reach)
            .replace("parent: em0", "parent: vio0")
        )
    try:
        server.start(speed=SPEED)
        with tempfile.TemporaryDirectory(prefix="cp.", dir="/tmp") as sockets:
            environment = {
                # A run in test mode has nobody to ask.
                "ANSIBLE_VAULT_PASSWORD_FILE": str(tmp_path / "vault-password"),
                "ANSIBLE_COLLECTIONS_PATH": str(tmp_path / "installed"),
                "PYTHONPATH": "",
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            }
            yield Site(tmp_path, {"server1": server}, sockets, environment)
    finally:
        server.stop()


def install(operator: Site, pip: list[str], build: list[str], install: list[str]) -> None:
    """Sees that all is there for pip; builds and installs what git knows of the checkout."""
    copy = operator.directory / "checkout"
    copy_files(CHECKOUT, copy)
    where = ["--offline", "-p", str(operator.directory / "installed")]
    needs = [sys.executable, "-m", *pip, "--dry-run", "--no-index", "--quiet"]
    for words in (needs, build, [*install, *where]):
        done = operator.run("env", "-C", str(copy), *words)
        assert done.returncode == 0, messages(done)
    tarball = copy / "puffy-vmm-0.1.0.tar.gz"
    shown = subprocess.run(
        ["tar", "tzf", str(tarball)], check=True, capture_output=True, text=True
    ).stdout.split()
    assert "plugins/plugin_utils/_agent/perl/base.pl" in shown
    assert not [name for name in shown if name.startswith((".dev", ".venv", ".ci"))]


def test_the_first_server(operator: Site) -> None:
    pip, build, collection, check, site, sets, vm = commands()
    assert sets[:4] == vm[:3] + ["puffy.vmm.sets"]
    install(operator, pip, build, collection)

    looked, went = (
        operator.run(*(word for word in words if word != "--ask-vault-pass"), *LATER)
        for words in (check, site)
    )
    assert looked.returncode == 0, messages(looked)
    assert "would create account puffy" in looked.stdout
    assert went.returncode == 0, messages(went)
    assert recap(went, "server1")["changed"] > 0
    for written in ("allocations/server1.yml", "credentials/web1.yml"):
        assert (operator.directory / "fleets/production" / written).is_file(), written
    # A VM that was never installed has no place in vm.conf(5) yet.
    conf = operator.server1.read("/etc/vm.conf")
    assert b'switch "uplink" {' in conf
    assert b'vm "web1" {' not in conf

    fine = operator.run(
        "ansible-playbook", "-i", "inventories/production", "puffy.vmm.check", *LATER
    )  # fmt: skip
    assert fine.returncode == 0, messages(fine)
    graph = operator.run("ansible-inventory", "-i", "inventories/production", "--graph")
    assert "--web1" in graph.stdout
