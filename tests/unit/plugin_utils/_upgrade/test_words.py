# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What owners and operators read of an upgrade."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.puffy.vmm.plugins.plugin_utils._upgrade import words
from ansible_collections.puffy.vmm.plugins.plugin_utils._upgrade.core.journal import Journal, Phase
from ansible_collections.puffy.vmm.plugins.plugin_utils._upgrade.core.plan import (
    Checks,
    Request,
    next_step,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._upgrade.core.seen import (
    Seen,
    UpgradeKernel,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._upgrade.motd import with_notice
from unit.machines import RUNS, machine

MOTD = "OpenBSD 7.8 (GENERIC.MP)\n\nWelcome to OpenBSD.\n"
DONE = Journal(
    Phase.STARTED, "mira@desk, process 7", to="7.9", release="7.8", kernel="GENERIC#1",
    ran={"web1": True, "mail1": False},
)  # fmt: skip
NOW = Seen("7.9", kernel="GENERIC#2", journal=DONE)


@pytest.mark.parametrize("motd", [MOTD, MOTD.rstrip("\n"), "one line\n", ""])
def test_a_notice_comes_after_an_empty_line_and_goes_again(motd: str) -> None:
    told = with_notice(motd, "from then on")
    assert "\n\n" in told or told.startswith("\n")
    assert told.endswith("\npuffy.vmm: from then on\n")
    assert with_notice(told, "another") == told.replace("from then on", "another")
    assert with_notice(told, "").strip() == motd.strip()
    assert with_notice(motd, "") == motd


def test_times_are_in_utc() -> None:
    assert words.time_of(1_796_000_000) == "2026-11-30 00:53 UTC"
    assert "from 2026-11-30 00:53 UTC on" in words.notice(1_796_000_000)
    assert "    web1\n    web2\n" in words.mail("server1", 0, ["web1", "web2"])


def foreseen(seen: Seen, request: Request, checks: Checks) -> list[str]:
    return list(words.foreseen(next_step(seen, request, checks), seen, request, checks))


def test_what_is_foreseen_is_in_order_from_where_the_server_is() -> None:
    fresh = Seen("7.8", statuses={"web1": RUNS}, defined=frozenset({"web1", "db1"}))
    whole = foreseen(fresh, Request("7.9", announce_hours=1), Checks())
    assert [line.split()[0] for line in whole] == [
        "announce", "fetch", "stop", "reboot,", "start", "leave", "compare",
    ]  # fmt: skip
    assert whole[1].endswith("https://cdn.openbsd.org/pub/OpenBSD: sysupgrade -n -R 7.9")
    down = replace(fresh, statuses={}, marked=True, journal=replace(DONE, phase=Phase.STOPPED))
    assert foreseen(down, Request("7.9"), Checks())[:3] == [
        "start mail1, web1 until the boot",
        "fetch and verify OpenBSD 7.9 from https://cdn.openbsd.org/pub/OpenBSD: "
        "sysupgrade -n -R 7.9",
        "stop at the same time mail1, web1",
    ]
    down = replace(down, upgrade_kernel=UpgradeKernel.READY, answers=True)
    assert foreseen(down, Request("7.9"), Checks()) == [
        "reboot, and wait until the server is back",
        "start again mail1, web1",
        "leave stopped db1",
        "compare the server with the fleet, and report",
    ]
    assert foreseen(fresh, Request(), Checks()) == [
        "do nothing: OpenBSD 7.8 with all errata is installed already"
    ]


def test_an_erratum_that_may_be_incomplete_is_named() -> None:
    cut = replace(DONE, phase=Phase.PREPARING, to=None, patches=("78-001_a",), ran={})
    seen = Seen("7.8", journal=cut, marked=True, patches=("78-001_a", "78-002_b"))
    assert foreseen(seen, Request(), Checks())[:2] == [
        "revert 78-002_b, which may be incomplete, to install it again: syspatch -r",
        "install the errata that are left: syspatch",
    ]
    said = words.not_reverted("78-002_b", "tar: failed")
    assert "If /var/syspatch/78-002_b/rollback.tgz is damaged" in said


def test_the_summary_says_what_else_is_to_be_done() -> None:
    said = "\n".join(words.summary(NOW, None))
    for text in (
        "upgraded from OpenBSD 7.8 to 7.9",
        "kernel GENERIC#1 before, GENERIC#2 now",
        "VMs that ran, and run again: mail1, web1",
        "run this playbook again without to",
        "new VMs are to be installed from 7.9 now: run puffy.vmm.sets",
    ):
        assert text in said, said
    assert "sysmerge" not in said
    fixed = "\n".join(words.summary(replace(NOW, leftovers=("/tmp/sysmerge.abcdefghij",)), "7.8"))
    assert "VMs are still installed from 7.8: set vmm_release to 7.9" in fixed
    assert "/tmp/sysmerge.abcdefghij" in fixed


def test_errata_and_a_kernel_that_is_still_the_old_one() -> None:
    journal = replace(DONE, to=None, patches=("78-001_a",), linked=True, kernel="GENERIC#2")
    now = replace(NOW, release="7.8", journal=journal, patches=("78-001_a", "78-002_b"))
    said = "\n".join(words.summary(now, None))
    assert "errata installed: 78-002_b" in said
    assert "reorder_kernel" in said
    assert "puffy.vmm.sets" not in said


def test_guests_that_would_be_cut_off_are_named() -> None:
    guest = machine(name="guest", install_by="none")
    others = (guest, machine(), machine(name="off", install_by="none"))
    seen = replace(NOW, statuses={"guest": RUNS, "web1": RUNS})
    (line,) = words.warnings(seen, others)
    assert line.startswith("guest: vmd(8) cuts off")


def test_a_server_that_is_not_back() -> None:
    said = words.not_back(DONE, "it does not answer", 3600)
    for text in ("not back after 60 min (it does not answer)", "console", "mail1, web1"):
        assert text in said


@pytest.mark.parametrize(
    ("kernel", "text"),
    [
        (UpgradeKernel.ABSENT, "/bsd.upgrade is gone"),
        (UpgradeKernel.READY, "was not booted"),
        (UpgradeKernel.SPENT, "was booted, and the installer did not finish"),
    ],
)
def test_the_old_release_came_back(kernel: UpgradeKernel, text: str) -> None:
    old = replace(NOW, release="7.8", upgrade_kernel=kernel)
    assert text in words.old_release(old)
    assert "came back with 7.8" in words.old_release(old)
