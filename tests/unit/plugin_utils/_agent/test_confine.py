# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The agent as OpenBSD's pledge(2) and unveil(2) would have it: every system call, every path."""

from __future__ import annotations

import fcntl
import json
import os
import threading
import time
from pathlib import Path

import pytest
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.client import payload, program
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import digest
from unit.agent_host import ME, RUN_ID, WatchedHost, put, request, sh
from unit.plugin_utils._agent import confinement


@pytest.fixture
def host(tmp_path: Path) -> WatchedHost:
    return WatchedHost(tmp_path)


def test_a_probe_keeps_to_what_it_asks_for(host: WatchedHost) -> None:
    (host.srv / "a").write_text("hello\n")
    (host.srv / "d").mkdir()
    (host.srv / "owners").write_text("root\n")
    paths = ["/srv/a", "/srv/d", "/srv/none", "/srv/a/below", "/bin", "/etc/passwd"]
    asks = [{"path": path, "read": 1} for path in paths]
    run = {"name": "x", "argv": ["/bin/sh", "-c", "cat /etc/hostname"], "cwd": "/srv"}
    missing = {"name": "y", "argv": ["/sbin/no-such-program"]}
    slow = {"name": "z", "argv": ["/bin/sleep", "9"], "timeout": 0}
    ask = {
        "paths": asks,
        "list": [{"path": "/srv", "within": "^d$"}],
        "users": ["nosuchuser"],
        "rosters": ["/srv/owners", "/srv/none"],
        "open": ["/dev/null", "/srv/none"],
        "groups": ["root", "nosuchgroup"],
        "run": [run, missing, slow],
    }
    answer = host.probe(**ask)
    assert "failed" not in answer
    assert answer["users"]["root"]["home"] == "/root"
    assert answer["paths"]["/bin"]["type"] == ("link" if Path("/bin").is_symlink() else "directory")
    assert [answer["run"][name]["rc"] for name in "xyz"] == [0, 137, 124]
    answer = host.probe("/none/x", "/")
    assert (answer["paths"]["/none/x"], answer["paths"]["/"]["type"]) == (None, "directory")


LINKS = {
    "absolute": "/usr/share/perl",
    "relative": "../" * 20 + "usr/share/perl",
    "by another one": "first",
    "by one on the way": "third/share/perl",
}


@pytest.mark.parametrize("link", LINKS)
def test_what_a_link_below_the_top_leads_to_is_seen(
    host: WatchedHost, tmp_path: Path, link: str
) -> None:
    (tmp_path / "first").symlink_to("second")
    (tmp_path / "second").symlink_to("/usr/share/perl")
    (tmp_path / "third").symlink_to("/usr")
    place = tmp_path / "link"
    place.symlink_to(LINKS[link])
    answer = host.probe(f"{place}", f"{place}/.", f"{place}/none/x")
    types = [path and path["type"] for path in answer["paths"].values()]
    assert sorted(types, key=str) == [None, "directory", "link"]


