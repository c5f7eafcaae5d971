# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""upgrade.yml: one server after the other, its VMs back as they were, and cut off anywhere."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import pytest
from integration.conftest import SPEED
from integration.harness import Site, messages, state
from integration.mirror import serving

from sandbox.server import Server, ServerError

JOURNAL = "/var/backups/puffy.vmm/upgrade"
QUICK = ("-e", "upgrade_interval=0.3", "-e", "upgrade_boot_minutes=1")
ONE = ("--limit", "server1", *QUICK)
ERRATA = ("001_syspatch", "002_vmd")
Boot = Callable[[Server], None]
Condition = Callable[[], bool]


@dataclass
class Done:
    """A run that has ended."""

    returncode: int
    said: str


def boots(server: Server, *, release: bool = True, vmd: bool = True) -> None:
    """What a machine does that shutdown(8) -r has ended, as far as anybody here looks at it.

    boot(8) boots /bsd.upgrade once, which leaves the new release; then rc(8) empties /var/run,
    starts what rc.conf.local(8) enables, and runs rc.local(8).
    """
    # It has ended, and is waited for here.
    server.stop()
    root, saved = server.home / "root", server.home / "state.json"
    new = root / "bsd.upgrade"
    if new.exists() and release:
        data = json.loads(saved.read_text())
        data["release"] = {"r": new.read_text()}
        saved.write_text(json.dumps(data))
        for path in (new, root / "auto_upgrade.conf"):
            path.unlink()
    (root / "var/run/puffy.vmm.upgrade").unlink(missing_ok=True)
    server.start(speed=SPEED)
    server.clear("slow")
    server.run("[ ! -e /bsd.upgrade ] || chmod 600 /bsd.upgrade")
    if not vmd:
        server.run("rcctl stop vmd")
    server.run("sh /etc/rc.local")


def upgrade(site: Site, *words: str, boot: Boot = boots, until: Condition = lambda: False) -> Done:
    """Runs the playbook, and starts each server again that it has shut down.

    With `until`, the run is killed when that has come to pass.
    """
    log = site.directory / "under_way.log"
    with site.under_way("upgrade", *words) as run:
        while run.poll() is None:
            if until():
                run.kill()
                break
            for server in site.servers.values():
                if not server.running and not (server.home / "off").exists():
                    boot(server)
            time.sleep(0.1)
    return Done(run.wait(), log.read_text())


def succeeds(site: Site, *words: str, boot: Boot = boots) -> str:
    done = upgrade(site, *words, boot=boot)
    assert done.returncode == 0, done.said
    return done.said


def running(server: Server) -> set[str]:
    lines = server.run("vmctl status").stdout.decode().splitlines()[1:]
    return {line.split()[-1] for line in lines if line.split()[1].isdigit()}


def begun(server: Server) -> bool:
    return server.run(f"test -e {JOURNAL}").returncode == 0


@pytest.fixture
def old(booted: Site) -> Site:
    """server1 lacks errata; mail1 and web1 run, and the owner of db1 has stopped it."""
    server = booted.server1
    for name in ERRATA:
        server.fault("errata", name)
    for name in ("mail1", "web1"):
        assert server.run(f"vmctl start {name}").returncode == 0
    return booted


def test_errata(old: Site) -> None:
    server = old.server1
    # Its definition has changed since it was started, which does not matter.
    server.write("/var/db/puffy.vmm.pending", "mail1\n")
    before = state(server)
    check = old.play("upgrade", *ONE, "--check")
    assert check.returncode == 0, messages(check)
    order = [line.split("would ")[1] for line in check.stdout.splitlines() if " would " in line]
    assert order == [
        "install the errata 001_syspatch, 002_vmd: syspatch",
        "stop at the same time mail1, web1",
        "reboot, and wait until the server is back",
        "start again mail1, web1",
        "leave stopped db1, shop1",
        "compare the server with the fleet, and report",
    ]
    assert state(server) == before

    said = succeeds(old, *ONE)
    assert running(server) == {"mail1", "web1"}
    assert "errata installed: 78-001_syspatch, 78-002_vmd" in said
    assert "VMs that ran, and run again: mail1, web1" in said
    assert not begun(server)
    assert server.run("test -e /var/db/puffy.vmm.pending").returncode != 0
    again = succeeds(old, *ONE)
    assert "all errata is installed already" in again
    assert running(server) == {"mail1", "web1"}


