# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""How far an installation is, by what the server's daemons log."""

from __future__ import annotations

import base64
import subprocess
import typing as t
from dataclasses import replace

import pytest
from ansible_collections.puffy.vmm.plugins.module_utils._formats.console import Console
from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from ansible_collections.puffy.vmm.plugins.plugin_utils._installation.watch import (
    ACCESS_LOG,
    ADDRESS,
    BOOTS,
    DAEMON_LOG,
    FINISHES,
    RESPONSE,
    SETS,
    UNPACKS,
    Watch,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._life import steps
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines import marker as vm_marker
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.facts import Silent
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.marker import Marker
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.sets import Sets
from unit.machines import machine

MAC = "fe:e1:bb:d1:c6:05"
VM = machine(mac=MAC, ipv4="203.0.113.1")
HEAD = "   ID   PID VCPUS  MAXMEM  CURMEM     TTY        OWNER    STATE NAME\n"
RUNS = HEAD + "    1 123     1    1.0G   17.0M   ttyp0         root running web1\n"
STOPPING = RUNS.replace("running", "stopping")
RESTS = HEAD + "    1     -     1    1.0G       -       -         root stopped web1\n"


def leased(address: str = "203.0.113.1", mac: str = MAC) -> str:
    return f"Nov 24 23:19:10 server1 dhcpd[41]: DHCPACK on {address} to {mac} via vport42\n"


def fetched(path: str, code: int = 200, address: str = "203.0.113.1", size: int = 0) -> str:
    request = f'"GET {path} HTTP/1.0" {code} {size}'
    return f"server1 {address} - - [24/Nov/2026:23:19:10 +0000] {request}\n"


RESPONSE_FILE = fetched(f"/install/{MAC}-install.conf?path=7.8/amd64")


def found(text: str, offset: int = 0, *, other: bool = False, inode: int = 7) -> dict[str, t.Any]:
    """What the agent finds in a log that has this text from an offset on."""
    lines = []
    for line in text.splitlines(keepends=True):
        lines.append([offset, line.rstrip("\n")])
        offset += len(line)
    return {"inode": inode, "offset": offset, "other": other, "lines": lines}


def answer(
    status: str = RUNS, marker: bytes | None = b"# installs\n", **logs: str
) -> dict[str, t.Any]:
    """What the agent says; `logs` are what it found in them."""
    daemon, access = logs.get("daemon", ""), logs.get("access", "")
    path = "/var/vmm/.web1.install.conf"
    return {
        "paths": {DAEMON_LOG: {"size": len(daemon)}, ACCESS_LOG: {"size": len(access)}},
        "read": {path: base64.b64encode(marker).decode()} if marker else {},
        "run": {"status": {"stdout": status}, "check": {"rc": 0 if status else 1}},
        "log": {DAEMON_LOG: found(daemon), ACCESS_LOG: found(access)},
    }


STAGES = {
    "nothing yet": ("", "", BOOTS, ""),
    "another VM's address": (leased("203.0.113.10"), "", BOOTS, ""),
    "another MAC's address": (leased(mac="fe:e1:bb:d1:c6:06"), "", BOOTS, ""),
    "address": (leased(), "", ADDRESS, ""),
    "no response file": (
        leased(),
        fetched(f"/install/{MAC}-install.conf", 404),
        ADDRESS,
        f"{MAC}-install.conf: 404",
    ),
    "response file": (leased(), RESPONSE_FILE, RESPONSE, ""),
    "another VM's request": (
        leased(), RESPONSE_FILE + fetched("/7.8/base78.tgz", address="203.0.113.11"), RESPONSE, "",
    ),
    "sets": (
        leased(),
        RESPONSE_FILE + fetched("/7.8/amd64/SHA256.sig") + fetched("/7.8/amd64/base78.tgz"),
        SETS,
        "base78.tgz",
    ),
    "a request that names another's address": (
        leased(),
        RESPONSE_FILE + fetched("/203.0.113.1/base78.tgz", address="203.0.113.11"),
        RESPONSE,
        "",
    ),
    "a missing set": (
        leased(),
        RESPONSE_FILE + fetched("/SHA256.sig") + fetched("/base78.tgz", 404),
        SETS,
        "base78.tgz: 404",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", STAGES)
def test_stages(name: str) -> None:
    daemon, access, stage, detail = STAGES[name]
    watch = Watch([VM], {"web1": {}})
    watch.feed(answer(daemon=daemon, access=access))
    now = watch.progress["web1"]
    assert (now.stage, now.detail) == (stage, detail)


def log_questions(watch: Watch) -> dict[str, dict[str, t.Any]]:
    return {ask["path"]: ask for ask in watch.questions()["log"]}


def test_only_lines_that_concern_the_vms_are_asked_for() -> None:
    asks = log_questions(Watch([VM], {"web1": {DAEMON_LOG: 9}}))
    assert asks[DAEMON_LOG]["match"] == ["]: startup", "]: vcpu_run_loop: ", f" {MAC}"]
    assert asks[ACCESS_LOG]["match"] == [" 203.0.113.1 "]
    assert (asks[DAEMON_LOG]["offset"], asks[ACCESS_LOG]["offset"]) == (9, 0)
    assert asks[DAEMON_LOG]["inode"] is None


def test_lines_of_an_earlier_installation_do_not_count() -> None:
    old = RESPONSE_FILE + fetched("/SHA256.sig")
    watch = Watch([VM], {"web1": {ACCESS_LOG: len(old)}})
    assert log_questions(watch)[ACCESS_LOG]["offset"] == len(old)
    # Where another VM began before it, more is read than this one's.
    other = replace(VM, name="mail1", ipv4="203.0.113.2")
    watch = Watch([VM, other], {"web1": {ACCESS_LOG: len(old)}, "mail1": {}})
    watch.feed(answer(access=old + RESPONSE_FILE))
    assert watch.progress["web1"].stage == RESPONSE


def test_the_next_look_continues_where_the_last_one_ended() -> None:
    watch = Watch([VM], {"web1": {}})
    watch.feed(answer(access=RESPONSE_FILE))
    ask = log_questions(watch)[ACCESS_LOG]
    assert (ask["offset"], ask["inode"]) == (len(RESPONSE_FILE), 7)
    more = answer()
    more["log"][ACCESS_LOG] = found(fetched("/bsd", size=3 << 20), len(RESPONSE_FILE))
    watch.feed(more)
    assert watch.progress["web1"].stage == SETS
    # newsyslog(8) was there: the lines of the new file have small offsets.
    watch.feed(more | {"log": {ACCESS_LOG: found(fetched("/base78.tgz"), other=True, inode=8)}})
    now = watch.progress["web1"]
    assert (now.detail, now.sets.fetched) == ("base78.tgz", {"bsd": 3 << 20, "base78.tgz": 0})
    assert log_questions(watch)[ACCESS_LOG]["inode"] == 8


def test_a_log_that_is_not_there_is_no_reason_to_stop() -> None:
    watch = Watch([VM], {"web1": {}})
    watch.feed(answer() | {"log": {DAEMON_LOG: None}})
    assert watch.progress["web1"].stage == BOOTS


def test_who_is_started_once_more_begins_without_its_past() -> None:
    watch = Watch([VM], {"web1": {}})
    watch.feed(answer(daemon=leased(), access=RESPONSE_FILE))
    begins = watch.begin_again("web1")
    assert begins == {DAEMON_LOG: len(leased()), ACCESS_LOG: len(RESPONSE_FILE)}
    watch.feed(answer(daemon=leased(), access=RESPONSE_FILE))
    assert watch.progress["web1"].stage == BOOTS


def test_what_vmd_says_of_it() -> None:
    watch = Watch([VM], {"web1": {}})
    assert watch.progress["web1"].untouched
    facts = watch.feed(answer(RUNS))["web1"]
    assert facts.begun
    assert (watch.progress["web1"].state, watch.progress["web1"].untouched) == ("running", False)
    watch.feed(answer(STOPPING))
    watch.feed(answer(RESTS, None))
    now = watch.progress["web1"]
    assert (now.state, now.ran, now.stopped, now.absent_looks) == (None, True, True, 1)


DONE = "CONGRATULATIONS! Your OpenBSD install has been successfully completed!\r\n"
DOWN = "syncing disks... done\r\nrebooting...\r\n"
KILLED = (
    "Nov 24 23:19:10 server1 vmd[123]: vcpu_run_loop: vm 1 / vcpu 0 run ioctl failed: No such\n"
)
HOME = fetched("/pub/OpenBSD/7.8/amd64/index.txt?installed")


def recorded(look: dict[str, t.Any], console: str) -> dict[str, t.Any]:
    look["paths"]["/var/vmm/.web1.console"] = {"size": len(console)}
    look["run"]["console web1"] = {"rc": 0, "stdout": console}
    return look


ENDS = {
    "the console says so": (DONE + DOWN, "", True, False),
    "install.site has called": ("", HOME, True, False),
    "it has called, and ended before its disks were synced": (DONE, HOME, False, False),
    "another's call": ("", HOME.replace("203.0.113.1", "203.0.113.9"), False, False),
    "a call that failed": ("", fetched("/index.txt?installed", 404), False, False),
    "all sets, and no word": ("Installing base78.tgz", fetched("/base78.tgz"), False, False),
    "killed": ("", KILLED, False, True),
    "another VM was killed": ("", KILLED.replace("123", "124"), False, False),
    "vmd was started again": ("", "Nov 24 23:20:00 server1 vmd[9]: startup\n", False, True),
}  # fmt: skip


@pytest.mark.parametrize("name", ENDS)
def test_what_proves_an_end(name: str) -> None:
    console, log, proven, stopped = ENDS[name]
    watch = Watch([VM], {"web1": {}})
    watch.feed(recorded(answer(RUNS), ""))
    look = answer(RESTS, access=log) if "GET" in log else answer(RESTS, daemon=log)
    watch.feed(recorded(look, console))
    now = watch.progress["web1"]
    assert (now.proven, now.stopped) == (proven, stopped)


def test_a_console_is_read_once_something_is_recorded() -> None:
    watch = Watch([VM], {"web1": {}})
    names = [run["name"] for run in watch.questions()["run"]]
    assert "console web1" not in names
    watch.feed(recorded(answer(), ""))
    assert watch.progress["web1"].recorded == 0
    watch.feed(recorded(answer(), "OpenBSD"))
    assert watch.questions()["run"][-1]["name"] == "console web1"


def meter(verb: str, name: str, percent: int, mib: int) -> str:
    """A line of ftp(1)'s meter, as usr.bin/ftp/util.c writes it."""
    size = f"{mib:5} MB" if mib >= 100 else f"{mib << 10:5} KB"
    left = "   00:12    " if percent == 100 else "   00:12 ETA"
    return f"\r{verb} {name:<12} {percent:3}% |{'*' * (percent // 5):<20}| {size} {left}"


def known(watch: Watch) -> tuple[str, str, str]:
    now = watch.progress["web1"]
    return now.stage, now.known, now.waits_for


def test_how_far_the_sets_are_is_in_bytes() -> None:
    directory = "/var/www/htdocs/amd64"
    names = ("bsd", "base78.tgz", "comp78.tgz")
    watch = Watch([VM], {"web1": {}}, {"web1": [f"{directory}/{name}" for name in names]})
    assert known(watch) == (BOOTS, "", "its request for an address")
    asked = [ask["path"] for ask in watch.questions()["paths"]]
    assert f"{directory}/base78.tgz" in asked
    sets = RESPONSE_FILE + fetched("/SHA256.sig", size=2324) + fetched("/bsd", size=30 << 20)
    look = answer(access=sets)
    for name, mib in zip(names, (30, 400, 70), strict=True):
        look["paths"][f"{directory}/{name}"] = {"size": mib << 20}
    watch.feed(recorded(look, ""))
    # The server was asked once.
    assert f"{directory}/base78.tgz" not in [ask["path"] for ask in watch.questions()["paths"]]
    assert known(watch) == (SETS, "bsd, 30 of 500 MiB", "the next set")
    whole = meter("Get/Verify", "bsd", 100, 30)
    fetches = f"{whole}\n{meter('Get/Verify', 'base78.tgz', 42, 168)}"
    watch.feed(recorded(answer(), fetches))
    assert known(watch) == (SETS, "base78.tgz 42 %, 198 of 500 MiB", "the rest of base78.tgz")
    rest = fetched("/base78.tgz", size=400 << 20) + fetched("/comp78.tgz", size=70 << 20)
    watch.feed(recorded(answer(access=rest), meter("Get/Verify", "comp78.tgz", 100, 70)))
    assert known(watch) == (SETS, "comp78.tgz, 500 of 500 MiB", "the next set")
    whole = meter("Installing", "bsd", 100, 30)
    unpacks = f"{whole}\n{meter('Installing', 'base78.tgz', 50, 200)}"
    look = recorded(answer(), unpacks)
    look["paths"]["/var/vmm/web1.installing.qcow2"] = {"size": 4 << 20, "blocks": 8 << 11}
    watch.feed(look)
    assert known(watch) == (
        UNPACKS, "base78.tgz 50 %, 230 of 500 MiB, image 8 MiB", "the rest of base78.tgz",
    )  # fmt: skip
    look = recorded(answer(), f"{unpacks}\nMaking all device nodes... done.\n")
    watch.feed(look)
    assert known(watch)[0] == FINISHES
    assert known(watch)[2] == "the installer's reboot"


def test_sets_from_a_mirror_are_seen_at_the_console_alone() -> None:
    watch = Watch([VM], {"web1": {}})
    watch.feed(recorded(answer(access=RESPONSE_FILE), ""))
    watch.feed(recorded(answer(), meter("Get/Verify", "base78.tgz", 42, 168)))
    assert known(watch) == (SETS, "base78.tgz 42 %, 168 MiB", "the rest of base78.tgz")
    watch.feed(recorded(answer(), meter("Get/Verify", "base78.tgz", 100, 400)))
    watch.feed(recorded(answer(), meter("Get/Verify", "comp78.tgz", 10, 7)))
    assert known(watch) == (SETS, "comp78.tgz 10 %, 407 MiB", "the rest of comp78.tgz")


def test_a_set_that_is_fetched_twice_counts_once() -> None:
    sets = Sets().fetch("bsd", 5).fetch("bsd", 5).fetch("bsd", 3).fetch("index.txt", 9)
    assert sets.fetched == {"bsd": 5}
    assert Sets().read(Console(meter("Get/Verify", "bsd", 1, 0)).meters).shown == "0 KiB"


def test_a_name_from_the_log_does_no_harm_to_a_terminal() -> None:
    watch = Watch([VM], {"web1": {}})
    watch.feed(answer(access=RESPONSE_FILE + fetched("/a\x1b[2Jb")))
    assert watch.progress["web1"].detail == "a\\x1b[2Jb"


DISCOVER = f"Nov 24 23:19:10 server1 dhcpd[41]: DHCPDISCOVER from {MAC} via vport42"
DHCP = {
    "nothing": ("", "", False),
    "asked": (
        f"{DISCOVER}\n",
        f"dhcpd(8) said last, at Nov 24 23:19:10: DHCPDISCOVER from {MAC} via vport42",
        False,
    ),
    "unknown": (
        f"{DISCOVER}\nNov 24 23:19:10 server1 dhcpd[41]: Ignoring unknown client {MAC}\n",
        f"dhcpd(8) said last, at Nov 24 23:19:10: Ignoring unknown client {MAC}",
        False,
    ),
    "answered": (
        leased(),
        f"dhcpd(8) said last, at Nov 24 23:19:10: DHCPACK on 203.0.113.1 to {MAC} via vport42",
        True,
    ),
    "another kind of time": (
        leased().replace("Nov 24 23:19:10", "2026-11-24T23:19:10.123Z"),
        "dhcpd(8) said last, at 2026-11-24T23:19:10.123Z: "
        f"DHCPACK on 203.0.113.1 to {MAC} via vport42",
        True,
    ),
    "another address": (
        leased("203.0.113.9"),
        f"dhcpd(8) said last, at Nov 24 23:19:10: DHCPACK on 203.0.113.9 to {MAC} via vport42",
        False,
    ),
}


@pytest.mark.parametrize("name", DHCP)
def test_what_dhcpd_said_last_is_kept(name: str) -> None:
    log, lease, has_address = DHCP[name]
    watch = Watch([VM], {"web1": {}})
    watch.feed(answer(daemon=log))
    now = watch.progress["web1"]
    assert (now.lease, now.has_address) == (lease, has_address)
    assert now.stage == (ADDRESS if has_address else BOOTS)


def test_silence_is_no_vm_that_rests() -> None:
    silent = answer("")
    silent["run"]["check"]["rc"] = 0
    watch = Watch([VM], {"web1": {}})
    watch.feed(answer(RUNS, access=RESPONSE_FILE + fetched("/base78.tgz")))
    with pytest.raises(Silent, match="nobody knows which VMs run"):
        watch.feed(silent)
    assert watch.progress["web1"].state == "running"
    # rcctl check that has no time to answer says no more than silence.
    silent["run"]["check"]["rc"] = 124
    with pytest.raises(Silent):
        watch.feed(silent)
    with pytest.raises(OperatorError, match="vmd does not run any more"):
        watch.feed(answer(""))


STATUS = {
    "it runs": (RUNS, False),
    "it stops": (STOPPING, False),
    "it rests": (RESTS, True),
    "another one runs": (RUNS.replace("web1", "web11"), True),
    "vmd has none": (HEAD, True),
    "no answer": ("", False),
    "half an answer": (HEAD[:20], True),
}


@pytest.mark.parametrize("name", STATUS)
def test_a_vm_rests_when_vmd_says_so(name: str) -> None:
    status, rests = STATUS[name]
    script = "exit(do { local $/; <STDIN> } =~ /$ARGV[0]/xms ? 0 : 1)"
    words = ["perl", "-e", script, steps.does_not_run("web1")]
    assert (subprocess.run(words, input=status.encode(), check=False).returncode == 0) == rests


@pytest.mark.parametrize("by", ["root@here, process 1", 'x\\\n}\nvm "evil" {', "\x00\xff"])
def test_the_marker_is_a_comment_whoever_writes_it(by: str) -> None:
    content = vm_marker.begun(by, {DAEMON_LOG: 7}, b'vm "web1" {\n}\n')
    comment, _newline, conf = content.partition(b"bytes\n")
    assert all(line.startswith(b"# ") for line in comment.splitlines())
    assert b"\\" not in comment
    assert conf == b'vm "web1" {\n}\n'
    marker = Marker.parse(content)
    assert marker.offsets == {DAEMON_LOG: 7}
