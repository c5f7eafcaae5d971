# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Waiting for the first answer of a VM, and what is said of one that does not come."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator
from unittest import mock

import pytest
from ansible_collections.puffy.vmm.plugins.module_utils._formats.console import Console
from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from ansible_collections.puffy.vmm.plugins.plugin_utils._installation.first_answer import (
    wait_for_ssh,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._installation.no_answer import (
    REFUSED,
    explain,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._installation.report import Report
from ansible_collections.puffy.vmm.plugins.plugin_utils._installation.watch import (
    DAEMON_LOG,
    Progress,
)
from unit.plugin_utils._installation.test_watch import RUNS, VM, answer, leased, recorded

LOGIN = "starting network daemons: sshd.\r\n\r\nOpenBSD/amd64 (web1) (tty00)\r\n\r\nlogin: "
LEASE = "dhcpd(8) said last, at Nov 24 23:19:10: DHCPACK on 203.0.113.1 to fe:e1:bb:d1:c6:05 via x"
TIMED_OUT = "Operation timed out"


def now(console: str = "", **more: t.Any) -> Progress:
    return Progress(console=Console(console), ran=True, **more)


CAUSES: dict[str, tuple[Progress, str, list[str]]] = {
    "nothing is known": (
        now(), "",
        ["web1: no answer on port 22 of 203.0.113.1 after 906 s (vmctl shows it as running; "
         "dhcpd(8) has logged nothing of it, so no request for an address reached the server). ",
         "its interface must be on the switch", "vmctl console web1",
         "Nothing was recorded of its console."],
    ),
    "it has ended": (
        now(LOGIN, state=None, lease=LEASE, has_address=True), TIMED_OUT,
        ["it does not run any more", "/var/log/daemon", "run again to start it again"],
    ),
    "its kernel has crashed": (
        now("panic: oh\r\nStopped at x\r\nddb> ", lease=LEASE, has_address=True, recorded=9),
        TIMED_OUT,
        ["Its kernel has crashed. Look at its console (as root on the server: rm /var/vmm/.web1.",
         "console, which ends its recording, and then vmctl console web1), ",
         "vmctl stop -f web1", "verb=reinstall", "    ddb>"],
    ),
    "nothing boots": (
        now("Booting from Hard Disk...\r\nNo bootable device.\r\n"), TIMED_OUT,
        ["Its disk has no system that boots", "verb=reinstall"],
    ),
    "sshd is not there": (
        now(LOGIN, lease=LEASE, has_address=True), REFUSED,
        ["after 906 s: Connection refused (", LEASE, "sshd(8) does not answer in it",
         "rcctl check sshd", "Its console ended with\n", "    login:"],
    ),
    "dhcpd does not know it": (
        now(LOGIN, lease="dhcpd(8) said last, at ...: Ignoring unknown client x"), TIMED_OUT,
        ["Ignoring unknown client", "dhcpd.conf(5) must have its MAC fe:e1:bb:d1:c6:05"],
    ),
    "packets are dropped": (
        now(LOGIN, lease=LEASE, has_address=True), TIMED_OUT,
        ["It is up and has its address", "pfctl -vsr -a puffy.vmm", "203.0.113.1 is on vio0"],
    ),
    "it boots": (
        now("fsck", lease=LEASE, has_address=True), TIMED_OUT,
        ["is still booting or has stopped at something", "run again to wait again"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CAUSES)
def test_what_is_said_of_each_cause(name: str) -> None:
    progress, reason, texts = CAUSES[name]
    message = explain(VM, progress, reason, 906)
    for text in texts:
        assert text in message, message


def test_a_boot_that_goes_well_is_no_crash() -> None:
    console = Console(f"cannot open sd0a:/etc/random.seed: No such file or directory\r\n{LOGIN}")
    assert (console.crashed, console.no_system, console.waits_for_login) == (False, False, True)


class Server:
    """Port 22 by the attempt, the last answer again and again; an attempt takes 10 s."""

    def __init__(self, *attempts: tuple[int, str]) -> None:
        self.attempts = list(attempts)
        self.now = 0.0
        self.asked: list[t.Mapping[str, t.Any]] = []

    def look(self, request: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        self.asked.append(request)
        self.now += 10
        if "paths" in request:
            return recorded(answer(RUNS, daemon=leased()), LOGIN)
        code, said = self.attempts.pop(0) if len(self.attempts) > 1 else self.attempts[0]
        return {"run": {"web1": {"rc": code, "stdout": "", "stderr": said}}}


@pytest.fixture(autouse=True)
def _no_sleep() -> Iterator[None]:
    with mock.patch("time.sleep"):
        yield


def failed(reason: str) -> tuple[int, str]:
    return 1, f"nc: connect to 203.0.113.1 port 22 (tcp) failed: {reason}\n"


def wait(server: Server, seconds: int, begins: dict[str, dict[str, int]]) -> Report:
    report = Report(SAID.append)
    SAID.clear()
    with mock.patch("time.monotonic", side_effect=lambda: server.now):
        wait_for_ssh(t.cast(t.Any, server), [VM], seconds, report, begins)
    return report


SAID: list[str] = []


def test_lines_say_why_it_does_not_answer_yet() -> None:
    attempts = [failed(TIMED_OUT)] * 9 + [failed(REFUSED)] * 2 + [(0, "")]
    report = wait(Server(*attempts), 900, {})
    waits = "waiting for an answer on port 22"
    assert [
        f"  web1 starts ({TIMED_OUT}), {waits} [20 s]",
        f"  web1 starts ({TIMED_OUT}), {waits} [80 s]",
        f"  web1 starts ({REFUSED}), {waits} [100 s]",
        "  web1 answers on port 22 [120 s]",
    ] == SAID
    assert [(step["step"], step["begun"], step["seconds"]) for step in report.steps] == [
        ("starts", 20, 100), ("answers on port 22", 120, 120),
    ]  # fmt: skip


def test_what_the_log_had_before_the_start_is_no_lease() -> None:
    server = Server(failed(TIMED_OUT))
    with pytest.raises(OperatorError, match="said last, at Nov 24 23:19:10: DHCPACK on") as failure:
        wait(server, 15, {})
    assert f"after 20 s: {TIMED_OUT} (" in str(failure.value)
    with pytest.raises(OperatorError, match="dhcpd\\(8\\) has logged nothing of it"):
        wait(Server(failed(TIMED_OUT)), 15, {"web1": {DAEMON_LOG: len(leased())}})


def test_a_reason_does_no_harm_to_a_terminal() -> None:
    with pytest.raises(OperatorError) as failure:
        wait(Server(failed("a\x1b[2Jb")), 15, {})
    assert "\x1b" not in "".join(SAID) + str(failure.value)