def test_the_next_release(old: Site) -> None:
    server = old.server1
    with serving({}) as mirror:
        url = f"http://127.0.0.1:{mirror.port}/pub/OpenBSD"
        server.write("/etc/installurl", f"# the mirror\n{url}\n")
        refused = old.play("upgrade", *ONE, "-e", "to=8.0")
        assert "8.0 does not follow 7.8" in messages(refused)
        refused = old.play("upgrade", *ONE, "-e", "to=7.9")
        assert "7.9/amd64/SHA256.sig" in messages(refused)
        assert not begun(server)
        mirror.files["/pub/OpenBSD/7.9/amd64/SHA256.sig"] = b"signed\n"

        # The kernel is not booted: the old release comes back, and so do the VMs.
        failed = upgrade(old, *ONE, "-e", "to=7.9", boot=partial(boots, release=False))
        assert failed.returncode == 2
        assert "the upgrade to OpenBSD 7.9 failed: the server came back with 7.8" in failed.said
        assert "/bsd.upgrade was booted, and the installer did not finish" in failed.said
        assert running(server) == {"mail1", "web1"}
        assert not begun(server)

        said = succeeds(old, *ONE, "-e", "to=7.9")
    assert "upgraded from OpenBSD 7.8 to 7.9" in said
    assert "new VMs are to be installed from 7.9 now: run puffy.vmm.sets" in said
    assert running(server) == {"mail1", "web1"}
    assert not begun(server)


def reaches(server: Server, when: str, then: Callable[[], None] = lambda: None) -> Condition:
    """Whether the upgrade is in a phase, after which something is done at once."""

    def reached() -> bool:
        if phase(server) != when:
            return False
        then()
        return True

    return reached


def phase(server: Server) -> str:
    """What the journal says was done last, empty without one."""
    if not server.running:
        return "down"
    with suppress(ServerError, ValueError, EOFError, OSError):
        return str(json.loads(server.read(JOURNAL))["phase"])
    return ""


# What makes a phase last, and the phase.
CUTS = (
    (("slow", "syspatch", "3"), "preparing"),
    (("slow", "nc", "3"), "prepared"),
    (("slow", "vmctl", "1"), "stopping"),
    (("slow", "shutdown", "3"), "stopped"),
    (("slow", "vmctl", "3"), "started"),
)


def test_cut_off_anywhere_it_continues(old: Site) -> None:
    server, booted, fault = old.server1, [], CUTS[0][0]

    def boot(server: Server) -> None:
        booted.append(server.name)
        boots(server)
        server.fault(*fault)

    for fault, when in CUTS:
        server.fault(*fault)
        # While the server goes down, a run does not reach it.
        for _ in range(3):
            if phase(server) != when:
                upgrade(old, *ONE, boot=boot, until=reaches(server, when, lambda: time.sleep(0.2)))
        assert phase(server) == when, f"{when}: {(old.directory / 'under_way.log').read_text()}"
        server.clear("slow")
    said = succeeds(old, *ONE, boot=boot)
    assert booted == ["server1"]
    assert running(server) == {"mail1", "web1"}
    assert "VMs that ran, and run again: mail1, web1" in said
    assert not begun(server)
    assert server.run(f"test -e {JOURNAL}.ran").returncode != 0


def errata(server: Server) -> set[str]:
    """What syspatch(8) can revert."""
    kept = server.run("ls -d /var/syspatch/*/rollback.tgz").stdout.decode().split()
    return {path.split("/")[3] for path in kept}


def test_errata_that_were_there_before_stay(old: Site) -> None:
    """The power fails, an erratum is left incomplete, and the mirror is gone for a while."""
    server, base = old.server1, {"78-000_a", "78-000_b"}
    for name in base:
        server.run(f"mkdir -p /var/syspatch/{name}; touch /var/syspatch/{name}/rollback.tgz")
    server.fault("slow", "syspatch", "3")
    upgrade(old, *ONE, until=reaches(server, "preparing", server.stop))
    boots(server)
    assert errata(server) == base
    # It never came to keeping the old files of this one.
    server.run("mkdir -p /var/syspatch/78-001_syspatch")
    server.fault("fail", "syspatch", "1", "syspatch: no route to host")
    for _run in range(2):
        failed = upgrade(old, *ONE)
        assert failed.returncode == 2
        assert "No VM was stopped; run again to continue" in failed.said
        assert "syspatch -r" not in failed.said
        assert errata(server) == base
    server.clear("fail")

    # Of the errata of this upgrade, the newest may be incomplete.
    server.run("touch /var/syspatch/78-001_syspatch/rollback.tgz")
    said = succeeds(old, *ONE)
    assert "run syspatch -r to revert 78-001_syspatch, which may be incomplete" in said
    assert "errata installed: 78-001_syspatch, 78-002_vmd" in said
    assert errata(server) == {*base, "78-001_syspatch", "78-002_vmd"}


@pytest.mark.parametrize("when", ["preparing", "stopping"])
def test_a_server_that_loses_its_power_meanwhile(old: Site, when: str) -> None:
    server, slow = old.server1, next(fault for fault, name in CUTS if name == when)
    server.fault(*slow)
    done = upgrade(old, *ONE, until=reaches(server, when, server.stop))
    assert done.returncode != 0
    boots(server)
    server.clear("slow")
    done = upgrade(old, *ONE)
    assert done.returncode == 0, done.said
    # Without the list it is a boot like any other, and db1 starts.
    assert running(server) - {"db1"} == {"mail1", "web1"}
    assert "errata installed: 78-001_syspatch, 78-002_vmd" in done.said, done.said


