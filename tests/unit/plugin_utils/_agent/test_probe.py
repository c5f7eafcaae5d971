# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What the agent sees of a server, and tells those who ask."""

from __future__ import annotations

import base64
import errno
import json
import os
import socket
import time
from pathlib import Path

import pytest
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.client import payload, unveiled
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import digest
from unit.agent_host import Host, put


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_probe_tells_what_is_there_and_changes_nothing(host: Host) -> None:
    (host.srv / "a").write_text("hello\n")
    (host.srv / "a").chmod(0o640)
    (host.srv / "d").mkdir(mode=0o750)
    (host.srv / "l").symlink_to("/etc/passwd")
    paths = ("/srv/a", "/srv/d", "/srv/l", "/srv/none", "/srv/a/below")
    answer = host.probe(*paths, list=[{"path": "/srv"}])
    stat = (host.srv / "a").stat()
    assert answer["paths"]["/srv/a"] == {
        "type": "file", "mode": "0640", "owner": "root", "group": "root", "size": 6,
        "blocks": stat.st_blocks, "mtime": int(stat.st_mtime), "ctime": int(stat.st_ctime),
        "inode": stat.st_ino, "sha256": digest(b"hello\n"),
    }  # fmt: skip
    assert answer["paths"]["/srv/d"]["type"] == "directory"
    assert answer["paths"]["/srv/d"]["mode"] == "0750"
    assert answer["paths"]["/srv/l"]["type"] == "link"
    assert "sha256" not in answer["paths"]["/srv/l"]
    assert answer["paths"]["/srv/none"] is None
    assert answer["paths"]["/srv/a/below"] is None
    assert answer["list"] == {"/srv": ["a", "d", "l"]}
    assert answer["unfinished"] is False
    assert list(host.backups.iterdir()) == []


def test_probe_gives_the_beginning_of_a_file_however_large_it_is(host: Host) -> None:
    """Also of one that others write, of which it would not read so much."""
    (host.srv / "a").write_bytes(b"QFI\xfb" + bytes(1 << 21))
    (host.srv / "a").chmod(0o666)
    (host.srv / "l").symlink_to("a")
    asks = [{"path": f"/srv/{name}", "hash": 0, "head": 6} for name in ("a", "l", "none")]
    data = payload({"verb": "probe", "asks": {"": {"paths": asks}}})
    answer = host.send(data)["answers"][""]
    assert {path: base64.b64decode(text) for path, text in answer["read"].items()} == {
        "/srv/a": b"QFI\xfb\0\0"
    }
    assert "sha256" not in answer["paths"]["/srv/a"]


def test_probe_looks_into_directories_of_a_name(host: Host) -> None:
    for name in ("once-a", "other"):
        (host.srv / name).mkdir()
        (host.srv / name / "f").write_text(name)
    (host.srv / "once-link").symlink_to("/srv/other")
    (host.srv / "once-file").touch()
    answer = host.probe(list=[{"path": "/srv", "within": "\\Aonce-"}])
    assert answer["list"] == {
        "/srv": ["once-a", "once-file", "once-link", "other"], "/srv/once-a": ["f"],
    }  # fmt: skip
    types = {path: facts["type"] for path, facts in answer["paths"].items()}
    assert types == {
        "/srv/once-a": "directory", "/srv/once-a/f": "file", "/srv/once-file": "file",
        "/srv/once-link": "link",
    }  # fmt: skip
    assert answer["paths"]["/srv/once-a/f"]["sha256"] == digest(b"once-a")


def test_probe_reads_and_runs_what_it_is_asked_to(host: Host) -> None:
    (host.srv / "a").write_bytes(b"\xff\x00\n")
    run = {"name": "x", "argv": ["/bin/sh", "-c", "echo out; echo err >&2; exit 3"]}
    answer = host.probe(paths=[{"path": "/srv/a", "read": 1}], run=[run])
    assert base64.b64decode(answer["read"]["/srv/a"]) == b"\xff\x00\n"
    assert answer["run"]["x"] == {"rc": 3, "stdout": "out\n", "stderr": "err\n"}


def test_an_answer_is_veiled_with_the_key_of_its_request(host: Host) -> None:
    (host.srv / "a").write_text("secret " * 100)
    key = "00" * 32
    asks = {"me": {"paths": [{"path": "/srv/a", "read": 1}]}}
    process = host.start(payload({"verb": "probe", "asks": asks, "key": key}))
    assert process.stdout
    (line,) = process.stdout.read().decode().splitlines()
    process.stdout.close()
    process.wait(30)
    assert "srv" not in line
    answer = json.loads(unveiled(line, key))
    read = answer["answers"]["me"]["read"]["/srv/a"]
    assert base64.b64decode(read) == b"secret " * 100
    assert b"srv" not in base64.b64decode(line)
    with pytest.raises(ValueError, match=r"."):
        json.loads(unveiled(line, "11" * 32))


