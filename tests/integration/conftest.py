# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""A copy of the example, and two stand-in servers that ansible-playbook reaches over real ssh."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from integration.harness import CHECKOUT, SERVERS, Site, provide_system

from sandbox.server import Server


@contextmanager
def servers(directory: Path) -> Iterator[Site]:
    """Both servers as an operator has them before the first run: with nothing at all."""
    for name in ("inventories/example", "fleets/example"):
        ignore = shutil.ignore_patterns("credentials", "handover", "host_keys")
        shutil.copytree(CHECKOUT / name, directory / name, ignore=ignore)
    found = {name: Server(directory / "sandbox", name) for name in SERVERS}
    try:
        for server in found.values():
            server.start(speed=10)
        with tempfile.TemporaryDirectory(prefix="cp.", dir="/tmp") as control_path:
            yield Site(directory, found, control_path)
    finally:
        for server in found.values():
            server.stop()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Servers of the test's own."""
    with servers(tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def converged(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """Servers on which site.yml ran, for all tests of a file that leave them as they were.

    The VMs of server1 that the file names as SYSTEMS were installed before.
    """
    with servers(tmp_path_factory.mktemp("site")) as made:
        for name in getattr(request.module, "SYSTEMS", ()):
            provide_system(made.server1, name)
        made.converged()
        yield made
