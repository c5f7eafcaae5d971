# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""A copy of the example, and two stand-in servers that ansible-playbook reaches over real ssh.

What takes long is made once for all tests of a run, and each test gets a copy of it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from integration.harness import (
    CHECKOUT,
    SERVERS,
    Servers,
    Site,
    messages,
    provide_sets,
    provide_system,
)

from sandbox.server import Server

# How much faster than on a real machine guests boot, are installed, and stop.
SPEED = 50
Copy = Callable[[Path, str], None]


@contextmanager
def servers(directory: Path, *, speed: float = SPEED, shared: Path | None = None) -> Iterator[Site]:
    """Both servers, as an operator has them before the first run unless they are there already.

    In the end they must have met nothing that the stand-in does not know.
    """
    for name in ("inventories/example", "fleets/example"):
        ignore = shutil.ignore_patterns("credentials", "handover", "host_keys")
        if not (directory / name).exists():
            shutil.copytree(CHECKOUT / name, directory / name, ignore=ignore)
    made = {name: Server(directory / "sandbox", name, shared=shared) for name in SERVERS}
    each = Servers(made, speed)
    try:
        with tempfile.TemporaryDirectory(prefix="cp.", dir="/tmp") as control_path:
            yield Site(directory, each, control_path)
    finally:
        for server in each.started:
            server.stop()
    unknown = {server.name: server.unmodelled() for server in each.started}
    assert not any(unknown.values()), f"not modelled: {unknown}"


@pytest.fixture(scope="session")
def common(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that all workers of a run share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def copy(common: Path) -> Copy:
    """Copies servers that were prepared once to a directory; the name says how."""
    prepare = {"converged": _converged, "installed": _installed, "booted": _booted}

    def put(directory: Path, name: str) -> None:
        place = common / f"prepared-{name}"
        with (common / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (place / "done").exists():
                if name != "converged":
                    put(place, "converged")
                with servers(place, shared=common / "shared") as site:
                    prepare[name](site)
                (place / "done").touch()
        subprocess.run(["cp", "-a", f"{place}/.", str(directory)], check=True)
        # Two copies cannot have one port.
        for path in (directory / "sandbox").glob("*/port"):
            path.unlink()

    return put


def _converged(site: Site) -> None:
    """mail1 had a system before."""
    provide_system(site.server1, "mail1")
    site.converged()


def _installed(site: Site) -> None:
    """shop1 had a system before, too, and web1 is installed by the collection."""
    provide_system(site.server1, "shop1")
    site.converged("--limit", "server1")
    provide_sets(site.server1)
    result = site.play("vm", "-e", "vm=web1")
    assert result.returncode == 0, messages(result)


def _booted(site: Site) -> None:
    """VMs start quickly when the system boots, and their images hold something."""
    group = site.directory / "inventories/example/group_vars/vmd_servers.yml"
    given = yaml.safe_load(group.read_text())
    given |= {"vmd_autostart_parallel": 1, "vmd_autostart_delay": 1}
    group.write_text(yaml.safe_dump(given))
    for name in ("db1", "shop1", "web1"):
        provide_system(site.server1, name)
    site.converged("--limit", "server1")


@pytest.fixture
def site(tmp_path: Path, common: Path) -> Iterator[Site]:
    """Servers of the test's own, with nothing at all."""
    with servers(tmp_path, shared=common / "shared") as made:
        yield made


@pytest.fixture(scope="module")
def converged(tmp_path_factory: pytest.TempPathFactory, copy: Copy, common: Path) -> Iterator[Site]:
    """Servers on which site.yml ran, for all tests of a file that leave them as they were."""
    directory = tmp_path_factory.mktemp("site")
    copy(directory, "converged")
    with servers(directory, shared=common / "shared") as made:
        yield made


@pytest.fixture
def ready(tmp_path: Path, copy: Copy, common: Path) -> Iterator[Site]:
    """Servers of the test's own on which site.yml ran."""
    copy(tmp_path, "converged")
    with servers(tmp_path, shared=common / "shared") as made:
        yield made


@pytest.fixture
def installed(tmp_path: Path, copy: Copy, common: Path) -> Iterator[Site]:
    """Servers of the test's own on which web1 was installed, and mail1 runs."""
    copy(tmp_path, "installed")
    with servers(tmp_path, shared=common / "shared") as made:
        assert made.server1.run("vmctl start mail1").returncode == 0
        yield made


@pytest.fixture
def booted(tmp_path: Path, copy: Copy, common: Path) -> Iterator[Site]:
    """Servers of the test's own that start VMs when they boot, with a system on each."""
    copy(tmp_path, "booted")
    with servers(tmp_path, shared=common / "shared") as made:
        yield made
