# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""How far an installation is, by what the server's daemons log."""

from __future__ import annotations

import base64
import subprocess
import typing as t
from unittest import mock

import pytest
from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines import marker as vm_marker
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines import steps
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.facts import Silent
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.installer import Installer
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.marker import Marker
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.watch import (
    ACCESS_LOG,
    ADDRESS,
    BOOTS,
    DAEMON_LOG,
    RESPONSE,
    SETS,
    Progress,
    Watch,
)

MAC = "fe:e1:bb:d1:c6:05"
VM = {
    "name": "web1",
    "mac": MAC,
    "ipv4": "203.0.113.1",
    "image": {"path": "/var/vmm/web1.qcow2", "format": "qcow2", "size": "50G"},
}
HEAD = "   ID   PID VCPUS  MAXMEM  CURMEM     TTY        OWNER    STATE NAME\n"
RUNS = HEAD + "    1 123     1    1.0G   17.0M   ttyp0         root running web1\n"
STOPPING = RUNS.replace("running", "stopping")
RESTS = HEAD + "    1     -     1    1.0G       -       -         root stopped web1\n"


def leased(address: str = "203.0.113.1", mac: str = MAC) -> str:
    return f"Nov 24 23:19:10 server1 dhcpd[41]: DHCPACK on {address} to {mac} via vport42\n"


def fetched(path: str, code: int = 200, address: str = "203.0.113.1") -> str:
    return f'server1 {address} - - [24/Nov/2026:23:19:10 +0000] "GET {path} HTTP/1.0" {code} 0\n'


RESPONSE_FILE = fetched(f"/install/{MAC}-install.conf?path=7.8/amd64")