def test_a_link_that_leads_to_itself_is_seen_and_nothing_else(
    host: WatchedHost, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to("link")
    (path,) = host.probe(f"{tmp_path}/link")["paths"].values()
    assert path["type"] == "link"


def test_a_file_in_a_top_directory_is_replaced_from_beside_it(
    host: WatchedHost, tmp_path: Path
) -> None:
    place = tmp_path / "var"
    (place / "backups").mkdir(parents=True)
    (place / "x.conf").write_text("old")
    host = host.having("--bind", str(place), "/var", "--bind", str(host.backups), "/var/backups")
    assert "failed" not in host.apply(*put("/var/x.conf", "new", "old"))
    assert (place / "x.conf").read_text() == "new"


def test_a_record_of_what_is_elsewhere_stays(host: WatchedHost, tmp_path: Path) -> None:
    for place in (tmp_path, host.srv):
        (place / "set").write_text("content")
    for path in (f"{tmp_path}/set", "/srv/set"):
        files = {path: digest(b"content")}
        step = {"do": "verified", "path": str(Path(path).parent), "files": files}
        assert "failed" not in host.apply(step)
    assert sorted(json.loads((host.state / "verified").read_text())) == [
        "/srv/set",
        f"{tmp_path}/set",
    ]


def test_all_bits_of_a_mode_are_set_and_put_back(host: WatchedHost) -> None:
    (host.srv / "a").write_text("old")
    (host.srv / "a").chmod(0o4750)
    (host.srv / "d").mkdir()
    (host.srv / "d").chmod(0o1777)
    steps = [
        {"do": "directory", "path": "/srv/d", **ME, "mode": "0755"},
        *put("/srv/a", "new", "old", mode="2755"),
    ]
    assert host.apply(*steps, sh("exit 1"))["failed"]["problems"] == []
    assert (host.srv / "a").read_text() == "old"
    modes = [(host.srv / name).stat().st_mode & 0o7777 for name in "ad"]
    assert modes == [0o4750, 0o1777]
    assert "failed" not in host.apply(*steps)
    modes = [(host.srv / name).stat().st_mode & 0o7777 for name in "ad"]
    assert modes == [0o2755, 0o755]


def test_who_asks_for_generations_sees_what_is_kept(host: WatchedHost) -> None:
    (host.srv / "a").write_text("old")
    host.apply(*put("/srv/a", "new", "old"))
    answer = host.probe("/var/backups/puffy.vmm/1/0", generations=1)
    assert [one["number"] for one in answer["generations"]] == [1]
    assert answer["paths"]["/var/backups/puffy.vmm/1/0"]["sha256"] == digest(b"old")


def test_a_fetch_keeps_to_its_files(host: WatchedHost) -> None:
    fetch = {"path": "/srv/new/set", "argv": ["/bin/sh", "-c", "echo set >/srv/new/set"], **ME}
    (host.srv / "new").mkdir()
    request = {
        "verb": "fetch", "seconds": 5, "lock": "fetch.lock", "begun": "begun",
        "retrieved": "retrieved", "full": "full", "files": [{**fetch, "sha256": digest(b"set\n")}],
    }  # fmt: skip
    (answer,) = host.send(payload(request))["files"]
    assert (answer["state"], answer["size"]) == ("done", 4)


def test_what_is_recorded_keeps_to_its_file_and_the_console(host: WatchedHost) -> None:
    master, slave = os.openpty()
    host = host.having("--dev-bind", os.ttyname(slave), "/dev/ttyp0")
    step = {
        "do": "record", "path": "/srv/out", "limit": 100, "seconds": 60, "wait": 0,
        "argv": ["/bin/echo", "ttyp0"], "device": "^(ttyp0)$", "raw": ["/bin/stty", "raw", "-echo"],
        "from": "/dev",
    }  # fmt: skip
    timers = [threading.Timer(3, os.write, (master, b"line\n" * 300))]
    timers.append(threading.Timer(5, os.close, (master,)))
    for timer in timers:
        timer.start()
    answer = host.apply(step)
    os.close(slave)
    assert "failed" not in answer, answer
    assert (host.srv / "out").read_text().endswith("line\n")


def test_logs_are_searched_as_the_request_says(host: WatchedHost) -> None:
    (host.srv / "log").write_text("yes\nno\n")
    asks = [{"path": path, "offset": 0, "match": ["yes"]} for path in ("/srv/log", "/srv/none")]
    answer = host.send(payload({"verb": "probe", "asks": {"a": {"log": asks}}}))["answers"]["a"]
    assert answer["log"]["/srv/log"]["lines"] == [[0, "yes"]]
    assert answer["log"]["/srv/none"] is None


def test_an_apply_and_its_way_back_keep_to_what_they_name(host: WatchedHost) -> None:
    (host.srv / "a").write_text("old")
    (host.srv / "s").write_text("stray")
    (host.srv / "image").write_text("data")
    with (host.etc / "passwd").open("a") as accounts:
        accounts.write("puffy:*:1001:1001::/usr/share/perl:/bin/ksh\n")
    steps = [
        {"do": "directory", "path": "/srv/new", **ME, "mode": "0755"},
        *put("/srv/new/b", "b"),
        *put("/srv/a", "new", "old"),
        {"do": "remove", "path": "/srv/s", "before": [digest(b"stray")]},
        {"do": "attributes", "path": "/srv/image", **ME},
        {"do": "rename", "from": "/srv/image", "path": "/srv/archived"},
        {"do": "expect", "path": "/srv/archived", "type": "file"},
        sh("true", undo=[{"argv": ["/bin/touch", "/srv/undone"]}]),
        sh("true", undo=[{"argv": ["/bin/true"], "unused": {"user": "puffy", "like": "/opt"}}]),
        {"do": "wait", "argv": ["/bin/cat", "/srv/a"], "match": ["new"], "seconds": 5},
    ]
    fails = sh("exit 1", explain=["/usr/bin/tail", "-n", "1", "/srv/a"])
    answer = host.apply(*steps, fails)
    assert (answer["failed"]["problems"], answer["failed"]["explain"]) == ([], "new")
    assert answer["failed"]["left"] == ["/usr/share/perl"]
    assert sorted(path.name for path in host.srv.iterdir()) == ["a", "image", "s", "undone"]
    (host.srv / "undone").unlink()
    assert "failed" not in host.apply(*steps, id=f"{RUN_ID}2")
    assert (host.srv / "new/b").read_text() == "b"


def test_the_way_back_of_a_run_that_was_killed_keeps_to_what_the_journal_names(
    host: WatchedHost,
) -> None:
    (host.srv / "a").write_text("old")
    undo = [{"argv": ["/bin/touch", "/srv/undone"]}]
    steps = [*put("/srv/a", "new", "old"), sh("true", undo=undo), sh("kill -9 $PPID; sleep 1")]
    with pytest.raises(ValueError):
        host.apply(*steps)
    assert (host.srv / "a").read_text() == "new"
    assert "failed" not in host.apply()
    assert (host.srv / "a").read_text() == "old"
    assert (host.srv / "undone").exists()


def test_a_run_that_was_killed_while_another_waited_is_undone_by_that_one(
    host: WatchedHost,
) -> None:
    (host.srv / "a").write_text("old")
    with pytest.raises(ValueError):
        host.apply(*put("/srv/a", "new", "old"), sh("kill -9 $PPID; sleep 1"))
    aside = host.pending.rename(host.state / "aside")
    with (host.state / "lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        process, prefix = host.begin(request(sh("true")))
        time.sleep(1)
        aside.rename(host.pending)
        fcntl.flock(lock, fcntl.LOCK_UN)
        recovered = host.answer(process)["recovered"]
    host.check(prefix)
    assert (recovered["left"], recovered["problems"]) == ([], [])
    assert (host.srv / "a").read_text() == "old"


@pytest.mark.parametrize("confirmed", [True, False])
def test_what_waits_for_a_confirmation_keeps_to_it_as_well(
    host: WatchedHost, confirmed: bool
) -> None:
    (host.srv / "a").write_text("old")
    data = request(*put("/srv/a", "new", "old"), confirm=10 if confirmed else 1)
    process, prefix = host.begin(data)
    assert process.stdout
    # strace keeps the output open until the last process that it follows has ended.
    answers = (json.loads(line) for line in process.stdout if line.strip())
    assert next(answers) == {"recovered": None, "done": [], "waits": RUN_ID}
    if confirmed:
        assert "failed" not in host.confirm(RUN_ID, (put("/srv/b", "b"), {"id": f"{RUN_ID}2"}))
        assert (host.srv / "b").read_text() == "b"
    process.stdout.close()
    process.wait(30)
    host.check(prefix)
    assert (host.srv / "a").read_text() == ("new" if confirmed else "old")


def test_images_are_offered_fetched_and_read_within_bounds(host: WatchedHost) -> None:
    (host.srv / "a").write_bytes(b"image" * 100_000)
    keys = {"keys": "/srv/keys", "owner": "root", "group": "root", "mark": "puffy.vmm-move-a"}
    place = "/var/backups/puffy.vmm/move-a"
    offer = {
        **{"verb": "offer", "by": "a test", "lock": "offer.lock", "directory": place, "idle": 1},
        **{"line": "a key", "images": ["/srv/a"], "files": [{"path": "/srv/keys"}], **keys},
    }
    process, prefix = host.begin(payload(offer, program("send")))
    assert process.stdout
    # Its guard withdraws the key by itself.
    process.stdout.read()
    process.stdout.close()
    process.wait(30)
    host.check(prefix)
    assert (host.srv / "keys").read_text() == ""
    (host.srv / "send").write_bytes(program("send"))
    (host.srv / "images").write_text('["/srv/a"]')
    (host.srv / "used").touch()
    argv = ["/usr/bin/perl", "/srv/send"]
    receive = {
        **{"verb": "receive", "by": "a test", "lock": "move-a.lock", "seconds": 9, "argv": argv},
        **{"progress": "/srv/progress", "files": [{"path": "/srv/new", "argv": argv}]},
    }
    (file,) = host.send(payload(receive))["progress"]["files"]
    answer = host.send(payload({"verb": "digest", "seconds": 9, "files": [{"path": "/srv/new"}]}))
    assert answer["files"][0]["sha256"] == file["sha256"] == digest(b"image" * 100_000)
    assert "failed" not in host.send(payload({**offer, "verb": "withdraw"}))


def test_what_sends_images_sees_nothing_else(host: WatchedHost, tmp_path: Path) -> None:
    for name, text in (("a", "image"), ("used", ""), ("images", '["/srv/a"]')):
        (host.srv / name).write_text(text)
    (host.srv / "send").write_bytes(program("send"))
    prefix = tmp_path / "traces/send"
    strace = [*confinement.STRACE, "-o", str(prefix)]
    lines = b'{}\n{"image":0,"offset":0,"length":9}\n{"image":1,"offset":0,"length":9}\n'
    out, _ = host.popen(*strace, "perl", "/srv/send").communicate(lines)
    host.check(prefix)
    assert digest(b"image").encode() in out


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("open my $in, '<', '/etc/hostname'", "unveil /etc/hostname lacks r"),
        ("socket my $s, 2, 1, 0", 'pledge "unknown call socket"'),
        ("require Socket", 'pledge "prot_exec"'),
        ("mkdir '/srv/x'", 'pledge "cpath"'),
        ("open my $in, '+<', '/srv/a'", "unveil /srv/a lacks rw"),
        ("chmod 01777, '/srv/a'", "pledge masks the mode"),
        ("exec '/bin/ls'", "unveil /usr/bin/ls lacks x"),
    ],
)
def test_the_check_sees_what_is_not_allowed(host: WatchedHost, code: str, said: str) -> None:
    data = payload({"verb": "probe", "asks": {"me": {"paths": [{"path": "/srv/a"}]}}})
    confined = "sub probe ($request, @) {\n\tconfine($request);"
    assert confined.encode() in data
    data = data.replace(confined.encode(), f"{confined} {code};".encode())
    process, prefix = host.begin(data)
    assert process.stdout
    process.stdout.read()
    process.stdout.close()
    process.wait(30)
    refused, _confined = confinement.violations(prefix)
    assert any(line.startswith(said) for line in refused)
