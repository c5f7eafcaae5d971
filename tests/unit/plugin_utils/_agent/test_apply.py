# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The agent itself, run by perl in a namespace where /srv and /var/backups are the test's own."""

from __future__ import annotations

import json
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import digest
from unit.agent_host import ME, Host, put, request, sh, until


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_programs_have_the_umask_that_they_have_at_boot(host: Host) -> None:
    assert "failed" not in host.apply(sh("umask > /srv/umask; cat /proc/$PPID/status > /srv/agent"))
    assert int((host.srv / "umask").read_text(), 8) == 0o022
    assert (host.srv / "umask").stat().st_mode & 0o777 == 0o644
    assert "Umask:\t0077\n" in (host.srv / "agent").read_text()


def test_a_program_reads_what_it_is_given_and_nothing_without(host: Host) -> None:
    given = sh("cat > /srv/given", input="a line\nanother\n")
    assert "failed" not in host.apply(given, sh("cat > /srv/nothing"))
    assert host.tree() == {"given": b"a line\nanother\n", "nothing": b""}


@pytest.mark.parametrize("outlives", [0, 1])
def test_a_program_ends_with_the_connection_unless_it_outlives_it(
    host: Host, outlives: int
) -> None:
    script = "touch /srv/begun; sleep 3; touch /srv/done"
    process = host.start(request(sh(script, watched=1, outlives=outlives, timeout=60)))
    until((host.srv / "begun").exists)
    assert process.stdout
    process.stdout.close()
    process.wait(20)
    assert (host.srv / "done").exists() == bool(outlives)


@pytest.mark.parametrize("cut", [1, 20, 400])
def test_a_request_that_did_not_arrive_whole_changes_nothing(host: Host, cut: int) -> None:
    data = request(*put("/srv/a", "x" * 1000))
    answer = host.send(data[:-cut])
    assert "arrived incomplete" in answer["failed"]["text"]
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
    kept = list(host.backups.glob("puffy.vmm/1/*"))
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
    assert answer["failed"]["problems"] == []
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
    assert answer["failed"]["problems"] == []
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
    assert host.apply(*steps, sh("exit 1"))["failed"]["problems"] == []
    assert (modes(host), host.tree()) == (before, {"d": None, "d/a": b"stray"})
    assert "failed" not in host.apply(*steps)
    assert host.tree() == {}
    kept = b"".join(p.read_bytes() for p in host.backups.rglob("*") if p.is_file())
    assert b"stray" not in kept


def test_a_directory_that_a_killed_run_removed_comes_back(host: Host) -> None:
    steps = strays(host)
    before = modes(host)
    host.kill(request(*steps, sh("exec sleep 60")), lambda: not (host.srv / "d").exists())
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
        assert answer["failed"]["problems"] == []
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
    assert "broken" in answer["failed"]["problems"][0]


def test_a_program_that_does_not_end_is_ended(host: Host) -> None:
    start = time.monotonic()
    answer = host.apply(sh("trap '' TERM; sleep 60 & wait; sleep 60", timeout=1))
    assert answer["failed"]["text"] == "did not finish in time"
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
    assert answer["failed"]["text"] == "the expected state was not reached in time"


def test_wait_asks_for_the_state_that_it_waits_for_only_if_it_has_to(host: Host) -> None:
    ask = ["/bin/sh", "-c", "echo up >>/srv/state; sleep 60"]
    wait = {"do": "wait", "argv": ["/bin/cat", "/srv/state"], "match": ["up"], "ask": ask}
    (host.srv / "state").write_text("down\n")
    for _time in range(2):
        assert "failed" not in host.apply({**wait, "seconds": 20})
        assert (host.srv / "state").read_text() == "down\nup\n"


def test_a_lost_connection_is_noticed_and_everything_put_back(host: Host) -> None:
    (host.srv / "a").write_text("old")
    wait = sh("while [ ! -e /srv/go ]; do sleep 0.05; done; rm /srv/go")
    process = host.start(request(*put("/srv/a", "new", "old"), wait, sh("touch /srv/after")))
    assert process.stdout
    until(host.begun(2))
    process.stdout.close()
    (host.srv / "go").touch()
    process.wait(20)
    assert host.tree() == {"a": b"old"}


