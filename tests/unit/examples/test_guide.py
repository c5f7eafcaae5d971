# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""docs/contact-form.md: its commands exactly as shown, with the answers that it shows."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from unit.plugin_utils._orders.orders import CHECKOUT
from unit.sites import Site
from unit.test_documented_commands import commands

TEXT = (CHECKOUT / "docs/contact-form.md").read_text()
ORDER, ANSWER = re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)
OPERATOR = re.search(r"```\n(check-vm: .*\n)```", TEXT)
GRAMMAR, CI_JOB, PLAYBOOK = (
    next(command for command in commands(TEXT) if word in command)
    for word in ("fleets/example", "fleets/production/orders", "puffy.vmm.order")
)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A directory for the commands: the parts of a checkout that they need, and a fleet."""
    for part in ("bin", "plugins", "fleets/example/vms", "fleets/example/allocations"):
        shutil.copytree(CHECKOUT / part, tmp_path / part)
    shutil.copytree(CHECKOUT / "fleets/example/vms", tmp_path / "fleets/production/vms")
    return tmp_path


def run(checkout: Path, command: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=checkout,
        env={"PATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_commands(checkout: Path) -> None:
    (checkout / "order.json").write_text(ORDER)
    done = run(checkout, GRAMMAR)
    assert (done.returncode, done.stdout) == (1, ANSWER)
    assert OPERATOR
    assert OPERATOR[1] in done.stderr
    sound = ORDER.replace("2 GB", "2G").replace('"mira"', '"anna"')
    (checkout / "order.json").write_text(sound)
    writing = GRAMMAR.replace("fleets/example", "fleets/production --write")
    assert run(checkout, writing).stdout == "[]\n"
    done = run(checkout, CI_JOB)
    assert (done.returncode, done.stdout) == (0, "[]\n")


def test_the_command_with_ansible(site: Site) -> None:
    (site.root / "inventories").mkdir()
    (site.root / "inventories/production").symlink_to(site.inventory)
    (site.root / "incoming").mkdir()
    order = ORDER.replace("2 GB", "2G").replace('  "name": "web2",\n', "")
    (site.root / "incoming/web2.json").write_text(order)
    program, *words = PLAYBOOK.split()
    done = site.run(program, *words)
    assert done.returncode == 0, done.stdout
    assert (site.fleet / "orders/web2.yml").is_file()
