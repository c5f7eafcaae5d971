# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.lock import LockHeld, exclusive_lock

HOLD = """
import sys, time
from pathlib import Path
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.lock import exclusive_lock
with exclusive_lock(Path(sys.argv[1]), 5):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def holder(path: Path, seconds: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLD, str(path), str(seconds)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_the_error_says_who_holds_it(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    with holder(path, 30) as process:
        started = time.monotonic()
        with pytest.raises(LockHeld) as error, exclusive_lock(path, 0.3):
            pass
        assert time.monotonic() - started < 5
        process.kill()
    text = str(error.value)
    assert text.startswith(f"{path}: held by process {process.pid} of ")
    assert "waited 0.3 seconds" in text


def test_waits_for_its_turn(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    with holder(path, 0.5), exclusive_lock(path, 10):
        assert path.read_text().startswith(f"process {os.getpid()} of ")
    assert path.read_text() == ""


def test_who_was_killed_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    with holder(path, 30) as process:
        process.send_signal(signal.SIGKILL)
    with exclusive_lock(path, 0):
        pass


def test_what_is_in_the_file_cannot_disturb_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    with holder(path, 30) as process:
        path.write_bytes(b"\x1b[2J\xff" + b"x" * 1000)
        with pytest.raises(LockHeld) as error, exclusive_lock(path, 0):
            pass
        process.kill()
    assert str(error.value).isprintable()
    assert len(str(error.value)) < len(str(path)) + 400


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / ".lock").symlink_to(tmp_path / "target")
    with pytest.raises(OSError), exclusive_lock(tmp_path / ".lock", 0):
        pass
    assert not (tmp_path / "target").exists()


def test_nobody_else_can_open_it_whatever_the_umask_is(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with exclusive_lock(tmp_path / ".lock", 0):
            pass
    finally:
        os.umask(before)
    assert (tmp_path / ".lock").stat().st_mode & 0o7777 == 0o600
