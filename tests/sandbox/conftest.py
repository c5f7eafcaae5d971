# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Servers for the tests of the sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.server import Server


@pytest.fixture(scope="session", name="shared")
def _shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What all servers of the run share, made once."""
    return tmp_path_factory.mktemp("shared")


@pytest.fixture(name="server")
def _server(tmp_path: Path, shared: Path) -> Iterator[Server]:
    """A fresh server of the test's own."""
    server = Server(tmp_path, "server1", shared=shared).start()
    yield server
    server.stop()


@pytest.fixture(scope="module", name="common")
def _common(tmp_path_factory: pytest.TempPathFactory, shared: Path) -> Iterator[Server]:
    """A server for tests that only look, or clean up after themselves."""
    server = Server(tmp_path_factory.mktemp("common"), "server1", shared=shared).start()
    yield server
    server.stop()
