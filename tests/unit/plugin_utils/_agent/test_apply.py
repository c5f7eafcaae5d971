# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The agent itself, run by perl in a namespace where /srv and /var/backups are the test's own."""

from __future__ import annotations

import base64
import errno
import json
import os
import signal
import socket
import subprocess
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.client import payload, unveiled
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import digest

Answer = dict[str, t.Any]
ME = {"owner": "root", "group": "root", "mode": "0640"}


class Host:
    """A place for the agent to work in: `srv` is /srv, `backups` is /var/backups."""

    def __init__(self, directory: Path, *options: str) -> None:
        self.srv = directory / "srv"
        self.backups = directory / "backups"
        self.srv.mkdir()
        self.backups.mkdir()
        self.options = options

    def start(self, data: bytes) -> subprocess.Popen[bytes]:
        command = "bwrap --die-with-parent --unshare-user --uid 0 --gid 0 --ro-bind / /".split()
        command += ["--dev", "/dev", "--proc", "/proc", "--bind", str(self.srv), "/srv"]
        command += ["--bind", str(self.backups), "/var/backups", *self.options]
        process = subprocess.Popen(
            [*command, "perl", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert process.stdin
        process.stdin.write(data)
        process.stdin.close()
        return process

    def send(self, data: bytes) -> Answer:
        process = self.start(data)
        assert process.stdout
        out = process.stdout.read()
        process.stdout.close()
        process.wait(30)
        answer: Answer = json.loads(out.splitlines()[-1])
        return answer

    def probe(self, *paths: str, **more: object) -> Answer:
        asks = [{"path": path} for path in paths]
        return self.send(payload({"verb": "probe", "paths": asks, **more}))

    def apply(self, *steps: dict[str, t.Any], **more: object) -> Answer:
        return self.send(request(*steps, **more))

    def tree(self) -> dict[str, bytes | None]:
        """Everything below /srv by path: contents of files, None for directories."""
        found = sorted(self.srv.rglob("*"))
        return {
            str(p.relative_to(self.srv)): p.read_bytes() if p.is_file() else None for p in found
        }


def request(*steps: dict[str, t.Any], **more: object) -> bytes:
    contents = b""
    wire = []
    for number, step in enumerate(steps):
        entry = {"n": number, "title": f"step {number}", **step}
        if "content" in entry:
            content = entry.pop("content").encode()
            entry["blob"] = [len(contents), len(content)]
            contents += content
        wire.append(entry)
    run_id = more.pop("id", "20261123T120000-0badcafe")
    return payload({"verb": "apply", "id": run_id, "by": "a test", "steps": wire, **more}, contents)


def put(
    path: str, content: str, before: str | None = None, **more: object
) -> list[dict[str, t.Any]]:
    """Stage and commit of a file."""
    was = [None if before is None else digest(before.encode())]
    stage = {"do": "stage", "path": path, "before": was, "content": content, **ME, **more}
    sha256 = digest(content.encode())
    return [stage, {"do": "commit", "path": path, "before": was, "sha256": sha256, **more}]


def sh(script: str, **more: object) -> dict[str, t.Any]:
    return {"do": "run", "argv": ["/bin/sh", "-c", script], **more}


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
    assert answer["paths"]["/srv/a"] == {
        "type": "file", "mode": "0640", "owner": "root", "group": "root", "size": 6,
        "blocks": (host.srv / "a").stat().st_blocks, "sha256": digest(b"hello\n"),
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
    answer = host.send(
        payload({"verb": "probe", "paths": [{"path": "/srv/a", "read": 1}], "run": [run]})
    )
    assert base64.b64decode(answer["read"]["/srv/a"]) == b"\xff\x00\n"
    assert answer["run"]["x"] == {"rc": 3, "stdout": "out\n", "stderr": "err\n"}


def test_an_answer_is_veiled_with_the_key_of_its_request(host: Host) -> None:
    (host.srv / "a").write_text("secret " * 100)
    key = "00" * 32
    ask = {"verb": "probe", "paths": [{"path": "/srv/a", "read": 1}], "key": key}
    process = host.start(payload(ask))
    assert process.stdout
    (line,) = process.stdout.read().decode().splitlines()
    process.stdout.close()
    process.wait(30)
    assert "srv" not in line
    answer = json.loads(unveiled(line, key))
    assert base64.b64decode(answer["read"]["/srv/a"]) == b"secret " * 100
    assert b"srv" not in base64.b64decode(line)
    with pytest.raises(ValueError, match=r"."):
        json.loads(unveiled(line, "11" * 32))


def test_programs_have_the_umask_that_they_have_at_boot(host: Host) -> None:
    assert "failed" not in host.apply(sh("umask > /srv/umask; cat /proc/$PPID/status > /srv/agent"))
    assert int((host.srv / "umask").read_text(), 8) == 0o022
    assert (host.srv / "umask").stat().st_mode & 0o777 == 0o644
    assert "Umask:\t0077\n" in (host.srv / "agent").read_text()


def test_probe_does_not_hang_on_a_fifo(host: Host) -> None:
    os.mkfifo(host.srv / "fifo")
    assert host.probe("/srv/fifo")["paths"]["/srv/fifo"]["type"] == "other"


@pytest.fixture
def somebody(tmp_path: Path) -> Host:
    """A host on which the agent is the user `me` with the home /srv, without a right of root's."""
    passwd = tmp_path / "passwd"
    passwd.write_text("me:x:1000:1000::/srv:/bin/sh\n")
    options = ["--uid", "1000", "--gid", "1000", "--cap-drop", "ALL"]
    return Host(tmp_path, *options, "--ro-bind", str(passwd), "/etc/passwd")


def test_a_file_without_end_of_a_user_holds_up_nothing(somebody: Host) -> None:
    keys = somebody.srv / ".ssh/authorized_keys"
    keys.parent.mkdir()
    keys.touch()
    os.truncate(keys, 1 << 40)
    asks = [{"path": "/srv/.ssh/authorized_keys", "as": "me"}]
    answer = somebody.send(payload({"verb": "probe", "users": ["me"], "paths": asks}))
    seen = answer["users"]["me"]["files"][".ssh/authorized_keys"]
    assert (seen["type"], seen["size"], "sha256" in seen) == ("file", 1 << 40, False)
    asks[0]["read"] = "1"
    answer = somebody.send(payload({"verb": "probe", "paths": asks}))
    assert answer["failed"]["text"] == "/srv/.ssh/authorized_keys: it is too large"


def test_a_home_that_a_user_closed_hides_nothing_else(somebody: Host) -> None:
    (somebody.srv / ".ssh").mkdir(mode=0)
    answer = somebody.send(payload({"verb": "probe", "users": ["me"], "groups": ["daemon"]}))
    assert answer["users"]["me"]["files"][".ssh"]["type"] == "directory"
    assert answer["users"]["me"]["files"][".ssh/authorized_keys"] == {
        "type": "file that cannot be read"
    }
    assert answer["groups"] == {"daemon": ""}


@pytest.mark.parametrize("cut", [1, 20, 400])
def test_a_request_that_did_not_arrive_whole_changes_nothing(host: Host, cut: int) -> None:
    data = request(*put("/srv/a", "x" * 1000))
    answer = host.send(data[:-cut])
    assert "did not arrive whole" in answer["failed"]["text"]
    assert host.tree() == {}


def test_apply_writes_files_with_their_attributes(host: Host) -> None:
    (host.srv / "old").write_text("before")
    steps = [
        {"do": "directory", "path": "/srv/new", **ME, "mode": "0755"},
        *put("/srv/new/a", "hello\n"),
        *put("/srv/old", "after", "before"),
    ]
    assert "failed" not in host.apply(*steps)
    assert host.tree() == {"new": None, "new/a": b"hello\n", "old": b"after"}
    assert (host.srv / "new").stat().st_mode & 0o7777 == 0o755
    assert (host.srv / "new/a").stat().st_mode & 0o7777 == 0o640
    kept = list(host.backups.glob("puffy.vmm/2026*/*"))
    assert "before" in [path.read_text() for path in kept if path.name.isdigit()]


def test_a_file_that_changed_after_the_probe_stops_everything(host: Host) -> None:
    (host.srv / "b").write_text("somebody's edit")
    answer = host.apply(*put("/srv/a", "new"), *put("/srv/b", "new", "what the probe saw"))
    assert "/srv/b was changed by somebody else" in answer["failed"]["text"]
    assert host.tree() == {"b": b"somebody's edit"}


def test_a_checker_that_refuses_leaves_all_as_it_was(host: Host) -> None:
    (host.srv / "a").write_text("old")
    stage, commit = put("/srv/a", "new", "old")
    check = {"do": "run", "argv": ["/bin/grep", "-c", "good", {"path": "/srv/a"}]}
    answer = host.apply(stage, check, commit)
    assert answer["failed"]["rc"] == 1
    assert answer["failed"]["step"] == 1
    assert answer["failed"]["undo_problems"] == []
    assert host.tree() == {"a": b"old"}


def test_the_way_back_restores_files_directories_and_runs_what_undoes(host: Host) -> None:
    (host.srv / "a").write_text("old")
    (host.srv / "a").chmod(0o604)
    (host.srv / "stray").write_text("stays")
    (host.srv / "d").mkdir(mode=0o701)
    undo = [{"argv": ["/bin/sh", "-c", "cat /srv/a > /srv/seen"]}]
    steps = [
        {"do": "directory", "path": "/srv/made", **ME, "mode": "0755"},
        {"do": "directory", "path": "/srv/d", **ME, "mode": "0755"},
        *put("/srv/made/b", "b"),
        *put("/srv/a", "new", "old"),
        {"do": "remove", "path": "/srv/stray", "before": [digest(b"stays")]},
        sh("true", undo=undo),
        sh("echo no way >&2; exit 7"),
    ]
    answer = host.apply(*steps)
    assert (answer["failed"]["rc"], answer["failed"]["stderr"]) == (7, "no way\n")
    assert answer["failed"]["undo_problems"] == []
    # The undo ran after the files were back: a daemon restarts with its old file.
    assert host.tree() == {"a": b"old", "d": None, "seen": b"old", "stray": b"stays"}
    assert (host.srv / "a").stat().st_mode & 0o7777 == 0o604
    assert (host.srv / "d").stat().st_mode & 0o7777 == 0o701
    assert not (host.backups / "puffy.vmm/pending").exists()


def strays(host: Host) -> list[dict[str, t.Any]]:
    """A directory with a file in it, and the steps that remove both."""
    (host.srv / "d").mkdir(mode=0o710)
    (host.srv / "d/a").write_text("stray")
    (host.srv / "d/a").chmod(0o604)
    remove = {"do": "remove", "path": "/srv/d/a", "before": [digest(b"stray")], "sensitive": 1}
    return [remove, {"do": "rmdir", "path": "/srv/d"}]


def modes(host: Host) -> dict[str, int]:
    return {str(p.relative_to(host.srv)): p.stat().st_mode & 0o7777 for p in host.srv.rglob("*")}


def test_a_directory_goes_and_comes_back_with_what_was_in_it(host: Host) -> None:
    steps = strays(host)
    before = modes(host)
    assert host.apply(*steps, sh("exit 1"))["failed"]["undo_problems"] == []
    assert (modes(host), host.tree()) == (before, {"d": None, "d/a": b"stray"})
    assert "failed" not in host.apply(*steps)
    assert host.tree() == {}
    kept = b"".join(p.read_bytes() for p in host.backups.rglob("*") if p.is_file())
    assert b"stray" not in kept


def test_a_directory_that_a_killed_run_removed_comes_back(host: Host) -> None:
    steps = strays(host)
    before = modes(host)
    process = host.start(request(*steps, sh("exec sleep 60")))
    _until(lambda: not (host.srv / "d").exists())
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    assert process.stdout
    process.stdout.close()
    assert "failed" not in host.apply()
    assert (modes(host), host.tree()) == (before, {"d": None, "d/a": b"stray"})


def test_what_is_no_empty_directory_is_never_removed(host: Host) -> None:
    (host.srv / "full").mkdir()
    (host.srv / "full/theirs").write_text("data")
    (host.srv / "file").write_text("data")
    (host.srv / "link").symlink_to("/srv/empty")
    (host.srv / "empty").mkdir()
    before = host.tree()
    for name, why in {"full": "not empty", "file": "Not a dir", "link": "Not a dir"}.items():
        answer = host.apply({"do": "rmdir", "path": f"/srv/{name}"})
        assert why in answer["failed"]["text"]
        assert answer["failed"]["undo_problems"] == []
    assert host.tree() == before


def test_what_did_not_begin_is_not_undone_but_a_failed_restart_is(host: Host) -> None:
    mark = [{"argv": ["/bin/touch", "/srv/undone"]}]
    host.apply(sh("exit 1", undo=mark))
    assert host.tree() == {}
    host.apply(sh("exit 1", undo=mark, undo_always=1))
    assert host.tree() == {"undone": b""}


def test_an_undo_that_fails_is_told(host: Host) -> None:
    undo = [{"argv": ["/bin/sh", "-c", "echo broken >&2; exit 1"]}]
    answer = host.apply(sh("true", undo=undo), sh("exit 1"))
    assert "broken" in answer["failed"]["undo_problems"][0]


def test_a_program_that_does_not_end_is_ended(host: Host) -> None:
    start = time.monotonic()
    answer = host.apply(sh("trap '' TERM; sleep 60 & wait; sleep 60", timeout=1))
    assert answer["failed"]["text"] == "did not end in time"
    assert time.monotonic() - start < 10
    assert "failed" not in host.apply(sh("sleep 60", timeout=1, ok=[124]))


def test_a_daemon_that_keeps_the_output_open_does_not_hold_the_run(host: Host) -> None:
    start = time.monotonic()
    assert "failed" not in host.apply(sh("(sleep 20 &) ; echo started"))
    assert time.monotonic() - start < 5


def test_wait_judges_by_status_and_output_until_the_deadline(host: Host) -> None:
    script = "echo $$ >> /srv/n; [ $(wc -l < /srv/n) -ge 3 ] && echo 'up web1'"
    wait = {"do": "wait", "argv": ["/bin/sh", "-c", script], "seconds": 10}
    assert "failed" not in host.apply({**wait, "match": ["\\sweb1$"]})
    answer = host.apply({**wait, "match": ["\\sweb2$"], "seconds": 1})
    assert answer["failed"]["text"] == "it did not come to pass in time"


def test_a_lost_connection_is_noticed_and_everything_put_back(host: Host) -> None:
    (host.srv / "a").write_text("old")
    wait = sh("while [ ! -e /srv/go ]; do sleep 0.05; done; rm /srv/go")
    process = host.start(request(*put("/srv/a", "new", "old"), wait, sh("touch /srv/after")))
    assert process.stdout
    _until(lambda: (host.backups / "puffy.vmm/pending/begun").exists())
    process.stdout.close()
    (host.srv / "go").touch()
    process.wait(20)
    assert host.tree() == {"a": b"old"}


def test_a_signal_is_noticed_and_everything_put_back(host: Host) -> None:
    (host.srv / "a").write_text("old")
    wait = sh("while [ ! -e /srv/go ]; do sleep 0.05; done; rm /srv/go; kill -TERM $PPID")
    process = host.start(request(*put("/srv/a", "new", "old"), wait, sh("touch /srv/after")))
    _until(lambda: (host.srv / "a").read_text() == "new")
    (host.srv / "go").touch()
    assert process.stdout
    answer = json.loads(process.stdout.read().splitlines()[-1])
    process.stdout.close()
    process.wait(20)
    assert answer["failed"]["text"] == "interrupted by SIGTERM"
    assert host.tree() == {"a": b"old"}


def test_a_run_that_was_killed_is_undone_by_the_next_one(host: Host) -> None:
    (host.srv / "a").write_text("old")
    undo = [{"argv": ["/bin/touch", "/srv/undone"]}]
    never = [{"argv": ["/bin/touch", "/srv/wrong"]}]
    hang = sh("exec sleep 60")
    steps = [*put("/srv/a", "new", "old"), sh("true", undo=undo), hang, sh("true", undo=never)]
    process = host.start(request(*steps))
    _until(lambda: (host.backups / "puffy.vmm/pending/begun").exists())
    _until(lambda: "3" in (host.backups / "puffy.vmm/pending/begun").read_text())
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    assert process.stdout
    process.stdout.close()
    assert (host.srv / "a").read_text() == "new"
    assert host.probe("/srv/a")["unfinished"] is True
    assert "failed" not in host.apply()
    assert host.tree() == {"a": b"old", "undone": b""}
    assert host.probe("/srv/a")["unfinished"] is False


def test_the_next_run_does_not_undo_what_somebody_repaired_by_hand(host: Host) -> None:
    (host.srv / "a").write_text("old")
    process = host.start(request(*put("/srv/a", "new", "old"), sh("exec sleep 60")))
    _until(lambda: (host.backups / "puffy.vmm/pending/begun").exists())
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    assert process.stdout
    process.stdout.close()
    (host.srv / "a").write_text("repaired")
    assert "changed by somebody else; left as it is" in host.apply()["failed"]["text"]
    assert (host.srv / "a").read_text() == "repaired"


def test_a_second_run_waits_and_then_says_who_is_at_work(host: Host) -> None:
    process = host.start(request(sh("sleep 4")))
    _until(lambda: (host.backups / "puffy.vmm/lock").exists())
    _until(lambda: "a test" in (host.backups / "puffy.vmm/lock").read_text())
    answer = host.apply(sh("true"), lock_wait=1)
    assert "another run is changing this server: a test since" in answer["failed"]["text"]
    assert "failed" not in host.apply(sh("true"), lock_wait=20)
    assert process.stdout
    process.stdout.close()
    process.wait(10)


def test_a_full_disk_leaves_all_as_it_was(tmp_path: Path) -> None:
    # The tmpfs is new for each run, so the check is made by the request itself.
    host = Host(tmp_path, "--size", "65536", "--tmpfs", "/srv")
    answer = host.apply(*put("/srv/a", "small"), *put("/srv/b", "x" * 100_000))
    assert "No space left on device" in answer["failed"]["text"]
    assert answer["failed"]["undo_problems"] == []


def test_a_change_that_is_confirmed_stays(host: Host) -> None:
    (host.srv / "a").write_text("old")
    run_id = "20261123T130000-00000001"
    # The agent that waits keeps its namespace, so the confirmation must come from the same host.
    assert "failed" not in host.apply(*put("/srv/a", "new", "old"), confirm=20, id=run_id)
    assert (host.srv / "a").read_text() == "new"
    assert host.probe()["unfinished"] is True
    assert "failed" not in host.send(payload({"verb": "confirm", "id": run_id}))
    assert host.probe()["unfinished"] is False
    assert (host.srv / "a").read_text() == "new"
    assert (host.backups / "puffy.vmm" / run_id).is_dir()


def test_a_change_that_nobody_confirms_is_put_back(host: Host) -> None:
    (host.srv / "a").write_text("old")
    undo = [{"argv": ["/bin/touch", "/srv/undone"]}]
    run_id = "20261123T130000-00000002"
    assert "failed" not in host.apply(
        *put("/srv/a", "new", "old"), sh("true", undo=undo), confirm=1, id=run_id
    )
    _until(lambda: not (host.backups / "puffy.vmm/pending").exists())
    assert host.tree() == {"a": b"old", "undone": b""}
    answer = host.send(payload({"verb": "confirm", "id": run_id}))
    assert "nothing waits for a confirmation" in answer["failed"]["text"]


@pytest.mark.parametrize("members", ["tap0 flags=3", ""])
def test_a_way_back_may_be_left_out_for_what_is_there_by_then(host: Host, members: str) -> None:
    (host.srv / "switch").write_text(f"veb0: flags=8843\n\t{members}\n")
    unless = {"argv": ["/bin/cat", "/srv/switch"], "match": r"^\t\S+\ flags="}
    undo = [
        {"argv": ["/bin/touch", "/srv/destroyed"], "unless": unless},
        {"argv": ["/bin/touch", "/srv/undone"]},
    ]
    answer = host.apply(sh("true", undo=undo), sh("false"))
    assert answer["failed"]["undo_problems"] == []
    assert (host.srv / "destroyed").exists() is not bool(members)
    assert (host.srv / "undone").exists()


def test_nobody_else_changes_the_server_while_a_change_waits(host: Host) -> None:
    run_id = "20261123T130000-00000003"
    host.apply(*put("/srv/a", "new"), confirm=20, id=run_id)
    assert "another run" in host.apply(*put("/srv/b", "b"), lock_wait=0)["failed"]["text"]
    host.send(payload({"verb": "confirm", "id": run_id}))
    assert "failed" not in host.apply(*put("/srv/b", "b"))


def test_old_files_are_kept_for_some_generations_but_no_secrets(host: Host) -> None:
    (host.srv / "a").write_text("0")
    (host.srv / "s").write_text("secret 0")
    for number in range(1, 5):
        steps = [
            *put("/srv/a", str(number), str(number - 1)),
            *put("/srv/s", f"secret {number}", f"secret {number - 1}", sensitive=1),
        ]
        run_id = f"20261123T12000{number}-0badcafe"
        assert "failed" not in host.apply(*steps, id=run_id, keep=2)
    generations = sorted(path.name[:15] for path in host.backups.glob("puffy.vmm/2026*"))
    assert generations == ["20261123T120003", "20261123T120004"]
    kept = b"".join(p.read_bytes() for p in host.backups.rglob("*") if p.is_file())
    assert b"secret" not in kept.replace(b"sensitive", b"")


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


def test_what_a_program_said_that_did_not_bring_a_file(host: Host) -> None:
    answer = host.apply(
        sh("echo no network >&2; exit 1", ok=[]),
        {"do": "expect", "path": "/srv/none", "type": "file", "lacking": "it brought none"},
    )
    failed = answer["failed"]
    assert (failed["text"], failed["stderr"]) == ("it brought none", "no network\n")


def test_attributes_and_expectations(host: Host) -> None:
    (host.srv / "a").write_text("x")
    assert "failed" not in host.apply({"do": "attributes", "path": "/srv/a", **ME})
    assert (host.srv / "a").stat().st_mode & 0o7777 == 0o640
    step = {"do": "expect", "path": "/srv/none", "type": "character device"}
    assert "was not made" in host.apply(step)["failed"]["text"]
    rename = {"do": "rename", "from": "/srv/a", "path": "/srv/b"}
    assert "failed" not in host.apply(rename)
    assert host.tree() == {"b": b"x"}


def test_a_directory_goes_when_what_a_program_made_in_it_is_gone(host: Host) -> None:
    undo = {"argv": ["/bin/rm", "-f", "/srv/d/new"], "ok": []}
    answer = host.apply(
        {"do": "directory", "path": "/srv/d", **ME, "mode": "0755"},
        sh("echo image >/srv/d/new", undo=[undo], undo_always=True),
        {"do": "rename", "from": "/srv/d/new", "path": "/srv/d/image"},
        sh("exit 1"),
    )
    assert answer["failed"]["undo_problems"] == []
    assert host.tree() == {}


def test_a_rename_never_replaces_a_file_and_the_way_back_loses_nothing(host: Host) -> None:
    (host.srv / "new").write_text("blank")
    (host.srv / "image").write_text("a customer's data")
    rename = {"do": "rename", "from": "/srv/new", "path": "/srv/image"}
    assert "File exists" in host.apply(rename)["failed"]["text"]
    away = {"do": "rename", "from": "/srv/image", "path": "/srv/archived"}
    assert "failed" in host.apply(away, rename, sh("exit 1"))
    assert host.tree() == {"image": b"a customer's data", "new": b"blank"}


def test_a_file_that_was_renamed_before_a_crash_stays_where_it_is(host: Host) -> None:
    (host.srv / "new").write_text("blank")
    rename = {"do": "rename", "from": "/srv/new", "path": "/srv/image"}
    clear = [{"argv": ["/bin/rm", "-f", "/srv/new"]}]
    process = host.start(request(sh("true", undo=clear), rename, sh("exec sleep 60")))
    _until(lambda: (host.srv / "image").exists() and not (host.srv / "new").exists())
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    assert process.stdout
    process.stdout.close()
    (host.srv / "image").write_text("in use since")
    assert "failed" not in host.apply()
    assert host.tree() == {"image": b"in use since"}


def _until(condition: t.Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)
