# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Several transactions in one request, those that must be confirmed, and what is left of each."""

from __future__ import annotations

import json
import os
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import digest
from unit.agent_host import RUN_ID, Host, put, request, requests, sh, until

# A clock that is an hour later whenever somebody looks.
HOUR = b"""use v5.36;
BEGIN { *CORE::GLOBAL::time = sub :prototype() () { state $n = 0; 3600 * $n++ } }
"""


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def names(answer: dict[str, t.Any]) -> list[str]:
    return [item["name"] for item in answer["done"]]


def test_transactions_are_carried_out_in_order_and_each_keeps_its_old_files(host: Host) -> None:
    (host.srv / "a").write_text("old")
    answer = host.carry_out(
        one=put("/srv/a", "new", "old"), two=[sh("cat /srv/a >/srv/b")], three=put("/srv/c", "c")
    )
    assert names(answer) == ["one", "two", "three"]
    assert host.tree() == {"a": b"new", "b": b"new", "c": b"c"}
    kept = [item["kept"] for item in answer["done"]]
    assert kept == ["/var/backups/puffy.vmm/1", None, "/var/backups/puffy.vmm/2"]
    head, steps = (host.state / "1/journal").read_text().splitlines()
    head = json.loads(head)
    assert (head["name"], head["by"], head["id"]) == ("one", "a test", f"{RUN_ID}one")
    assert abs(head["time"] - time.time()) < 60
    assert [step["do"] for step in json.loads(steps)] == ["stage", "commit"]
    assert (host.state / "1/0").read_text() == "old"
    assert sorted(os.listdir(host.state)) == ["1", "2", "applied", "lock"]
    assert host.probe()["applied"] == f"{RUN_ID}three\n"


def test_the_first_that_fails_is_put_back_and_those_before_it_stay(host: Host) -> None:
    (host.srv / "a").write_text("0")
    answer = host.carry_out(
        one=put("/srv/a", "1", "0"),
        # What the transaction before it made is what this one has to find.
        two=[*put("/srv/a", "2", "1"), *put("/srv/b", "b"), sh("exit 3")],
        three=put("/srv/c", "c"),
    )
    assert names(answer) == ["one"]
    failed = answer["failed"]
    assert (failed["id"], failed["step"], failed["rc"]) == (f"{RUN_ID}two", 4, 3)
    assert host.tree() == {"a": b"1"}
    assert not host.pending.exists()


def test_a_guard_that_fails_stops_its_own_transaction_alone(host: Host) -> None:
    answer = host.carry_out(one=put("/srv/a", "1"), two=put("/srv/a", "2"))
    assert "was changed by somebody else" in answer["failed"]["text"]
    assert (names(answer), host.tree()) == (["one"], {"a": b"1"})


def test_a_run_that_is_killed_in_its_second_transaction_keeps_the_first(host: Host) -> None:
    data = requests(
        (put("/srv/a", "a"), {"id": f"{RUN_ID}1", "name": "one"}),
        ([*put("/srv/b", "b"), sh("exec sleep 60")], {"id": f"{RUN_ID}2", "name": "two"}),
        (put("/srv/c", "c"), {"id": f"{RUN_ID}3", "name": "three"}),
    )
    host.kill(data, host.begun(2))
    answer = host.carry_out(next=put("/srv/d", "d"))
    assert (answer["recovered"]["name"], answer["recovered"]["left"]) == ("two", [])
    assert host.tree() == {"a": b"a", "d": b"d"}


