# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""How the agent fetches files, with scripts in the place of ftp(1)."""

from __future__ import annotations

import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.client import payload
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import digest
from unit.agent_host import ME, Host, put, until


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def fetching(script: str, seconds: int = 30, sha256: str | None = None) -> bytes:
    """A fetch of /srv/f by a script in ftp's place, which gets `more` where it is to go on."""
    argv = ["/bin/sh", "-c", script, "sh"]
    file: dict[str, t.Any] = {"path": "/srv/f", "argv": argv, "resume": [*argv, "more"], **ME}
    if sha256:
        file["sha256"] = sha256
    words = {"begun": "no[ ]resume", "retrieved": "whole[ ]already", "full": "No[ ]space"}
    return payload(
        {"verb": "fetch", "by": "a test", "lock": "fetch.lock", "seconds": seconds,
         "files": [file], **words}
    )  # fmt: skip


WHOLE: t.Final = digest(b"whole")
# What is there before, the script in ftp's place, the checksum wanted: the state, and what is left.
FETCHES: dict[str, tuple[str, str, str | None, str, bytes | None]] = {
    "all of it": ("", "printf whole >/srv/f", WHOLE, "done", b"whole"),
    "without a checksum": ("", "printf whole >/srv/f", None, "done", b"whole"),
    "something else": ("", "printf other >/srv/f", WHOLE, "wrong", None),
    "cut off": ("", "printf who >/srv/f; echo reset >&2; exit 1", WHOLE, "failed", b"who"),
    "gone on with, which may be cut off again": (
        "wh", "[ $1 = more ] && printf ole >>/srv/f", WHOLE, "more", b"whole",
    ),
    "there already": ("whole", "echo whole already >&2; exit 1", WHOLE, "done", b"whole"),
    "longer already": ("wholes", "echo whole already >&2; exit 1", WHOLE, "wrong", None),
    # Without a word that it is whole, it may have been cut off before the first byte.
    "gone on with, and nothing more came": ("who", "[ $1 = more ]", None, "more", b"who"),
    "sent anew": ("xx", "echo no resume >&2; printf whole >/srv/f", WHOLE, "done", b"whole"),
    "a full disk": ("wh", "echo No space >&2; exit 1", WHOLE, "failed", None),
}  # fmt: skip


@pytest.mark.parametrize("name", FETCHES)
def test_fetch(host: Host, name: str) -> None:
    before, script, sha256, state, left = FETCHES[name]
    if before:
        (host.srv / "f").write_text(before)
    (answer,) = host.send(fetching(script, sha256=sha256))["files"]
    assert (answer["state"], host.tree()) == (state, {} if left is None else {"f": left})
    if state == "done":
        assert (host.srv / "f").stat().st_mode & 0o7777 == 0o640


def test_a_fetch_is_held_for_some_seconds_alone(host: Host) -> None:
    begin = time.monotonic()
    (answer,) = host.send(fetching("printf who >/srv/f; exec sleep 60", 1))["files"]
    assert (answer["state"], answer["size"]) == ("more", 3)
    assert time.monotonic() - begin < 10


def test_a_fetch_ends_with_its_controller(host: Host) -> None:
    process = host.start(fetching("touch /srv/begun; exec sleep 60"))
    assert process.stdout
    until(lambda: (host.srv / "begun").exists())
    process.stdout.close()
    # bwrap ends when all of its processes have.
    process.wait(20)


def test_two_fetches_take_turns_and_other_changes_need_not_wait(host: Host) -> None:
    process = host.start(fetching("touch /srv/begun; sleep 4; printf whole >/srv/f"))
    assert process.stdout
    until(lambda: (host.srv / "begun").exists())
    assert "failed" not in host.apply(*put("/srv/a", "b"), lock_wait=0)
    (answer,) = host.send(fetching("exit 3"))["files"]
    assert (host.srv / "f").read_text() == "whole"
    assert answer["state"] == "failed"
    process.stdout.close()
    process.wait(20)
