# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""rollback.yml: what a server keeps is listed, and its files go back to how they were."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable

from integration.conftest import SPEED
from integration.harness import Site, messages, state

ROLLBACK = ("-e", "server=server1")
LEASE = ("-e", "dhcpd_server_name=another.example.org", "-e", "httpd_release=7.9")


def rollback(site: Site, *words: str) -> subprocess.CompletedProcess[str]:
    return site.play("rollback", *ROLLBACK, *words)


def present(site: Site) -> int:
    """The number of the present generation, as the list names it."""
    said = messages(rollback(site))
    match = re.search(r"The present one is (\d+)\.", said)
    assert match, said
    return int(match[1])


def until(condition: Callable[[], bool]) -> None:
    for _ in range(600):
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError("it did not come to pass")


def test_files_go_back_and_the_services_read_them(ready: Site) -> None:
    server, other = ready.server1, ready.servers["server2"]
    assert server.run("vmctl start mail1").returncode == 0
    runs = server.run("vmctl status | grep mail1").stdout
    others, first = state(other), present(ready)
    before = state(server)
    ready.converged("--limit", "server1", *LEASE)
    changed = state(server)
    assert changed != before
    listed = messages(rollback(ready))
    assert "change /etc/dhcpd.conf" in listed
    assert re.search(rf"^{first + 1} +2\d\d\d-.* UTC +dhcpd ", listed, re.MULTILINE), listed
    assert state(server) == changed

    said = messages(rollback(ready, "-e", f"to={first}", "--check", "--diff"))
    assert "would change /etc/dhcpd.conf" in said
    assert re.search(r'^-.*"another.example.org"', said, re.MULTILINE), said
    assert state(server) == changed

    result = rollback(ready, "-e", f"to={first}")
    said = messages(result)
    assert result.returncode == 0, said
    for text in ("restart dhcpd", "reload httpd", "the next puffy.vmm.site brings this"):
        assert text in said, said
    assert state(server) == before
    assert state(other) == others
    assert server.run("vmctl status | grep mail1").stdout == runs

    # It is a generation too: back to before it.
    result = rollback(ready, "-e", f"to={present(ready) - 1}")
    assert result.returncode == 0, messages(result)
    assert state(server) == changed
    check = messages(ready.play("check", "--limit", "server1", *LEASE))
    assert f"present generation of files: server1 {present(ready)}" in check, check
    ready.converged("--limit", "server1")
    assert state(server) == before


def test_a_file_that_was_edited_by_hand_is_named_and_refused(ready: Site) -> None:
    server, first = ready.server1, present(ready)
    before = server.read("/etc/dhcpd.conf")
    ready.converged("--limit", "server1", *LEASE)
    server.run("echo '# by hand' >>/etc/dhcpd.conf")
    edited = state(server)
    result = rollback(ready, "-e", f"to={first}")
    assert result.returncode == 2
    assert "/etc/dhcpd.conf: was edited by hand since" in messages(result)
    assert state(server) == edited
    result = rollback(ready, "-e", f"to={first}", "-e", "edited=overwrite")
    assert result.returncode == 0, messages(result)
    assert server.read("/etc/dhcpd.conf") == before
    kept = server.run(f"grep -l 'by hand' /var/backups/puffy.vmm/{present(ready)}/*")
    assert kept.returncode == 0


def test_a_rollback_that_is_cut_off_leaves_the_server_as_it_was(ready: Site) -> None:
    server, first = ready.server1, present(ready)
    ready.converged("--limit", "server1", *LEASE)
    changed = state(server)
    server.fault("slow", "rcctl", "4")
    with ready.under_way("rollback", *ROLLBACK, "-e", f"to={first}"):
        # It is in place, and dhcpd(8) is about to restart.
        until(lambda: b"another.example.org" not in server.read("/etc/dhcpd.conf"))
        # The server goes down and comes back.
        server.stop()
    server.start(speed=SPEED)
    server.clear("slow")
    assert state(server) != changed
    assert present(ready) == first + 2
    assert state(server) == changed
    result = rollback(ready, "-e", f"to={first}")
    assert result.returncode == 0, messages(result)


def test_definitions_of_vms_go_back_and_vms_go_on(ready: Site) -> None:
    server, first = ready.server1, present(ready)
    assert server.run("vmctl start mail1").returncode == 0
    before = server.read("/etc/vm.conf"), server.read("/etc/pf.puffy.vmm.conf")
    vm = ready.vm_file("mail1")
    vm.write_text(re.sub(r"^memory:.*\n", "", vm.read_text(), flags=re.MULTILINE) + "memory: 3G\n")
    host = ready.directory / "inventories/example/host_vars/server1.yml"
    host.write_text(host.read_text() + "pf_httpd_clients: [203.0.113.9]\n")
    ready.converged("--limit", "server1")
    changed = state(server)
    assert b"3G" in server.read("/etc/vm.conf")
    assert server.read("/etc/pf.puffy.vmm.conf") != before[1]
    runs = server.run("vmctl status | grep mail1").stdout

    # vmd(8) takes no file with an image that is not there.
    image = "/var/vmm/mail1.qcow2"
    server.run(f"mv {image} {image}.away")
    result = rollback(ready, "-e", f"to={first}")
    assert result.returncode == 2
    assert "/etc/vm.conf: vmd refuses it" in messages(result), messages(result)
    server.run(f"mv {image}.away {image}")
    assert state(server) == changed

    result = rollback(ready, "-e", f"to={first}")
    said = messages(result)
    assert result.returncode == 0, said
    for text in ("reload vmd", "load the rules of /etc/pf.conf", "pending restart: mail1"):
        assert text in said, said
    assert (server.read("/etc/vm.conf"), server.read("/etc/pf.puffy.vmm.conf")) == before
    assert server.run("vmctl status | grep mail1").stdout == runs
    label = re.search(rb'match label "(puffy[^"]+)"', before[1])
    assert label
    assert label[1] in server.run("pfctl -a puffy.vmm -s rules").stdout


def test_what_would_disturb_a_vm_is_refused(ready: Site) -> None:
    server = ready.server1
    assert server.run("vmctl start mail1").returncode == 0
    before = state(server)
    result = rollback(ready, "-e", "to=0")
    assert result.returncode == 2
    assert "mail1 runs, and the old file does not have it" in messages(result)
    assert state(server) == before


def test_what_cannot_be_asked_for(converged: Site) -> None:
    for words, text in {
        ("-e", "to=999"): "generation 999 is not kept; name one from 1 to ",
        ("-e", "to=last"): "to",
        ("-e", "server=web1"): "name one server of the inventory",
    }.items():
        result = rollback(converged, *words)
        assert result.returncode == 2
        assert text in messages(result)
