# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""When an installation has ended, by what was seen of it."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.puffy.vmm.plugins.module_utils._formats.console import Console
from ansible_collections.puffy.vmm.plugins.plugin_utils._installation.verdict import (
    Elapsed,
    End,
    Limits,
    explain,
    may_begin_again,
    verdict,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._installation.watch import (
    ADDRESS,
    BOOTS,
    RESPONSE,
    SETS,
    UNPACKS,
    Progress,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.sets import Sets
from unit.machines import machine

VM = machine()
DONE = "CONGRATULATIONS! Your OpenBSD install has been successfully completed!\r\n"
DOWN = "syncing disks... done\r\nrebooting...\r\n"
GAVE_UP = "failed; check /tmp/ai/ai.log\r\n"
PROMPT = "Response file location? [http://203.0.113.1/install.conf] "
ASKED = "What timezone are you in? ('?' for list) [Mars/Base] Mars/Base\r\n"
NO_LEASE = "No dhcp address on interface vio0 in 30 seconds.\r\n"
LIMITS = Limits(silence=100, total=1000, question=60)


def progress(console: str = "", **more: t.Any) -> Progress:
    return Progress(console=Console(console), ran=True, **{"stage": SETS, **more})


def ended(console: str = "", **more: t.Any) -> Progress:
    return progress(console, **{"state": None, "absent_looks": 2, **more})


FRESH = Elapsed(10, 1, 1)
VERDICTS: dict[str, tuple[Progress, Elapsed, End | None]] = {
    "it continues": (progress(), FRESH, None),
    "not started yet": (Progress(state=None, absent_looks=5), Elapsed(59, 59, 59), None),
    "gone before any look, with a record": (
        Progress(state=None, absent_looks=2, recorded=9),
        FRESH,
        End.STOPPED,
    ),
    "never started": (Progress(state=None, absent_looks=5), Elapsed(61, 61, 61), End.STOPPED),
    "gone a moment ago": (ended(DONE + DOWN, absent_looks=1), FRESH, None),
    "the last words, and gone": (ended(DONE + DOWN), FRESH, End.INSTALLED),
    "a call from install.site, and gone": (ended(called_home=True), FRESH, End.INSTALLED),
    "a call, and gone before the disks were synced": (
        ended(DONE, called_home=True, recorded=99),
        FRESH,
        End.STOPPED,
    ),
    "all sets were fetched, and gone": (ended("Installing base78.tgz"), FRESH, End.STOPPED),
    "all sets were fetched, and nothing was recorded": (ended(), FRESH, End.STOPPED),
    "gone before the disks were synced": (ended(DONE), FRESH, End.STOPPED),
    "stopped by somebody": (ended(DOWN, stopped=True), FRESH, End.STOPPED),
    "the last words count before a stop": (ended(DONE + DOWN, stopped=True), FRESH, End.INSTALLED),
    "the last words, and it reboots": (progress(DONE), Elapsed(10, 99, 99), None),
    "the last words, and it hangs": (progress(DONE), Elapsed(200, 101, 101), End.HANGS),
    "the last words, and too late": (progress(DONE), Elapsed(2000, 50, 50), None),
    "it gave up": (progress(GAVE_UP), FRESH, End.GAVE_UP),
    "it asks again and again": (progress(ASKED * 9), FRESH, End.REPEATS),
    "it waits": (progress(PROMPT), Elapsed(61, 61, 61), End.WAITS),
    "it waits since just now": (progress(PROMPT), Elapsed(61, 61, 5), None),
    "it waits, and nothing was new for long": (progress(PROMPT), Elapsed(200, 101, 9), End.WAITS),
    "nothing new": (progress(), Elapsed(101, 101, 101), End.SILENT),
    "too long, and still moving": (progress(), Elapsed(1001, 1, 1), End.TOO_LONG),
}


@pytest.mark.parametrize("name", VERDICTS)
def test_verdicts(name: str) -> None:
    now, elapsed, end = VERDICTS[name]
    assert verdict(now, elapsed, LIMITS) is end


AGAIN = {
    "no lease": (End.GAVE_UP, progress(NO_LEASE + GAVE_UP), True),
    "no response file": (End.WAITS, progress(PROMPT), True),
    "another reason": (End.GAVE_UP, progress(GAVE_UP), False),
    "it wrote to the disk": (End.GAVE_UP, progress(NO_LEASE + GAVE_UP, blank=False), False),
    "it is slow": (End.SILENT, progress(NO_LEASE), False),
    "it was stopped": (End.STOPPED, ended(NO_LEASE), False),
}


@pytest.mark.parametrize("name", AGAIN)
def test_who_is_started_once_more(name: str) -> None:
    end, now, again = AGAIN[name]
    assert may_begin_again(end, now) is again


LEASE = "dhcpd(8) said last, at Nov 24 23:19:10: DHCPACK on 203.0.113.14 to fe:e1:bb:d1:c6:05 via x"
MESSAGES = {
    "a processor that died": (
        End.STOPPED,
        ended("Installing base78.tgz", stage=UNPACKS, detail="base78.tgz", written=812 << 20),
        [
            "web1: it has no process, and nothing shows that the installer finished while it "
            "unpacks sets (base78.tgz)", "261 s after", "its new image has 812 MiB",
            "old image, the response file and the note of the installation are kept",
            "A processor of a VM that dies looks like this", "run again to install it again",
            "Its console ended with\n    Installing base78.tgz",
        ],
    ),
    "nothing was recorded": (
        End.STOPPED, ended(stopped=True),
        ["it was stopped while it fetches sets", "Nothing was recorded of its console."],
    ),
    "a repeated question": (
        End.REPEATS, progress(ASKED * 9, lease=LEASE),
        ["\"What timezone are you in? ('?' for list)\", and the answer is \"Mars/Base\"", LEASE,
         "correct the answer in its VM file (timezone, install_options)"],
    ),
    "a question without an answer": (
        End.WAITS, progress(PROMPT, stage=BOOTS),
        ['the installer waits for an answer to "Response file location?" while it boots the',
         "dhcpd(8) has logged nothing of it", "vmctl console web1",
         "look whether its interface is on the switch"],
    ),
    "an answer that is missing": (
        End.GAVE_UP,
        progress('Question has no answer in response file: "server directory?"\n' + GAVE_UP),
        ['since the response file has no answer to "server directory?"'],
    ),
    "silence": (
        End.SILENT, progress(stage=RESPONSE),
        ["nothing new for 100 s while it has its response file (",
         "look whether its sets are where it fetches them"],
    ),
    "silence without a response file": (
        End.SILENT, progress(stage=ADDRESS, lease=LEASE), ["look whether httpd(8) runs", LEASE],
    ),
    "silence of sets": (
        End.SILENT, progress(sets=Sets({"bsd": 30 << 20}, total=500 << 20)),
        ["; sets: 30 of 500 MiB; ", "look whether its sets are where"],
    ),
    "silence after the sets": (
        End.SILENT, progress(stage=UNPACKS),
        ["see its console (as root on the server: vmctl console web1), stop it",
         "(vmctl stop -f web1)"],
    ),
    "silence of a console that is recorded": (
        End.SILENT, progress(stage=UNPACKS, recorded=0),
        ["(as root on the server: rm /var/vmm/.web1.console, which ends its recording, and then "
         "vmctl console web1), stop it"],
    ),
    "too long": (End.TOO_LONG, progress(), ["it takes too long, more than 1000 s, while it"]),
    "it hangs": (
        End.HANGS, progress(DONE),
        ["the installer has finished, and the VM has not rebooted for 100 s",
         "(vmctl stop web1) and run again: if its kernel still writes"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MESSAGES)
def test_messages(name: str) -> None:
    end, now, texts = MESSAGES[name]
    message = explain(VM, end, now, Elapsed(261, 5, 5), LIMITS)
    for text in texts:
        assert text in message, message
