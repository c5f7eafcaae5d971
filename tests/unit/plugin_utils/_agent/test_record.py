# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The agent keeps what a program prints, in a process that goes on without it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from unit.agent_host import Host, until


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def record(host: Host, script: str, limit: int = 4096) -> Path:
    argv = ["/bin/sh", "-c", script]
    began = time.monotonic()
    answer = host.apply({"do": "record", "path": "/srv/out", "limit": limit, "argv": argv})
    assert "failed" not in answer, answer
    # It answers at once, and does not wait for what it began.
    assert time.monotonic() - began < 20
    return host.srv / "out"


def test_it_goes_on_and_holds_no_lock(host: Host) -> None:
    out = record(
        host, "echo one; while [ ! -e /srv/go ]; do sleep 0.1; done; echo two; cat; echo 3"
    )
    until(lambda: out.read_text() == "one\n")
    assert out.stat().st_mode & 0o777 == 0o600
    # Somebody else changes the server meanwhile.
    run = {"do": "run", "argv": ["/usr/bin/touch", "/srv/go"]}
    assert "failed" not in host.apply(run, lock_wait=1)
    # cat waits for an input that says nothing and does not end.
    until(lambda: out.read_text() == "one\ntwo\n")
    out.unlink()
    until(lambda: not running(host))


def test_the_end_is_kept_and_no_more(host: Host) -> None:
    out = record(host, "i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done", 1000)
    until(lambda: out.read_text().endswith("line 1999\n"))
    assert 1000 <= out.stat().st_size <= 2000 + 4096
    until(lambda: not running(host))


def running(host: Host) -> bool:
    """Whether a process of the recording is left, known by the test's own directory."""
    for process in Path("/proc").glob("[0-9]*/mountinfo"):
        try:
            if str(host.srv) in process.read_text():
                return True
        except OSError:
            continue
    return False