def test_a_device_with_nothing_behind_it_is_found_by_opening_it(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The path of a socket has 107 bytes at most.
    monkeypatch.chdir(host.srv)
    with socket.socket(socket.AF_UNIX) as device:
        device.bind("none")
    (host.srv / "one").touch()
    answer = host.probe(open=["/srv/one", "/srv/none", "/srv/missing"])
    assert answer["open"]["/srv/one"] == ""
    assert answer["open"]["/srv/none"] == os.strerror(errno.ENXIO)
    assert answer["open"]["/srv/missing"] == os.strerror(errno.ENOENT)


def test_those_who_ask_are_answered_each_and_what_they_share_is_looked_at_once(host: Host) -> None:
    (host.srv / "a").write_text("hello")
    argv = ["/bin/sh", "-c", "echo run >>/srv/runs; sleep 2; echo said"]
    run = {"argv": argv, "timeout": 1}
    answer = host.ask({
        "one": {"paths": [{"path": "/srv/a", "read": 1}], "run": [{"name": "x", **run}]},
        "two": {"paths": [{"path": "/srv/a", "hash": 0}], "groups": ["daemon"],
                "run": [{"name": "y", "argv": argv}, {"name": "z", "argv": argv, "cwd": "/srv"}]},
        "none": {},
    })  # fmt: skip
    one, two, none = (answer["answers"][key] for key in ("one", "two", "none"))
    assert base64.b64decode(one["read"]["/srv/a"]) == b"hello"
    assert one["paths"]["/srv/a"]["sha256"] == digest(b"hello")
    assert "sha256" not in two["paths"]["/srv/a"]
    assert two["read"] == {}
    # The longest time that somebody gives it counts, and another directory is another run.
    assert one["run"]["x"] == two["run"]["y"] == {"rc": 0, "stdout": "said\n", "stderr": ""}
    assert (host.srv / "runs").read_text() == "run\n" * 2
    assert two["groups"] == {"daemon": ""}
    assert set(none) == {"paths", "read", "list", "open", "run", "users", "groups"}
    assert not any(none.values())


def test_every_answer_says_what_system_it_is_and_who_is_at_work(host: Host) -> None:
    answer = host.ask({})
    assert (answer["uid"], answer["user"]) == (0, "root")
    assert answer["uname"] == f"{os.uname().sysname} {os.uname().release}\n"


def test_an_account_is_seen_without_its_home(host: Host) -> None:
    passwd = host.etc / "passwd"
    passwd.write_text("root:x:0:0::/root:/bin/sh\nme:x:1000:1000::/srv/home:/bin/ksh\n")
    (host.etc / "group").write_text("root:x:0:\nme:x:1000:\nvmdusers:x:9:you,me\nwww:x:8:me\n")
    (host.srv / "home").symlink_to("/srv/nowhere")
    (host.srv / "owners").write_text("me\nnobody-there\n")
    answer = host.probe(users=["root"], rosters=["/srv/owners", "/srv/none"])
    assert answer["users"] == {
        "root": {"home": "/root", "shell": "/bin/sh", "group": "root", "groups": []},
        "me": {"home": "/srv/home", "shell": "/bin/ksh", "group": "me",
               "groups": ["vmdusers", "www"]},
    }  # fmt: skip


@pytest.mark.parametrize("mode", [0o644, 0o666])
def test_a_file_without_end_holds_up_nothing_where_others_can_write_it(
    host: Host, mode: int
) -> None:
    path = host.srv / "log"
    path.touch()
    path.chmod(mode)
    os.truncate(path, 1 << 40 if mode == 0o666 else 1 << 21)
    began = time.monotonic()
    seen = host.probe("/srv/log")["paths"]["/srv/log"]
    assert time.monotonic() - began < 10
    assert ("sha256" in seen) is (mode == 0o644)
    if mode == 0o666:
        answer = host.probe(paths=[{"path": "/srv/log", "read": 1}])
        assert answer["failed"]["text"] == "/srv/log is larger than 1048576 bytes"
        answer = host.apply(*put("/srv/log", "new", "old"))
        assert "too large to be compared" in answer["failed"]["text"]


def test_a_file_that_grows_while_it_is_read_comes_to_an_end(host: Host) -> None:
    (host.srv / "log").write_bytes(b"x" * (8 << 20))
    grow = "while [ ! -e /srv/stop ]; do head -c 1048576 /dev/zero >>/srv/log; done"
    writer = host.popen("sh", "-c", grow)
    try:
        assert "failed" not in host.probe("/srv/log")
    finally:
        (host.srv / "stop").touch()
        writer.communicate(timeout=20)


def test_probe_does_not_hang_on_a_fifo(host: Host) -> None:
    os.mkfifo(host.srv / "fifo")
    assert host.probe("/srv/fifo")["paths"]["/srv/fifo"]["type"] == "other"


def test_the_clock_of_the_server_decides_no_deadline(host: Host) -> None:
    """With a clock that runs an hour in each second, as somebody who sets it might have it."""
    run = {"name": "x", "argv": ["/bin/sh", "-c", "sleep 1; echo done"], "timeout": 5}
    data = payload({"verb": "probe", "asks": {"me": {"run": [run]}}})
    fast = b"BEGIN { *CORE::GLOBAL::time = sub :prototype() () { state $n = 0; 3600 * $n++ } }\n"
    answer = host.send(b"use v5.36;" + fast + data)
    assert answer["answers"]["me"]["run"]["x"]["stdout"] == "done\n"
