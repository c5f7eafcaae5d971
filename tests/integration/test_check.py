# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""check.yml: one table of differences, a meaningful exit status, and unchanged servers."""

from __future__ import annotations

import getpass
import json
import os
import re
import socket
from pathlib import Path

from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.marker import begun
from integration.conftest import SPEED
from integration.harness import LOOK, SERVER_ROLES, Site, messages, state

# Changes by hand, and how the table shows them.
DRIFT = {
    "echo '# by hand' >>/etc/dhcpd.conf": "dhcpd        change /etc/dhcpd.conf",
    "chmod 600 /etc/httpd.conf": "httpd        change mode or owner of /etc/httpd.conf",
    "rcctl stop sensorsd; rcctl disable sensorsd": "sensorsd     enable sensorsd",
    "sysctl net.inet.ip.arpq.maxlen=77": "sysctl       set net.inet.ip.arpq.maxlen from 77 to 256",
    "rm /dev/tap5": "tap          make device nodes tap5",
    "touch /var/www/htdocs/install/x-install.conf":
        "autoinstall  remove /var/www/htdocs/install/x-install.conf",
    "echo 'ssh-ed25519 AAAA stranger' >>/etc/ssh/owners/mira":
        "accounts     change /etc/ssh/owners/mira",
    "chmod 666 /etc/ssh/owners/jonas":
        "accounts     change mode or owner of /etc/ssh/owners/jonas",
    "echo '# by hand' >>/etc/vm.conf": "vmd          change /etc/vm.conf",
    "echo '# by hand' >>/etc/pf.puffy.vmm.conf": "pf           change /etc/pf.puffy.vmm.conf",
    "rcctl set dhcpd flags ''": "dhcpd        set flags of dhcpd to pair85",
}  # fmt: skip
# A run that still works, as far as this machine can tell: this one.
RUN = f"{getpass.getuser()}@{socket.gethostname()}, process {os.getpid()}"
# Roles that do nothing in the example, and where they are tested.
ELSEWHERE = {
    "metrics": "test_metrics.py",
    "network": "test_network.py",
    # The stand-in has no route(8).
    "rad": "../unit/test_golden.py",
    "sets": "test_sets.py",
}


def test_each_role_has_some_drift() -> None:
    shown = {line.split()[0] for line in DRIFT.values()}
    assert shown | set(ELSEWHERE) == set(SERVER_ROLES)
    for file in ELSEWHERE.values():
        assert (Path(__file__).parent / file).is_file()


def test_a_life_with_drift(ready: Site) -> None:
    # server2 has raw images, which take their time to be read.
    before = state(ready.server1)
    clean = ready.play("check")
    assert clean.returncode == 0, messages(clean)
    assert "as the fleet says: server1, server2" in clean.stdout
    assert state(ready.server1) == before

    for command in DRIFT:
        assert ready.server1.run(command).returncode == 0, command
    drifted = state(ready.server1)
    report = ready.directory / "report.json"
    check = ready.play("check", "-e", f"report={report}")
    assert check.returncode == 2, messages(check)
    assert state(ready.server1) == drifted
    for command, line in DRIFT.items():
        pattern = rf"^server1  {re.escape(line)} +\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d UTC$"
        assert re.search(pattern, check.stdout, re.M), f"{command}\n{check.stdout}"
    assert "as the fleet says: server2" in check.stdout
    assert "of 2 servers, 1 not as the fleet says (server1)" in check.stdout
    assert "Traceback" not in messages(check)
    rows = json.loads(report.read_text())["drift"]
    assert {row["server"] for row in rows} == {"server1"}
    assert {row["kind"] for row in rows} == {"change"}

    only = ("--limit", "server1")
    ready.converged(*only)
    assert ready.play("check", *only).returncode == 0


def test_what_cannot_be_looked_at_is_not_fine(converged: Site) -> None:
    """A role that fails, a server that is not reached, and then all of them."""
    role = converged.play("check", "-e", '{"tap_count": "many"}')
    assert role.returncode == 2, messages(role)
    assert re.search(r"^server2  tap +failed: role tap: argument 'tap_count'", role.stdout, re.M)
    assert "of 2 servers, 2 not checked completely (server1, server2)" in role.stdout

    converged.server1.stop()
    try:
        before = len(converged.executions("server2"))
        gone = converged.play("check")
        assert gone.returncode == 2, messages(gone)
        assert re.search(r"^server1 +not reached: .*[Cc]onnect", gone.stdout, re.M), gone.stdout
        assert "as the fleet says: server2" in gone.stdout
        assert "of 2 servers, 1 not reached (server1)" in gone.stdout
        assert len(converged.executions("server2")) == before + LOOK
    finally:
        converged.server1.start(speed=SPEED)
    for result in (role, gone):
        assert "Traceback" not in messages(result)


def test_an_installation_that_goes_on_is_no_difference(site: Site) -> None:
    site.server1.run("mkdir -p /var/vmm")
    site.server1.write("/var/vmm/.web1.install.conf", begun(RUN, {}))
    never = site.play("check", "--limit", "server1")
    assert never.returncode == 2, messages(never)
    assert re.search(r"^server1  sysctl       set \S+ from 50 to 256 +never$", never.stdout, re.M)
    assert "of 1 server, 1 not as the fleet says (server1)" in never.stdout
    site.converged("--limit", "server1")
    assert b"web1" not in site.server1.read("/etc/vm.conf")
    clean = site.play("check", "--limit", "server1")
    assert clean.returncode == 0, messages(clean)
    more = site.play("check", "--limit", "server1", "-e", "vmm_install=true")
    assert more.returncode == 2, messages(more)
    assert re.search("^server1  VMs +install mail1 ", more.stdout, re.M), more.stdout
    assert "install web1" not in more.stdout


def test_what_is_sound_of_a_fleet_with_problems_is_compared(converged: Site) -> None:
    path = converged.vm_file("web1")
    good = path.read_text()
    path.write_text(f"{good}memory: 1 GB\n")
    try:
        result = converged.play("check")
    finally:
        path.write_text(good)
    assert result.returncode == 2, messages(result)
    assert messages(result).count("vms/web1.yml: memory: '1 GB' is not a valid size") == 1
    assert "as the fleet says: server1, server2" in result.stdout


def test_a_problem_that_concerns_no_server_is_one(converged: Site) -> None:
    vms, away = converged.fleet / "vms", converged.fleet / "away"
    vms.rename(away)
    try:
        result = converged.play("check", "--limit", "server2")
    finally:
        away.rename(vms)
    assert result.returncode == 2, messages(result)
    assert "is not a fleet directory: it has no directory vms/" in messages(result)
    assert "failed: server2 has no vmm_host: the inventory source" in result.stdout
    ledger = converged.fleet / "allocations/gone9.yml"
    ledger.write_text("vms: [\n")
    try:
        result = converged.play("check", "--limit", "server2")
    finally:
        ledger.unlink()
    assert result.returncode == 2, messages(result)
    assert "The fleet has problems" in messages(result)
    assert "as the fleet says: server2" in result.stdout