def test_a_transaction_that_is_confirmed_is_followed_by_the_next(host: Host) -> None:
    (host.srv / "a").write_text("old")
    first: list[tuple[list[dict[str, t.Any]], dict[str, t.Any]]] = [
        (put("/srv/x", "x"), {"id": f"{RUN_ID}0", "name": "first"}),
        (put("/srv/a", "new", "old"), {"name": "network", "confirm": 20}),
        (put("/srv/never", ""), {"id": f"{RUN_ID}9"}),
    ]
    answer = host.send(requests(*first))
    assert (names(answer), answer["waits"]) == (["first"], RUN_ID)
    assert host.probe()["unfinished"] is True
    assert (host.etc / "rc.firsttime").exists()
    second = (put("/srv/b", "b"), {"id": f"{RUN_ID}2", "name": "vmd"})
    answer = host.confirm(RUN_ID, second)
    assert names(answer) == ["network", "vmd"]
    assert answer["done"][0]["kept"] == "/var/backups/puffy.vmm/2"
    assert sorted(os.listdir(host.state / "2")) == ["0", "journal"]
    assert host.tree() == {"a": b"new", "b": b"b", "x": b"x"}
    assert host.probe()["unfinished"] is False
    assert not (host.etc / "rc.firsttime").exists()


def test_nothing_follows_what_was_put_back(host: Host) -> None:
    host.apply(*put("/srv/a", "new"), confirm=1)
    until(lambda: not host.pending.exists())
    answer = host.confirm(RUN_ID, (put("/srv/b", "b"), {"id": f"{RUN_ID}2"}))
    assert "nothing waits for a confirmation" in answer["failed"]["text"]
    assert answer["failed"]["unconfirmed"]
    assert host.tree() == {}
    assert not (host.etc / "rc.firsttime").exists()


def test_a_clock_that_somebody_sets_confirms_and_puts_back_nothing(host: Host) -> None:
    data = request(*put("/srv/a", "new"), confirm=15)
    assert host.answer(host.start(HOUR + data))["waits"] == RUN_ID
    time.sleep(1)
    assert "failed" not in host.confirm()
    assert host.tree() == {"a": b"new"}


def test_a_change_whose_waiting_process_was_killed_is_put_back_by_the_next_request(
    host: Host,
) -> None:
    (host.srv / "a").write_text("old")
    undo = [{"argv": ["/bin/touch", "/srv/undone"]}]
    kill_waiter(host, *put("/srv/a", "new", "old"), sh("true", undo=undo))
    assert (host.srv / "a").read_text() == "new"
    answer = host.apply(lock_wait=1)
    assert answer["recovered"]["id"] == RUN_ID
    assert host.tree() == {"a": b"old", "undone": b""}
    assert not (host.etc / "rc.firsttime").exists()


def test_a_change_that_is_confirmed_stays_when_its_waiting_process_was_killed(host: Host) -> None:
    (host.srv / "a").write_text("old")
    kill_waiter(host, *put("/srv/a", "new", "old"))
    assert names(host.confirm()) == ["a role"]
    assert host.apply()["recovered"] is None
    assert (host.srv / "a").read_text() == "new"


def kill_waiter(host: Host, *steps: dict[str, t.Any]) -> None:
    """Leaves a change that waits for its confirmation as a reboot would, with nobody waiting."""
    # Its processes all end with the first of them.
    answer = host.having("--unshare-pid").apply(*steps, confirm=60)
    assert answer["waits"] == RUN_ID


@pytest.mark.parametrize("when", ["at once", "later", "unconfirmed"])
def test_what_somebody_may_use_by_then_is_only_taken_away_at_once(host: Host, when: str) -> None:
    undo = [{"argv": ["/bin/touch", f"/srv/{name}"], "at_once": name == "b"} for name in "ab"]
    steps = [sh("true", undo=undo[1:]), sh("true", undo=undo[:1])]
    said = None
    if when == "at once":
        said = host.apply(*steps, sh("exit 1"))["failed"]["left"]
    elif when == "later":
        host.kill(request(*steps, sh("exec sleep 60")), host.begun(2))
    else:
        # It may have cut the server off.
        kill_waiter(host, *steps)
    if said is None:
        said = host.apply()["recovered"]["left"]
    assert said == (['"/bin/touch /srv/b" was not run'] if when == "later" else [])
    assert sorted(host.tree()) == (["a"] if when == "later" else ["a", "b"])


OTHERS = ("", "echo theirs >>/srv/said\n", "echo theirs >>/srv/said")


