# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Files that were verified once are not read again, unless anybody may have changed them."""

from __future__ import annotations

import json
import os
import typing as t
from pathlib import Path

import pytest
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import digest
from unit.agent_host import Host

SET = "/srv/set"
ASK: t.Final = {"path": SET, "verified": 1}
# What no file has: an answer with it was not read from the file.
OF_RECORD: t.Final = "0" * 64


@pytest.fixture
def host(tmp_path: Path) -> Host:
    made = Host(tmp_path)
    (made.srv / "set").write_bytes(b"content")
    return made


def record(host: Host, **files: str) -> dict[str, t.Any]:
    """Records files below /srv with their SHA-256; what the server has on record then."""
    wanted = {f"/srv/{name}": sha256 for name, sha256 in files.items()}
    answer = host.apply({"do": "verified", "path": "/srv", "files": wanted})
    assert "failed" not in answer, answer["failed"]["text"]
    found: dict[str, t.Any] = json.loads((host.state / "verified").read_text())
    return found


def looked(host: Host) -> dict[str, t.Any]:
    found: dict[str, t.Any] = host.ask({"me": {"paths": [ASK]}})["answers"]["me"]["paths"][SET]
    return found


def say(host: Host, **fields: t.Any) -> None:
    """Gives the record another content, which tells whether the file was read."""
    known = json.loads((host.state / "verified").read_text())
    known[SET] |= {"sha256": OF_RECORD, **fields}
    (host.state / "verified").write_text(json.dumps(known))


def test_a_file_on_record_is_not_read_again(host: Host) -> None:
    assert "verified" not in looked(host)
    known = record(host, set=digest(b"content"))
    assert known[SET]["sha256"] == digest(b"content")
    place = host.state / "verified"
    assert place.stat().st_mode & 0o777 == 0o600
    say(host)
    assert (looked(host)["sha256"], looked(host)["verified"]) == (OF_RECORD, 1)
    # Whoever does not ask for the record gets what is in the file.
    assert host.probe(SET)["paths"][SET]["sha256"] == digest(b"content")


@pytest.mark.parametrize("field", ["size", "mtime", "ctime", "inode"])
def test_a_file_that_is_not_as_it_was_is_read(host: Host, field: str) -> None:
    known = record(host, set=digest(b"content"))
    say(host, **{field: known[SET][field] + 1})
    assert looked(host)["sha256"] == digest(b"content")
    say(host, **{field: None})
    assert looked(host)["sha256"] == digest(b"content")


def test_a_file_of_the_same_size_and_time_is_read(host: Host) -> None:
    record(host, set=digest(b"content"))
    was = (host.srv / "set").stat()
    (host.srv / "set").write_bytes(b"Content")
    os.utime(host.srv / "set", ns=(was.st_atime_ns, was.st_mtime_ns))
    assert looked(host)["sha256"] == digest(b"Content")


def _of_another(host: Host) -> None:
    # It is nobody's in the namespace, where root may read no more of it than others may.
    (host.state / "verified").chmod(0o644)
    os.chown(host.state / "verified", 12345, 12345)


def _writable(host: Host) -> None:
    (host.state / "verified").chmod(0o660)


def _in_a_writable_directory(host: Host) -> None:
    host.state.chmod(0o777)


def _a_link(host: Host) -> None:
    (host.state / "verified").rename(host.srv / "forged")
    (host.state / "verified").symlink_to("/srv/forged")


def _not_json(host: Host) -> None:
    (host.state / "verified").write_text("{")


def _a_list(host: Host) -> None:
    (host.state / "verified").write_text("[1]")


def _not_of_files(host: Host) -> None:
    (host.state / "verified").write_text(json.dumps({SET: "forged"}))


SPOILT: t.Final = [
    _writable, _in_a_writable_directory, _a_link, _not_json, _a_list, _not_of_files,
    # Nobody but root gives a file away.
    *([] if os.geteuid() else [_of_another]),
]  # fmt: skip


@pytest.mark.parametrize("spoil", SPOILT)
def test_a_record_that_others_could_have_written_is_not_believed(
    host: Host, spoil: t.Callable[[Host], None]
) -> None:
    record(host, set=digest(b"content"))
    say(host)
    assert looked(host)["sha256"] == OF_RECORD
    spoil(host)
    assert looked(host)["sha256"] == digest(b"content")


def test_only_what_is_as_it_should_be_is_recorded(host: Host) -> None:
    (host.srv / "other").write_bytes(b"other")
    (host.srv / "open").write_bytes(b"open")
    (host.srv / "open").chmod(0o666)
    known = record(host, set=digest(b"content"), other=OF_RECORD, open=digest(b"open"), gone="1")
    assert list(known) == [SET]


def test_the_record_of_other_files_stays_as_long_as_they_are_as_they_were(host: Host) -> None:
    (host.srv / "other").write_bytes(b"other")
    record(host, set=digest(b"content"))
    assert sorted(record(host, other=digest(b"other"))) == ["/srv/other", SET]
    (host.srv / "set").unlink()
    assert list(record(host, other=digest(b"other"))) == ["/srv/other"]


def test_what_is_recorded_cannot_change_within_its_second(host: Host) -> None:
    (host.srv / "set").write_bytes(b"just now")
    known = record(host, set=digest(b"just now"))
    assert known[SET]["ctime"] < int((host.state / "verified").stat().st_mtime)
