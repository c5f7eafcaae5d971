# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What proves that an installation came to its end, and what a run says of one that did not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from integration.conftest import Copy, servers
from integration.harness import Site, messages, provide_sets

WEB1 = ("-e", "vm=web1")
# Slow enough for a run to look while sets are fetched.
SPEED = 20
NO_SITE = ("-e", "autoinstall_site_sets=false")
RELEASE = ("-e", "vmm_release=7.8")
# 200 KiB of unrelated lines per second, until it is killed.
LINE = 'server1 203.0.113.99 - - [24/Nov/2026:23:19:10 +0000] "GET /nothing HTTP/1.0" 404 0'
FLOOD = (
    "perl -e 'open F, q{>>}, q{/var/www/logs/access.log}; while (1) { syswrite F, (q{"
    + LINE
    + '} . "\\n") x 270; select undef, undef, undef, 0.1 }\' </dev/null >/dev/null 2>&1 & echo $!'
)


@pytest.fixture
def site(tmp_path: Path, copy: Copy, common: Path) -> Iterator[Site]:
    copy(tmp_path, "converged")
    with servers(tmp_path, speed=SPEED, shared=common / "shared") as made:
        provide_sets(made.server1)
        yield made


def shell(site: Site, command: str) -> str:
    return site.server1.run(command).stdout.decode()


def fails(site: Site, *words: str) -> str:
    """What the run says; nothing of the old state is given up."""
    before = shell(site, "ls -li /var/vmm/web1.qcow2")
    result = site.play("vm", *WEB1, *words)
    said = messages(result)
    assert result.returncode != 0, said
    assert "The old image, the response file and the note of the installation" in said, said
    assert shell(site, "ls -li /var/vmm/web1.qcow2") == before
    assert shell(site, "ls /var/vmm/.web1.install.conf")
    assert "-install.conf" in shell(site, "ls -R /var/www/htdocs/install")
    assert 'vm "web1"' not in site.server1.read("/etc/vm.conf").decode()
    return said


def installed(site: Site, *words: str) -> str:
    result = site.play("vm", *WEB1, *words)
    assert result.returncode == 0, messages(result)
    assert site.server1.run("nc -z 203.0.113.14 22").returncode == 0
    assert "web1 has rebooted" in messages(result)
    return messages(result)


def test_a_processor_that_dies_is_no_reboot(site: Site) -> None:
    """All sets are fetched by then, and vmd(8) says that the VM is stopped, as after a reboot."""
    site.server1.fault("processor_dies", "Installing base78.tgz")
    said = fails(site)
    for text in (
        "web1: it has no process, and nothing shows that the installer finished while it ",
        "Its console ended with",
        "Installing base78.tgz",
        ": DHCPACK on 203.0.113.14 to fe:e1:bb:d1:c6:05",
        "run again to install it again",
    ):
        assert text in said, said


def test_a_question_that_is_asked_without_end(site: Site) -> None:
    """Its answer is a zone that the sets lack, and so is the default after that."""
    site.server1.fault("no_zone", "Europe/Amsterdam")
    said = fails(site)
    assert "the installer asks the same question again and again" in said, said
    assert "What timezone are you in?" in said
    assert 'the answer is "Europe/Amsterdam"' in said


def test_nothing_is_recorded_and_nobody_calls(site: Site) -> None:
    site.server1.fault("deaf_tty")
    said = fails(site, *NO_SITE)
    assert "web1: nothing of its console is recorded" in said, said
    assert "nothing shows that the installer finished" in said
    assert "Nothing was recorded of its console." in said


def test_a_call_from_install_site_is_a_proof_too(site: Site) -> None:
    """And a flood of lines in access.log keeps nobody from seeing it."""
    site.converged("--limit", "server1", "-e", "vmm_install=false", *RELEASE)
    site.server1.fault("deaf_tty")
    flood = shell(site, FLOOD).strip()
    try:
        said = installed(site, *RELEASE)
    finally:
        shell(site, f"kill {flood}")
    assert "fetches sets (" in said, said
    log = site.server1.run("grep -c index.txt?installed /var/www/logs/access.log").stdout
    assert log.strip() == b"1"


def test_a_busy_server_is_asked_once_more_and_a_first_start_that_fails_says_why(
    site: Site,
) -> None:
    site.server1.fault("no_lease", "1")
    site.server1.fault("fail", "nc", "1")
    # Whether it was installed before or not.
    result = site.play("vm", *WEB1, "-e", "verb=reinstall", "-e", "vmd_answer_timeout=5")
    said = messages(result)
    assert result.returncode != 0, said
    assert "web1 had no network (No dhcp address on interface vio0" in said, said
    assert said.count("it is started once more") == 1
    assert "web1 has rebooted" in said
    for text in (
        "web1: no answer on port 22 of 203.0.113.14 after",
        "vmctl shows it as running; dhcpd(8) said last, at ",
        ": DHCPACK on 203.0.113.14 to fe:e1:bb:d1:c6:05",
        "It is up and has its address, so something drops the packets",
        "Its console ended with",
        "login:",
    ):
        assert text in said, said
    site.server1.clear("fail")
    result = site.play("vm", *WEB1)
    assert result.returncode == 0, messages(result)
    assert ".web1.console" not in shell(site, "ls -A /var/vmm")