@pytest.mark.parametrize("theirs", OTHERS)
def test_a_change_that_waits_while_the_server_reboots_is_put_back_at_boot(
    host: Host, theirs: str
) -> None:
    at_boot = host.etc / "rc.firsttime"
    if theirs:
        at_boot.write_text(theirs)
        at_boot.chmod(0o640)
    (host.srv / "a").write_text("old")
    (host.srv / "b").write_text("0")
    undo = [{"argv": ["/bin/sh", "-c", "echo $INRC $(cat /srv/a) >/srv/undone"]}]
    steps = [*put("/srv/a", "new", "old"), *put("/srv/b", "1", "0"), sh("true", undo=undo)]
    kill_waiter(host, *steps)
    (host.srv / "b").write_text("somebody's")
    assert at_boot.read_text().startswith(theirs)
    assert at_boot.stat().st_mode & 0o777 == (0o640 if theirs else 0o600)
    said = host.boot()
    assert 'the change "a role" was put back, since nobody confirmed it' in said
    assert "left as it is: /srv/b" in said
    assert not at_boot.exists()
    theirs_said = {"said": b"theirs\n"} if theirs else {}
    assert host.tree() == {"a": b"old", "b": b"somebody's", "undone": b"old\n", **theirs_said}
    assert host.apply()["recovered"] is None


@pytest.mark.parametrize("theirs", OTHERS)
def test_what_others_do_at_the_next_boot_stays(host: Host, theirs: str) -> None:
    at_boot = host.etc / "rc.firsttime"
    at_boot.write_text(theirs)
    host.apply(*put("/srv/a", "a"), confirm=20)
    host.confirm()
    text = at_boot.read_text() if at_boot.exists() else ""
    assert text.strip() == theirs.strip()
    # A line that stayed behind, say after a crash, does nothing.
    at_boot.write_text("[ ! -f /var/backups/puffy.vmm/pending/boot ] || exit 1\n")
    assert host.boot() == ""


def test_the_last_generations_of_all_names_are_kept(host: Host) -> None:
    (host.srv / "a").write_text("0")
    (host.srv / "b").write_text("0")
    for number in range(1, 5):
        for name in "ab" if number == 1 else "a":
            steps = put(f"/srv/{name}", str(number), str(number - 1))
            host.apply(*steps, id=f"20261123T12000{number}-{name}", name=name, keep=3)
    assert sorted(path.name for path in host.state.glob("[1-9]*")) == ["3", "4", "5"]


def test_what_takes_much_room_is_kept_for_fewer_generations(host: Host) -> None:
    (host.srv / "a").write_text("0")
    for size, content in ((1, "1"), (1 << 28, "2"), (1, "3"), (1, "4")):
        (host.srv / "a").write_bytes(b"0" * size)
        host.apply(*put("/srv/a", content, "0" * size), id=f"20261123T120000-{content}")
    assert sorted(path.name for path in host.state.glob("[1-9]*")) == ["3", "4"]


def test_what_changed_no_file_or_was_put_back_is_no_generation(host: Host) -> None:
    (host.srv / "a").write_text("old")
    secret = put("/srv/s", "secret", sensitive=1)
    host.apply(sh("true"), *secret)
    host.apply(*put("/srv/a", "new", "old"), generation=0, id=f"{RUN_ID}1")
    host.apply(*put("/srv/a", "newer", "new"), sh("false"), id=f"{RUN_ID}2")
    assert sorted(os.listdir(host.state)) == ["applied", "lock"]
    assert host.probe()["generation"] is None
    host.apply(*put("/srv/a", "newer", "new"), id=RUN_ID)
    assert host.probe()["generation"] == {"id": RUN_ID, "name": "a role", "number": 1}


