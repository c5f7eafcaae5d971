# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""How the agent moves images from one server to another: in sections, sparse, continued, whole."""

from __future__ import annotations

import json
import os
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.client import payload, program
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import digest
from unit.agent_host import Host, until

PERL = "/usr/bin/perl"
PIECE, SECTION = 1 << 16, 1 << 23
# Data, a hole that is longer than a section, data that ends within a piece, and a hole at the end.
PARTS: t.Final = (b"\1" * (PIECE + 7), SECTION + 3 * PIECE, b"end" * 1000, 5 * PIECE)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def sparse(path: Path, parts: t.Iterable[bytes | int] = PARTS) -> bytes:
    """Writes an image, of which numbers are holes of so many bytes; its content."""
    size = 0
    with path.open("wb") as file:
        for part in parts:
            if isinstance(part, bytes):
                file.seek(size)
                file.write(part)
            size += part if isinstance(part, int) else len(part)
        file.truncate(size)
    return path.read_bytes()


def sender(host: Host, *names: str) -> None:
    """Puts the file that sshd(8) runs to /srv/send."""
    (host.srv / "used").touch()
    (host.srv / "images").write_text(json.dumps([f"/srv/{name}" for name in names]))
    (host.srv / "send").write_bytes(program("send"))


def receiving(seconds: float, *names: str, argv: t.Sequence[str] = (PERL, "/srv/send")) -> bytes:
    files = [{"path": f"/srv/{name}", "argv": argv} for name in names]
    return payload(
        {"verb": "receive", "by": "a test", "lock": "move-web1.lock", "seconds": seconds,
         "argv": argv, "progress": "/srv/progress", "files": files}
    )  # fmt: skip


def test_images_arrive_whole_and_sparse(host: Host) -> None:
    one, two = sparse(host.srv / "a"), sparse(host.srv / "b", [b"second"])
    sparse(host.srv / "empty", [])
    sender(host, "a", "b", "empty")
    answer = host.send(receiving(30, "new-a", "new-b", "new-empty"))
    sums = [file["sha256"] for file in answer["progress"]["files"]]
    assert sums == [digest(one), digest(two), digest(b"")]
    assert (host.srv / "new-a").read_bytes() == one
    assert (host.srv / "new-b").read_bytes() == two
    assert (host.srv / "new-a").stat().st_blocks * 512 <= 4 * PIECE
    assert (host.srv / "new-a").stat().st_mode & 0o777 == 0o600


def test_what_arrived_stays_and_the_rest_follows(host: Host) -> None:
    whole = sparse(host.srv / "a", [os.urandom(SECTION) for _ in range(3)])
    sender(host, "a")
    offsets = []
    for _ in range(4):
        # In so short a time no more than one section comes.
        answer = host.send(receiving(0.001, "new"))
        offsets.append(answer["progress"]["files"][0]["offset"])
        assert (host.srv / "new").stat().st_size == offsets[-1]
    assert offsets == [SECTION, 2 * SECTION, 3 * SECTION, 3 * SECTION]
    assert answer["progress"]["files"][0]["sha256"] == digest(whole)
    assert (host.srv / "new").read_bytes() == whole


def test_a_receiver_that_is_killed_loses_what_it_has_not_noted(host: Host) -> None:
    whole = sparse(host.srv / "a", [os.urandom(SECTION), 2 * SECTION, b"end"])
    sender(host, "a")
    host.send(receiving(0.001, "new"))
    # Behind what is noted there is something, where zeros are not written.
    with (host.srv / "new").open("ab") as file:
        file.write(b"\2" * SECTION)
    answer = host.send(receiving(30, "new"))
    assert answer["progress"]["files"][0]["sha256"] == digest(whole)
    assert (host.srv / "new").read_bytes() == whole


def test_another_image_is_not_continued(host: Host) -> None:
    sparse(host.srv / "a", [b"\1" * (2 * SECTION)])
    sender(host, "a")
    host.send(receiving(0.001, "new"))
    time.sleep(1.1)
    whole = sparse(host.srv / "a", [b"\2" * (2 * SECTION)])
    answer = host.send(receiving(30, "new"))
    assert answer["progress"]["files"][0]["sha256"] == digest(whole)
    assert (host.srv / "new").read_bytes() == whole


def test_an_image_that_vanished_is_fetched_again(host: Host) -> None:
    whole = sparse(host.srv / "a", [b"\1" * (2 * SECTION)])
    sender(host, "a")
    host.send(receiving(0.001, "new"))
    (host.srv / "new").unlink()
    host.send(receiving(30, "new"))
    assert (host.srv / "new").read_bytes() == whole


def test_no_seconds_touch_nothing(host: Host) -> None:
    sparse(host.srv / "a")
    sender(host, "a")
    before = set(host.tree())
    assert "failed" not in {k for k, v in host.send(receiving(0, "new")).items() if v}
    assert set(host.tree()) == before


FAILURES: dict[str, tuple[str, str]] = {
    "ssh says why": ("echo Permission denied. >&2; exit 255", "the connection ended"),
    "something else answers": ("echo 'Welcome to this server, dear guest!'", "is not from send.pl"),
    "no images": (
        "printf 'E\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\015{\"images\":[]}'",
        "another number of images",
    ),
}