def test_a_signal_is_noticed_and_everything_put_back(host: Host) -> None:
    (host.srv / "a").write_text("old")
    wait = sh("while [ ! -e /srv/go ]; do sleep 0.05; done; rm /srv/go; kill -TERM $PPID")
    process = host.start(request(*put("/srv/a", "new", "old"), wait, sh("touch /srv/after")))
    until(lambda: (host.srv / "a").read_text() == "new")
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
    host.kill(request(*steps), host.begun(3))
    assert (host.srv / "a").read_text() == "new"
    assert host.probe("/srv/a")["unfinished"] is True
    assert "failed" not in host.apply()
    assert host.tree() == {"a": b"old", "undone": b""}
    assert host.probe("/srv/a")["unfinished"] is False


def test_the_next_run_does_not_undo_what_somebody_repaired_by_hand(host: Host) -> None:
    (host.srv / "a").write_text("old")
    host.kill(request(*put("/srv/a", "new", "old"), sh("exec sleep 60")), host.begun(2))
    (host.srv / "a").write_text("repaired")
    recovered = host.apply()["recovered"]
    assert (recovered["by"], recovered["left"]) == ("a test", ["/srv/a"])
    assert (host.srv / "a").read_text() == "repaired"
    # What was there before is kept, and the next run is free.
    kept = host.backups / Path(recovered["kept"]).relative_to("/var/backups")
    assert (kept / "0").read_text() == "old"
    assert host.apply()["recovered"] is None


def test_a_second_run_waits_and_then_says_who_is_at_work(host: Host) -> None:
    process = host.start(request(sh("sleep 4")))
    until(lambda: (host.backups / "puffy.vmm/lock").exists())
    until(lambda: "a test" in (host.backups / "puffy.vmm/lock").read_text())
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
    assert answer["failed"]["problems"] == []


def test_a_change_that_is_confirmed_stays(host: Host) -> None:
    (host.srv / "a").write_text("old")
    run_id = "20261123T130000-00000001"
    # The agent that waits keeps its namespace, so the confirmation must come from the same host.
    assert "failed" not in host.apply(*put("/srv/a", "new", "old"), confirm=20, id=run_id)
    assert (host.srv / "a").read_text() == "new"
    assert host.probe()["unfinished"] is True
    assert "failed" not in host.confirm(run_id)
    assert host.probe()["unfinished"] is False
    assert (host.srv / "a").read_text() == "new"
    assert (host.backups / "puffy.vmm/1").is_dir()


def test_a_change_that_nobody_confirms_is_put_back(host: Host) -> None:
    (host.srv / "a").write_text("old")
    undo = [{"argv": ["/bin/touch", "/srv/undone"]}]
    run_id = "20261123T130000-00000002"
    assert "failed" not in host.apply(
        *put("/srv/a", "new", "old"), sh("true", undo=undo), confirm=1, id=run_id
    )
    until(lambda: not (host.backups / "puffy.vmm/pending").exists())
    assert host.tree() == {"a": b"old", "undone": b""}
    answer = host.confirm(run_id)
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
    assert answer["failed"]["problems"] == []
    assert (host.srv / "destroyed").exists() is not bool(members)
    assert (host.srv / "undone").exists()


def test_nobody_else_changes_the_server_while_a_change_waits(host: Host) -> None:
    run_id = "20261123T130000-00000003"
    host.apply(*put("/srv/a", "new"), confirm=20, id=run_id)
    assert "another run" in host.apply(*put("/srv/b", "b"), lock_wait=0)["failed"]["text"]
    host.confirm(run_id)
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
    generations = sorted(path.name for path in host.backups.glob("puffy.vmm/[1-9]*"))
    assert generations == ["3", "4"]
    kept = b"".join(p.read_bytes() for p in host.backups.rglob("*") if p.is_file())
    assert b"secret" not in kept.replace(b"sensitive", b"")


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
    assert answer["failed"]["problems"] == []
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
    host.kill(request(sh("true", undo=clear), rename, sh("exec sleep 60")), host.begun(2))
    (host.srv / "image").write_text("in use since")
    assert "failed" not in host.apply()
    assert host.tree() == {"image": b"in use since"}