def test_a_generation_has_all_that_the_way_back_needs(host: Host) -> None:
    (host.srv / "a").write_text("old")
    (host.srv / "s").write_text("secret")
    (host.srv / "gone").write_text("gone")
    check = {"do": "run", "argv": ["/bin/cat", {"path": "/srv/a"}]}
    again = {"do": "run", "title": "x", "fields": {"argv": ["/bin/true"]}, "change": None}
    stage, commit = put("/srv/a", "new", "old")
    host.apply(
        stage, check, commit,
        *put("/srv/s", "secret 2", "secret", sensitive=1),
        *put("/srv/new", "new", stays=1),
        {"do": "remove", "path": "/srv/gone", "before": [digest(b"gone")]},
        after=[again], others=["start x"], name="httpd",
    )  # fmt: skip
    (one,) = host.probe(generations=1)["generations"]
    assert (one["number"], one["name"], one["after"], one["others"]) == (
        1, "httpd", [again], ["start x"],
    )  # fmt: skip
    files = {file["path"]: file for file in one["files"]}
    assert sorted(files) == ["/srv/a", "/srv/gone", "/srv/new", "/srv/s"]
    assert files["/srv/a"]["was"]["sha256"] == digest(b"old")
    assert (files["/srv/new"]["was"], files["/srv/new"]["stays"]) == (None, 1)
    assert one["checks"] == [{"n": 1, "argv": check["argv"]}]
    assert files["/srv/s"]["sensitive"] == 1
    kept = {path.name: path.read_text() for path in (host.state / "1").iterdir()}
    del kept["journal"]
    assert kept == {
        str(files["/srv/a"]["old"]): "old",
        str(files["/srv/gone"]["old"]): "gone",
    }
    # One that cannot be read hides no other.
    (host.state / "2").mkdir()
    (host.state / "2/journal").write_text("{")
    assert [item["number"] for item in host.probe(generations=1)["generations"]] == [1]


def test_a_finished_change_is_not_called_failed_nor_undone(host: Host) -> None:
    """Its old files cannot be tidied away, and what notes it is in the way of itself."""
    (host.srv / "a").write_text("old")
    (host.state / "applied").mkdir(parents=True)
    (host.state / "applied/full").touch()
    answer = host.apply(*put("/srv/a", "new", "old"))
    assert ("failed" in answer, names(answer)) == (False, ["a role"])
    assert host.apply()["recovered"] is None
    assert (host.srv / "a").read_text() == "new"


def test_a_change_that_cannot_be_concluded_is_put_back(host: Host) -> None:
    (host.srv / "a").write_text("old")
    (host.state / RUN_ID).mkdir(parents=True)
    (host.state / RUN_ID / "in the way").touch()
    answer = host.apply(*put("/srv/a", "new", "old"), generation=0)
    assert answer["failed"]["id"] == RUN_ID
    assert answer["failed"]["problems"] == []
    assert (host.srv / "a").read_text() == "old"
    assert not host.pending.exists()


def test_files_of_the_agent_are_its_own_alone(host: Host) -> None:
    (host.srv / "a").write_text("old")
    steps = [*put("/srv/a", "new", "old"), sh("exec sleep 60")]
    os.umask(0)
    try:
        host.kill(request(*steps, confirm=60), host.begun(2))
        modes = {path.name: path.stat().st_mode & 0o777 for path in host.state.rglob("*")}
    finally:
        os.umask(0o022)
    assert modes == {
        "lock": 0o600, "pending": 0o700, "0": 0o600, "begun": 0o600, "journal": 0o600,
        "boot": 0o600,
    }  # fmt: skip
    assert (host.etc / "rc.firsttime").stat().st_mode & 0o777 == 0o600


# What somebody does to a run that was cut off: nothing of it may keep others from their work.
LATER: dict[str, tuple[str, list[str], list[str]]] = {
    "a new file was edited": ("echo x >/srv/new/f", ["/srv/new/f", "/srv/new"], []),
    "a file was removed": ("rm /srv/a", ["/srv/a"], []),
    "a directory has something in it": ("echo x >/srv/new/g", ["/srv/new"], []),
    "a directory is gone": ("rm -r /srv/new", [], []),
    "what a file was in is gone": ("rm -r /srv/old", ["/srv/old/b"], []),
    "a file is a directory": ("rm /srv/a; mkdir /srv/a", ["/srv/a"], []),
    "a program cannot go back": ("touch /srv/bad", [], ["step 7: exit status 1: no way back\n"]),
}