def test_a_step_that_fails_before_the_reboot_has_vms_started_again(old: Site) -> None:
    server = old.server1
    server.fault("fail", "shutdown", "1", "shutdown: no way")
    failed = upgrade(old, *ONE)
    assert failed.returncode == 2
    assert "shutdown: no way" in failed.said
    assert "is as it was before" not in failed.said
    assert "These were started again by this run: mail1, web1." in failed.said
    assert running(server) == {"mail1", "web1"}
    server.clear("fail")
    assert "errata installed" in succeeds(old, *ONE)
    assert running(server) == {"mail1", "web1"}


def test_an_answer_that_is_lost_as_the_server_goes_down(old: Site) -> None:
    server, booted = old.server1, []

    def boot(server: Server) -> None:
        booted.append(server.name)
        boots(server)

    server.fault("cut_at", "shutdown")
    assert "errata installed" in succeeds(old, *ONE, boot=boot)
    assert booted == ["server1"]
    assert running(server) == {"mail1", "web1"}


def test_a_server_that_does_not_come_back_ends_the_series(old: Site) -> None:
    server, others = old.server1, len(old.executions("server2"))
    off = server.home / "off"
    off.touch()
    failed = upgrade(old, *QUICK, "-e", "upgrade_boot_minutes=0")
    assert failed.returncode != 0
    for text in ("the server is not back after 0 min", "Look at its console", "mail1, web1"):
        assert text in failed.said, failed.said
    assert len(old.executions("server2")) == others

    # It boots, without vmd(8) at first.
    off.unlink()
    boots(server, vmd=False)
    failed = upgrade(old, *ONE, "-e", "upgrade_boot_minutes=0")
    assert "is not back after 0 min (vmd(8) does not run)" in failed.said
    assert server.run("rcctl start vmd").returncode == 0
    assert "errata installed" in succeeds(old, *ONE)
    assert running(server) == {"mail1", "web1"}


def test_owners_are_told_before(old: Site) -> None:
    server = old.server1
    motd = server.read("/etc/motd")
    server.fault("fail", "mail", "1", "mail: no")
    assert "not notified: upgrade: mail to mira: exit status 1" in succeeds(
        old, *ONE, "-e", "announce_hours=1"
    )
    server.clear("fail")
    server.remove(JOURNAL)
    said = succeeds(old, *ONE, "-e", "announce_hours=48")
    assert "announced for " in said
    assert b"\npuffy.vmm: from " in server.read("/etc/motd")
    assert b"    mail1\n" in server.read("/var/mail/mira")
    again = succeeds(old, *ONE)
    assert "begin now with -e announce_hours=0" in again
    assert server.run("test -e /var/syspatch").returncode != 0
    succeeds(old, *ONE, "-e", "announce_hours=0")
    assert server.read("/etc/motd").strip() == motd.strip()

    # What was announced and is not needed any more goes, too.
    server.fault("errata", "009_late")
    succeeds(old, *ONE, "-e", "announce_hours=48")
    server.run("mkdir -p /var/syspatch/78-009_late; touch /var/syspatch/78-009_late/rollback.tgz")
    assert "is installed already" in succeeds(old, *ONE)
    assert server.read("/etc/motd").strip() == motd.strip()
    assert not begun(server)


def test_what_is_refused_leaves_the_server_as_it_was(old: Site) -> None:
    server = old.server1
    before = state(server)
    for words, text in {
        ("-e", "to=next"): "'next' is not a release of OpenBSD; name one such as 7.9",
        ("-e", "upgrade_backup_hours=24"): "there is no proof of backups",
        ("-e", "announce_hours=-1"): "announce_hours: -1 is not allowed",
    }.items():
        refused = old.play("upgrade", *ONE, *words)
        assert refused.returncode == 2
        assert text in messages(refused), messages(refused)
    server.fault("fail", "syspatch", "1", "syspatch: no route to host")
    refused = old.play("upgrade", *ONE)
    assert "syspatch: no route to host" in messages(refused)
    server.clear("fail")
    server.fault("disk_full", "/var/backups/puffy.vmm")
    refused = old.play("upgrade", *ONE)
    assert refused.returncode == 2
    assert "No space left on device" in messages(refused)
    server.clear("disk_full")
    assert state(server) == before
    server.write("/var/backups/puffy.vmm/backup-db1.hold", "{}\n")
    refused = old.play("upgrade", *ONE)
    assert "db1: paused or stopped for a backup" in messages(refused)
    server.remove("/var/backups/puffy.vmm/backup-db1.hold")
    server.run("echo '# by hand' >>/etc/dhcpd.conf")
    refused = old.play("upgrade", *ONE)
    assert "not as the fleet says (change /etc/dhcpd.conf)" in messages(refused)
    assert not begun(server)
