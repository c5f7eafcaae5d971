# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Installations of several VMs and runs, one after the other on the same server."""

from __future__ import annotations

import json
import re

import pytest
from integration.harness import Site, messages, provide_sets, recap, state

STATUS = re.compile(r"^ *(\d+) +(\S+) .* (\S+) +(\S+) (\S+)$", re.MULTILINE)


def status(site: Site) -> dict[str, tuple[str, str]]:
    """vmctl status by name: pid and state."""
    lines = STATUS.findall(site.server1.run("vmctl status").stdout.decode())
    return {name: (pid, state) for _id, pid, _owner, state, name in lines}


def listed(site: Site, directory: str) -> list[str]:
    return site.server1.run(f"ls -A {directory}").stdout.decode().split()


def responses(site: Site) -> list[str]:
    """The response files below the directory that httpd serves, wherever they are."""
    paths = site.server1.run("find /var/www/htdocs -name '*-install.conf*'").stdout.decode()
    return [path.rpartition("/")[2] for path in paths.split()]


def test_what_is_lacking_is_told_before_anything_is_touched(converged: Site) -> None:
    server = converged.server1
    server.run("mv /bsd.rd /bsd.aside")
    before = state(server)
    words = ("-e", '{"vmm_install": true, "vmm_memory_limit": null}')
    result = converged.play("site", *words, "--limit", "server1")
    assert result.returncode != 0
    said = messages(result)
    for text in (
        # mail1 has a system already.
        "db1, web1: cannot be installed",
        "/bsd.rd is missing: the installer's kernel",
        "/var/www/htdocs/amd64/bsd is missing: the sets of the release",
        "3 VMs have 6144M of memory, 2320M more than the server has for them (4079M less 256M",
    ):
        assert text in said, said
    assert state(server) == before
    server.run("mv /bsd.aside /bsd.rd")


def test_what_fails_for_one_vm_stops_no_other(ready: Site) -> None:
    """web1's response file cannot be written, a step for db1 fails, and mail1 is installed."""
    server = ready.server1
    provide_sets(server)
    _has_no_system(ready, "mail1")
    server.run("mkdir /var/vmm/.db1.console")
    hashes = {"web1": "x" * 2000}
    words = json.dumps(
        {"vmm_install": True, "vmm_credentials": False, "autoinstall_hashes": hashes}
    )
    result = ready.play("site", "--limit", "server1", "-e", words)
    assert result.returncode != 0
    said = messages(result)
    for text in (
        "web1: role autoinstall: template install.conf.j2: ",
        "an answer of a response file cannot be 2000 characters long",
        ": db1: its console: exit status 1\nrm: ",
        "mail1 answers on port 22",
    ):
        assert text in said, said
    now = status(ready)
    assert now["mail1"][1] == "running" and not {"db1", "web1"} & now.keys()
    assert [name for name in listed(ready, "/var/vmm") if "mail1" not in name] == [".db1.console"]
    assert responses(ready) == []


@pytest.fixture
def stopped(ready: Site) -> tuple[Site, str]:
    """There are no sets but for one: the installer of web1 has given up, and what the run said."""
    ready.server1.write("/var/www/htdocs/amd64/bsd", "kernel")
    result = ready.play("vm", "-e", "vm=web1")
    assert result.returncode != 0
    return ready, messages(result)


def test_an_installation_that_stops_at_a_question(stopped: tuple[Site, str]) -> None:
    """The run repeats the message, and no run disturbs an installation in progress."""
    converged, said = stopped
    # What the list of sets has is web1's own set alone.
    assert "web1: the installer gave up while it fetches sets (index.txt)" in said, said
    assert "INSTALL.amd64 not found. Use sets found here anyway? [no] no" in said, said
    assert "Are you *SURE* your install is complete without 'bsd'?" in said, said
    assert "vmctl console web1" in said
    assert status(converged)["web1"][1] == "running"
    assert "web1.qcow2" not in listed(converged, "/var/vmm") or _is_blank(converged, "web1")

    before = status(converged)
    files = responses(converged)
    assert len(files) == 1
    result = converged.play("site", "--limit", "server1")
    assert result.returncode == 0, messages(result)
    assert recap(result, "server1")["changed"] == 0, messages(result)
    assert responses(converged) == files
    assert b'vm "web1"' not in converged.server1.read("/etc/vm.conf")
    # A run for somebody else's VM works meanwhile, too.
    result = converged.play("vm", "-e", "vm=shop1")
    assert result.returncode == 0, messages(result)
    assert responses(converged) == files
    assert status(converged) == before


def test_an_installation_that_was_stopped_is_begun_again(stopped: tuple[Site, str]) -> None:
    """By site.yml, which installs what has no system yet: two at once, then the third.

    Another server installs its VM meanwhile.
    """
    converged, _said = stopped
    _has_no_system(converged, "mail1")
    assert converged.server1.run("vmctl stop -f web1").returncode == 0
    for server in converged.servers.values():
        provide_sets(server)
    words = ("-e", "vmm_install=true", "-e", "vmm_install_limit=2")
    result = converged.play("site", *words)
    assert result.returncode == 0, messages(result)
    now = status(converged)
    assert {name for name, (_pid, state) in now.items() if state == "running"} == {
        "db1", "mail1", "web1",
    }  # fmt: skip
    # It is suspended, and was never installed.
    assert "shop1" not in now
    assert b'vm "shop1"' not in converged.server1.read("/etc/vm.conf")
    assert not [name for name in listed(converged, "/var/vmm") if "shop1" in name]
    for name in ("db1", "mail1", "web1"):
        assert f"{name} answers on port 22" in result.stdout
    assert converged.servers["server2"].run("nc -z 198.51.100.10 22").returncode == 0
    assert responses(converged) == []
    left = [name for name in listed(converged, "/var/vmm") if "install" in name]
    assert left == []

    again = converged.play("site", *words, "--limit", "server1")
    assert again.returncode == 0, messages(again)
    assert recap(again, "server1")["changed"] == 0
    assert status(converged) == now


def _has_no_system(site: Site, name: str) -> None:
    """As if it had never been installed."""
    assert site.server1.run(f"rm /var/vmm/{name}.qcow2").returncode == 0
    ledger = site.fleet / "allocations/server1.yml"
    lines, times = re.subn(rf"(  {name}: .*), installed: {{[^}}]*}}", r"\1", ledger.read_text())
    assert times == 1
    ledger.write_text(lines)


def _is_blank(site: Site, name: str) -> bool:
    size = site.server1.run(f"stat -f %z /var/vmm/{name}.qcow2").stdout.decode()
    return int(size or 0) <= 1 << 20