@pytest.mark.parametrize("name", LATER)
def test_no_journal_keeps_others_from_the_server(host: Host, name: str) -> None:
    script, left, problems = LATER[name]
    (host.srv / "a").write_text("a")
    (host.srv / "old").mkdir()
    (host.srv / "old/b").write_text("b")
    back = "[ ! -e /srv/bad ] || { echo no way back >&2; exit 1; }"
    undo = [{"argv": ["/bin/sh", "-c", back], "ok": [0]}]
    directory = {"do": "directory", "path": "/srv/new", "owner": "root", "group": "root"}
    steps = [
        {**directory, "mode": "0755"},
        *put("/srv/new/f", "f"),
        *put("/srv/a", "A", "a"),
        *put("/srv/old/b", "B", "b"),
        sh("true", undo=undo),
        sh("exec sleep 60"),
    ]
    host.kill(request(*steps), host.begun(8))
    host.popen("sh", "-c", script).communicate()
    answer = host.apply(sh("true"), id=f"{RUN_ID}2")
    assert "failed" not in answer
    recovered = answer["recovered"]
    assert recovered["left"] == left
    assert recovered["problems"] == problems
    kept = f"/var/backups/puffy.vmm/{RUN_ID}" if left or problems else None
    assert recovered.get("kept") == kept
    for path, content in {"a": "a", "old/b": "b"}.items():
        if f"/srv/{path}" not in left:
            assert (host.srv / path).read_text() == content
    assert host.apply()["recovered"] is None


def test_a_full_disk_is_waited_for_and_nothing_is_lost(tmp_path: Path) -> None:
    host = Host(tmp_path)
    (host.srv / "a").write_text("a" * 50_000)
    host.kill(request(*put("/srv/a", "", "a" * 50_000), sh("exec sleep 60")), host.begun(2))
    (host.etc / "empty").touch()
    place = ("--size", "16384", "--tmpfs", "/srv")
    begin = "cp /etc/empty /srv/a && exec perl -"
    small = host.having(*place)
    answer = small.answer(small.feed(small.popen("sh", "-c", begin), request()))
    assert "there is no room to undo it" in answer["failed"]["text"]
    assert "/srv/.a." in answer["failed"]["text"]
    assert host.apply()["recovered"]["left"] == []
    assert (host.srv / "a").read_text() == "a" * 50_000


USES = {
    "nothing": ("true", False),
    "a file more": ("touch /srv/home/data", True),
    "a file less": ("rm /srv/home/.profile", True),
    "another text": ("echo PATH=x >/srv/home/.profile", True),
    "a text of the same length": ("sed -i s/x/y/ /srv/home/.profile", True),
    "a file below": ("touch /srv/home/.ssh/known_hosts", True),
    "a link to nowhere": ("rm -r /srv/home/.ssh; ln -s /nowhere /srv/home/.ssh", True),
    "no home": ("rm -r /srv/home", False),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("later", [False, True])
def test_an_account_whose_home_was_used_stays(host: Host, use: str, later: bool) -> None:
    script, used = USES[use]
    skeleton = host.etc / "skel/.ssh"
    skeleton.mkdir(parents=True)
    (skeleton / "authorized_keys").touch()
    (skeleton.parent / ".profile").write_text("PATH=x\n")
    for path in (skeleton / "authorized_keys", skeleton.parent / ".profile"):
        os.utime(path, (10**9, 10**9))
    with (host.etc / "passwd").open("a") as accounts:
        accounts.write("puffy:*:1001:1001::/srv/home:/bin/ksh\n")
    unused = {"user": "puffy", "like": "/etc/skel"}
    back = {"argv": ["/bin/rm", "-rf", "/srv/home", "/srv/account"], "unused": unused}
    add = sh("cp -a /etc/skel /srv/home; touch /srv/account", undo=[back])
    if later:
        host.kill(request(add, sh(script), sh("exec sleep 60")), host.begun(2))
        outcome = host.apply()["recovered"]
    else:
        outcome = host.apply(add, sh(script), sh("exit 1"))["failed"]
    assert outcome["left"] == (["/srv/home"] if used else [])
    assert outcome["problems"] == []
    assert (host.srv / "account").exists() is used
