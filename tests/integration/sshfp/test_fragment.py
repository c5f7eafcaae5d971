# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The file of the fleet directory that a zone file includes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.puffy.vmm.plugins.plugin_utils._store.lock import exclusive_lock

from .conftest import Play

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKSUTyz1HwHReFVvD5obVsALAgJRNarH4TRpNePnAS"
RECORD = "4 2 a87f1b687ac0e57d2a081a2f282672334d90ed316d2b818ca9580ea384d92401"
OURS = f"server1.example.org. 3600 IN SSHFP {RECORD}\n"
OTHER = "server2.example.org. 60 IN SSHFP 1 2 " + "0" * 64 + "\n"


def task(path: Path, **fields: Any) -> dict[str, Any]:
    arguments = {"path": str(path), "zone": "example.org", "names": {"server1": [KEY]}}
    return {"name": "Write", "puffy.vmm.sshfp_fragment": arguments | fields}


def test_records_of_others_stay_and_nothing_is_written_twice(tmp_path: Path, play: Play) -> None:
    path = tmp_path / "dns/example.org.sshfp"
    done = play(task(path), "--check", "--diff")
    assert f"+{OURS}" in done.stdout, done.stdout + done.stderr
    assert not path.parent.exists()
    play(task(path))
    assert path.read_text().endswith(f"hand.\n{OURS}")
    path.write_text(path.read_text() + OTHER)
    done = play(task(path))
    assert "changed=0 " in done.stdout
    done = play(task(path, names={"server1": []}))
    assert "changed=1 " in done.stdout
    assert path.read_text().endswith(f"hand.\n{OTHER}")


def test_what_somebody_wrote_by_hand_is_not_thrown_away(tmp_path: Path, play: Play) -> None:
    path = tmp_path / "example.org.sshfp"
    path.write_text("server3 IN A 192.0.2.3\n")
    done = play(task(path))
    assert done.returncode != 0
    told = " ".join(done.stdout.split())
    assert f"{path}: line 1 is 'server3 IN A 192.0.2.3', which this collection did not" in told
    assert path.read_text() == "server3 IN A 192.0.2.3\n"


def test_one_run_at_a_time_writes(tmp_path: Path, play: Play) -> None:
    path = tmp_path / "example.org.sshfp"
    with exclusive_lock(tmp_path / ".lock", 1):
        done = play(task(path, lock_timeout=0.2))
    assert done.returncode != 0
    assert f"{tmp_path}/.lock: held by process" in " ".join(done.stdout.split())
    assert not path.exists()