@pytest.mark.parametrize("name", FAILURES)
def test_what_is_wrong_is_said(host: Host, name: str) -> None:
    script, text = FAILURES[name]
    failed = host.send(receiving(5, "new", argv=("/bin/sh", "-c", script)))["failed"]
    assert text in failed["text"]
    assert ("Permission denied." in failed["stderr"]) == (name == "ssh says why")


def test_a_full_disk_gets_its_room_back(host: Host) -> None:
    sparse(host.srv / "a", [os.urandom(SECTION)])
    sender(host, "a")
    small = host.having("--size", str(1 << 20), "--tmpfs", "/mnt")
    data = receiving(30, "new").replace(b"/srv/new", b"/mnt/new")
    header, _, _rest = data.partition(b"__END__\n")
    request = json.loads(_rest.partition(b"\n")[2])
    failed = small.send(payload(request))["failed"]
    assert header
    assert "No space left" in failed["text"]
    assert failed["full"] == 1
    assert not (host.srv / "progress").exists()


def asked(host: Host, *requests: t.Mapping[str, t.Any]) -> list[dict[str, t.Any]]:
    """What send.pl answers to requests, without pieces."""
    lines = "".join(f"{json.dumps(one)}\n" for one in requests).encode()
    out, _ = host.popen(PERL, "/srv/send").communicate(lines)
    answers = []
    while out:
        kind, length = out[:1], int.from_bytes(out[9:13], "big")
        if kind == b"E":
            answers.append(json.loads(out[13 : 13 + length]))
        out = out[13 + length :]
    return answers


def test_the_sender_reads_what_it_was_given_alone(host: Host) -> None:
    sparse(host.srv / "a", [b"data"])
    (host.srv / "secret").write_bytes(b"secret")
    sender(host, "a", "link")
    (host.srv / "link").symlink_to("secret")
    good = {"image": 0, "offset": 0, "length": 10}
    bad: list[dict[str, t.Any]] = [
        {**good, "image": 2}, {**good, "image": -1}, {**good, "image": "/srv/secret"},
        {**good, "offset": 5}, {**good, "offset": -1}, {**good, "length": 1 << 40},
        {**good, "image": 1}, {**good, "state": "no state"},
    ]  # fmt: skip
    first, *others, last = asked(host, good, *bad, good)
    assert first["sha256"] == last["sha256"] == digest(b"data")
    assert all(set(one) == {"failed"} for one in others), others
    assert len(others) == len(bad)


def test_a_checksum_is_taken_in_parts(host: Host) -> None:
    one, two = sparse(host.srv / "a"), sparse(host.srv / "b", [b"x" * SECTION, b"y" * SECTION])
    files: list[dict[str, t.Any]] = [{"path": "/srv/a"}, {"path": "/srv/b"}]
    sums: dict[str, str] = {}
    rounds = 0
    while files:
        rounds += 1
        answer = host.send(payload({"verb": "digest", "seconds": 0, "files": files}))
        for file in answer["files"]:
            if "sha256" in file:
                sums[file["path"]] = file["sha256"]
        left = {one["path"]: one for one in answer["files"] if "sha256" not in one}
        files = [left.get(one["path"], one) for one in files if one["path"] not in sums]
    assert sums == {"/srv/a": digest(one), "/srv/b": digest(two)}
    assert rounds == 4


KEY: t.Final = 'restrict,command="x" ssh-ed25519 AAAA'
OTHERS: t.Final = "ssh-ed25519 BBBB me@example.org\n"


def offering(verb: str, **more: object) -> bytes:
    request = {"verb": verb, "by": "a test", "lock": "offer.lock", "keys": "/srv/keys",
               "directory": "/var/backups/puffy.vmm/move-web1", "mark": "puffy.vmm-move-web1",
               "owner": "root", "group": "root", "idle": 600, "line": KEY, "files": [],
               "images": ["/srv/a"]}  # fmt: skip
    return payload({**request, **more}, b"#!/usr/bin/perl\n")


def test_a_key_is_offered_and_withdrawn(host: Host) -> None:
    keys = host.srv / "keys"
    keys.write_text(OTHERS.rstrip("\n"))
    keys.chmod(0o640)
    for _ in range(2):
        assert host.send(offering("offer"))["offered"]
        assert keys.read_text() == f"{OTHERS}{KEY} puffy.vmm-move-web1\n"
        assert (host.state / "move-web1/send").read_bytes() == b"#!/usr/bin/perl\n"
        assert json.loads((host.state / "move-web1/images").read_text()) == ["/srv/a"]
    assert keys.stat().st_mode & 0o777 == 0o640
    for _ in range(2):
        assert host.send(offering("withdraw"))["withdrawn"]
        assert keys.read_text() == OTHERS
        assert not (host.state / "move-web1").exists()


def test_a_key_that_nobody_uses_is_withdrawn_without_a_run(host: Host) -> None:
    keys = host.srv / "keys"
    # The namespace ends with its last process, so the one that waits is waited for in it.
    process = host.popen("sh", "-c", "perl - && sleep 6")
    host.feed(process, offering("offer", idle=2))
    until(lambda: keys.exists() and KEY in keys.read_text())
    until(lambda: keys.read_text() == "")
    until(lambda: not (host.state / "move-web1").exists())
    assert process.stdout
    process.stdout.close()
    process.kill()
    process.wait(10)
