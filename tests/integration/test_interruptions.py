# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""An installation that is cut off continues, and one that fails leaves nothing half used."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from integration.conftest import Copy, servers
from integration.harness import Site, messages, provide_sets

BLANK = 1 << 20
RUNS = re.compile(r"^ *\d+ +\d+ .* web1$", re.MULTILINE)


# Guests take their time, so that a test comes in between.
SPEED = 8


@pytest.fixture
def slow(tmp_path: Path, copy: Copy, common: Path) -> Iterator[Site]:
    copy(tmp_path, "converged")
    with servers(tmp_path, speed=SPEED, shared=common / "shared") as made:
        assert made.server1.run("vmctl start mail1").returncode == 0
        provide_sets(made.server1)
        yield made


@pytest.fixture
def slow_installed(tmp_path: Path, copy: Copy, common: Path) -> Iterator[Site]:
    copy(tmp_path, "installed")
    with servers(tmp_path, speed=SPEED, shared=common / "shared") as made:
        assert made.server1.run("vmctl start mail1").returncode == 0
        yield made


def shell(site: Site, command: str) -> str:
    return site.server1.run(command).stdout.decode()


def runs(site: Site) -> bool:
    return RUNS.search(shell(site, "vmctl status")) is not None


def exists(name: str) -> Callable[[Site], bool]:
    return lambda site: site.server1.run(f"test -e /var/vmm/{name}").returncode == 0


def speaks(site: Site) -> bool:
    """Whether the run under way has seen it."""
    return "web1 boots the installer" in (site.directory / "under_way.log").read_text()


def fetched(site: Site) -> bool:
    return " 200 " in shell(site, "grep base78.tgz /var/www/logs/access.log")


def bare(site: Site) -> bool:
    """Return whether no image under the VM's own name was ever written to."""
    size = shell(site, "stat -f %z /var/vmm/web1.qcow2 2>/dev/null").strip()
    return not size or int(size) <= BLANK


def until(site: Site, fine: Callable[[Site], bool]) -> None:
    for _ in range(600):
        if fine(site):
            return
        time.sleep(0.2)
    raise AssertionError((site.directory / "under_way.log").read_text())


def other(site: Site) -> str:
    return next(line for line in shell(site, "vmctl status").splitlines() if "mail1" in line)


WEB1 = ("-e", "vm=web1")


def fails(site: Site, *words: str) -> str:
    result = site.play("vm", *WEB1, "-e", "vmd_install_timeout=5", *words)
    assert result.returncode != 0, messages(result)
    assert bare(site)
    site.server1.run("vmctl stop -f web1")
    return messages(result)


def test_nobody_answers_on_the_switch(slow: Site) -> None:
    server, before = slow.server1, other(slow)
    assert server.run("ifconfig veb42 del pair84").returncode == 0
    said = fails(slow)
    for text in (
        "web1 had no network (No dhcp address on interface vio0 in 30 seconds.)",
        'web1: the installer waits for an answer to "Response file location?" while it boots',
        "dhcpd(8) has logged nothing of it, so no request for an address reached the server",
    ):
        assert text in said, said
    assert other(slow) == before


def test_a_set_that_is_not_there(slow: Site) -> None:
    server, before = slow.server1, other(slow)
    server.remove("/var/www/htdocs/amd64/base78.tgz")
    said = fails(slow)
    assert "base78.tgz" in said
    assert "Its console ended with" in said, said
    assert other(slow) == before


def test_a_disk_that_is_full(slow: Site) -> None:
    server, before = slow.server1, other(slow)
    server.fault("disk_full", "/var/vmm", "64K")
    said = fails(slow)
    server.clear("disk_full")
    assert "web1: the installer gave up" in said, said
    assert "file system is full" in said
    assert other(slow) == before


def test_a_vm_that_is_stopped_meanwhile(slow: Site) -> None:
    server = slow.server1
    # Slow enough to be stopped before it is installed, however busy this machine is.
    server.stop()
    server.start(speed=2)
    before = other(slow)
    with slow.under_way("vm", *WEB1) as run:
        until(slow, speaks)
        # vmctl(8) refuses it as long as the VM is between two of its states.
        until(slow, lambda _site: server.run("vmctl stop -f web1").returncode == 0)
        assert run.wait(120) != 0
    said = Path(slow.directory / "under_way.log").read_text()
    assert "web1: it was stopped while it" in said, said
    assert bare(slow)
    assert other(slow) == before


CUTS: list[tuple[str, Callable[[Site], bool]]] = [
    ("noted", exists(".web1.install.conf")),
    ("the installer runs", runs),
    ("sets are fetched", fetched),
    ("the image has its name", exists(".web1.installed")),
    ("it starts from its disk", runs),
]


def test_cut_off_anywhere_it_goes_on(slow: Site) -> None:
    server = slow.server1
    before = other(slow)
    for name, fine in CUTS:
        with slow.under_way("vm", *WEB1):
            until(slow, fine)
        if name == "the installer runs":
            # The server goes down and comes back: of what vmd was told by hand nothing is left.
            # mail1 is an operator's, who starts it again.
            server.run("vmctl stop -f web1; rcctl stop vmd; rcctl start vmd; sleep 1")
            server.run("vmctl start mail1")
            before = other(slow)
    result = slow.play("vm", *WEB1)
    assert result.returncode == 0, messages(result)
    assert server.run("nc -z 203.0.113.14 22").returncode == 0
    left = shell(slow, "ls -A /var/vmm").split()
    assert sorted(name for name in left if "web1" in name) == ["web1.qcow2"]
    assert other(slow) == before
    assert (slow.fleet / "handover/web1.md").exists()


def test_two_runs_for_the_same_vm_do_each_other_no_harm(slow_installed: Site) -> None:
    slow = slow_installed
    with slow.under_way("vm", *WEB1, "-e", "verb=reinstall") as run:
        until(slow, exists(".web1.install.conf"))
        result = slow.play("vm", *WEB1)
        status = run.wait(180)
    # It watches as well, so both find the VM installed; the slower one says that it was.
    first = Path(slow.directory / "under_way.log").read_text()
    assert 0 in (status, result.returncode), first + messages(result)
    assert status == 0 or "run again" in first, first
    assert result.returncode == 0 or "run again" in messages(result), messages(result)
    assert slow.server1.run("nc -z 203.0.113.14 22").returncode == 0
    left = shell(slow, "ls -A /var/vmm").split()
    assert len([name for name in left if name.startswith("web1.replaced-")]) == 1


def test_a_lock_is_waited_for_and_its_holder_named(installed: Site) -> None:
    slow = installed
    lock = "/var/backups/puffy.vmm/lock"
    holder = "me@there, process 7 since Tue Nov 24 12:00:00 2026 UTC"
    script = (
        f'use Fcntl ":flock"; open F, "+<", "{lock}"; flock F, LOCK_EX;'
        f' print F q{{{holder}}}, "\\n"; select F; $| = 1; sleep 600'
    )
    hold = f"perl -e '{script}' </dev/null >/dev/null 2>&1 & echo $!"
    pid = shell(slow, hold).strip()
    assert pid.isdigit()
    result = slow.play("vm", *WEB1, "-e", "verb=restart")
    assert result.returncode != 0
    assert f"another run is changing this server: {holder}; run again" in messages(result)
    # The kernel drops the lock with its holder.
    slow.server1.run(f"kill -9 {pid}")
    result = slow.play("vm", *WEB1, "-e", "verb=restart")
    assert result.returncode == 0, messages(result)