def answer(
    status: str = RUNS, marker: bytes | None = b"# installs\n", **logs: str
) -> dict[str, t.Any]:
    """What the agent says; `logs` are what it read of them, `sizes` follow from that."""
    daemon, access = logs.get("daemon", ""), logs.get("access", "")
    path = "/var/vmm/.web1.install.conf"
    return {
        "paths": {DAEMON_LOG: {"size": len(daemon)}, ACCESS_LOG: {"size": len(access)}},
        "read": {path: base64.b64encode(marker).decode()} if marker else {},
        "run": {
            "status": {"stdout": status},
            "check": {"rc": 0 if status else 1},
            DAEMON_LOG: {"stdout": daemon},
            ACCESS_LOG: {"stdout": access},
        },
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
        "base78.tgz, 2 files",
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


def test_lines_of_an_earlier_installation_do_not_count() -> None:
    old = RESPONSE_FILE + fetched("/SHA256.sig")
    watch = Watch([VM], {"web1": {ACCESS_LOG: len(old)}})
    (command,) = (run["argv"] for run in watch.questions()["run"] if run["name"] == ACCESS_LOG)
    assert command[-2:] == [f"+{len(old) + 1}", ACCESS_LOG]
    # Where another VM began before it, more is read than this one's.
    other = {**VM, "name": "mail1", "ipv4": "203.0.113.2"}
    watch = Watch([VM, other], {"web1": {ACCESS_LOG: len(old)}, "mail1": {}})
    watch.feed(answer(access=old + RESPONSE_FILE))
    assert watch.progress["web1"].stage == RESPONSE


def test_lines_come_in_pieces_and_logs_begin_anew() -> None:
    watch = Watch([VM], {"web1": {}})
    first = RESPONSE_FILE + fetched("/SHA256.sig")
    watch.feed(answer(access=first[:-20]))
    assert watch.progress["web1"].stage == RESPONSE
    assert watch.questions()["run"][-1]["argv"][-2] == f"+{len(RESPONSE_FILE) + 1}"
    rest = answer(access=first[len(RESPONSE_FILE) :])
    rest["paths"][ACCESS_LOG]["size"] = len(first)
    watch.feed(rest)
    assert watch.progress["web1"].stage == SETS
    watch.feed(answer(access=""))
    assert watch.questions()["run"][-1]["argv"][-2] == "+1"
    watch.feed(answer(access=fetched("/base78.tgz")))
    assert watch.progress["web1"].detail == "base78.tgz, 2 files"


def test_what_vmd_says_of_it() -> None:
    watch = Watch([VM], {"web1": {}})
    assert watch.progress["web1"].untouched
    facts = watch.feed(answer(RUNS))["web1"]
    assert facts.begun
    assert (watch.progress["web1"].state, watch.progress["web1"].untouched) == ("running", False)
    watch.feed(answer(STOPPING))
    watch.feed(answer(RESTS, None))
    now = watch.progress["web1"]
    assert (now.state, now.ran, now.stopped, now.rests) == (None, True, True, 1)


CONNECTED = "Connected to /dev/ttyp0 (speed 115200)\r\n"
DONE = "\r\nCONGRATULATIONS! Your OpenBSD install has been successfully completed!\r\n\r\n"
KILLED = (
    "Nov 24 23:19:10 server1 vmd[123]: vcpu_run_loop: vm 1 / vcpu 0 run ioctl failed: No such\n"
)
FETCHED = RESPONSE_FILE + fetched("/base78.tgz")

# What the console said (None: it was not recorded), what else was logged: whether that is an end.
ENDS = {
    "sets, then gone": (None, "", FETCHED, True),
    "gone before any set": (None, "", RESPONSE_FILE, False),
    "killed": (None, KILLED, FETCHED, False),
    "another VM was killed": (None, KILLED.replace("123", "124"), FETCHED, True),
    "vmd was started again": (None, "Nov 24 23:20:00 server1 vmd[9]: startup\n", FETCHED, False),
    "the console says so": (CONNECTED + "done." + DONE + "rebooting...", "", RESPONSE_FILE, True),
    "the console says so, whatever was logged": (DONE, KILLED, FETCHED, True),
    "the console tells of a shutdown before": (
        CONNECTED + "Installing base78.tgz\r\nsyncing disks... done\r\n",
        "",
        FETCHED,
        False,
    ),
    "somebody else read the rest": (CONNECTED + "Installing base78", "", FETCHED, True),
    "somebody else read the rest, and it was killed": ("Installing", KILLED, FETCHED, False),
    "the console was never heard": (CONNECTED + "\r\n[EOT]\n", "", FETCHED, True),
}


@pytest.mark.parametrize("name", ENDS)
def test_how_an_installation_ended(name: str) -> None:
    console, daemon, access, done = ENDS[name]
    watch = Watch([VM], {"web1": {}})
    looks = [answer(RUNS), answer(RESTS, daemon=daemon, access=access)]
    for look in looks:
        if console is not None:
            look["paths"]["/var/vmm/.web1.console"] = {"size": 1}
            look["run"]["console web1"] = {"rc": 0, "stdout": console}
        watch.feed(look)
    assert watch.is_recorded("web1") is (console is not None)
    assert watch.progress["web1"].done is done


def test_what_a_console_says_does_no_harm_to_a_terminal() -> None:
    text = "a\r\n\x1b[2Jb\x07\n" + "\n".join(f"line {number}" for number in range(20))
    progress = Progress(console=text + "\nfailed; check /tmp/ai/ai.log\n")
    assert progress.gave_up
    assert progress.tail.splitlines()[-1] == "    failed; check /tmp/ai/ai.log"
    assert len(progress.tail.splitlines()) == 12
    assert Progress(console=text[:10]).tail == "    a\n     [2Jb"
    assert not Progress(console=DONE).gave_up


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
    words = ["perl", "-e", script, steps.rests("web1")]
    assert (subprocess.run(words, input=status.encode(), check=False).returncode == 0) == rests


def test_an_installer_that_writes_is_not_given_up() -> None:
    clock = iter(range(0, 100000, 100))
    answers = [answer(RUNS, access=RESPONSE_FILE + fetched("/base78.tgz"))]
    for blocks in (1000, 2000, 3000, 3000, 3000):
        one = answer(RUNS, access=RESPONSE_FILE + fetched("/base78.tgz"))
        one["run"][ACCESS_LOG]["stdout"] = ""
        one["paths"]["/var/vmm/web1.installing.qcow2"] = {"size": 1, "blocks": blocks}
        answers.append(one)
    agent = mock.Mock(by="me")
    agent.look.side_effect = [answers[0], *answers]
    said: list[str] = []
    installer = Installer(agent, lambda vm: b"", said.append, timeout=150, interval=0)
    with mock.patch("time.monotonic", side_effect=lambda: next(clock)):
        outcome = installer.install([VM])
    assert "nothing new for 150 s" in outcome.failures["web1"]
    assert agent.look.call_count == 1 + len(answers)


@pytest.mark.parametrize("by", ["root@here, process 1", 'x\\\n}\nvm "evil" {', "\x00\xff"])
def test_the_marker_is_a_comment_whoever_writes_it(by: str) -> None:
    content = vm_marker.begun(by, {DAEMON_LOG: 7}, b'vm "web1" {\n}\n')
    comment, _newline, conf = content.partition(b"bytes\n")
    assert all(line.startswith(b"# ") for line in comment.splitlines())
    assert b"\\" not in comment
    assert conf == b'vm "web1" {\n}\n'
    marker = Marker.parse(content)
    assert marker.offsets == {DAEMON_LOG: 7}
