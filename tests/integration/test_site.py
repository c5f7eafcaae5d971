# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""site.yml over real ssh: it converges, converges again, and costs what it may cost."""

from __future__ import annotations

import re

from integration.harness import Site, messages, provide_system, recap, state

# Each role that may cut the server off is confirmed over a separate connection, and the
# roles behind it ride on that: those of interfaces, of pf(4) and of sshd(8).
CONFIRMED = 3
LOOK, CHANGE = 1, 1


def test_converge_check_and_drift(site: Site) -> None:
    """One server's life: nothing there, all there, nothing to do, drift shown, drift repaired."""
    for name in ("db1", "mail1", "shop1", "web1"):
        provide_system(site.server1, name)
    first = site.play("site")
    assert first.returncode == 0, messages(first)
    for name in site.servers:
        assert len(site.executions(name)) == LOOK + CHANGE + CONFIRMED
    # Each change is shown on a line, and the place of the old files.
    assert re.search("^server1  dhcpd  (create|change) /etc/dhcpd.conf$", first.stdout, re.M)
    assert re.search("^server2  pf  load the rules of /etc/pf.conf$", first.stdout, re.M)
    assert re.search("old files are kept in /var/backups/puffy.vmm/[1-9]", first.stdout)
    status = site.server1.run("vmctl status").stdout.decode()
    assert re.findall(r"(\S+) (\S+)$", status, re.MULTILINE)[1:] == [
        ("stopped", "db1"), ("stopped", "mail1"), ("stopped", "shop1"), ("stopped", "web1"),
    ]  # fmt: skip

    before = state(site.server1)
    second = site.play("site")
    assert second.returncode == 0, messages(second)
    for name in site.servers:
        assert recap(second, name)["changed"] == 0
        assert len(site.executions(name)) == 2 * LOOK + CHANGE + CONFIRMED
    # The fleet is checked once, in two tasks; a server has one.
    assert recap(second, "server2")["ok"] <= 5
    assert state(site.server1) == before

    server = site.server1
    server.run("echo '# by hand' >> /etc/dhcpd.conf; chmod 600 /etc/httpd.conf; rm /dev/tap5")
    server.run("rcctl stop sensorsd; touch /var/www/htdocs/install/stray-install.conf")
    drifted = state(server)
    seen = len(site.executions())
    check = site.play("site", "--check", "--diff", "--limit", "server1")
    assert check.returncode == 0, messages(check)
    # What is shown of old files, the look has read.
    assert len(site.executions()) == seen + LOOK
    assert state(server) == drifted
    for line in (
        "-# by hand",
        "restart dhcpd",
        "change mode or owner of /etc/httpd.conf",
        "make device nodes tap5",
        "start sensorsd",
        "remove /var/www/htdocs/install/stray-install.conf (its content is secret and not shown)",
    ):
        assert line in check.stdout

    site.converged("--limit", "server1")
    assert state(server) == before


def test_any_number_of_files_costs_one_execution(site: Site) -> None:
    documents = site.directory / "many.yml"
    items = ", ".join(f"{{number: {number}}}" for number in range(500))
    documents.write_text(
        "- hosts: server1\n  gather_facts: false\n  tasks:\n"
        "    - puffy.vmm.host_state:\n        name: many\n"
        "        directories: [{path: /etc/many}]\n"
        "        files:\n"
        f"          - each: [{items}]\n"
        "            path: /etc/many/<number>\n            content: many\n"
    )
    command = ("ansible-playbook", "-i", "inventories/example", "many.yml")
    for expected in (2, 3):
        result = site.run(*command)
        assert result.returncode == 0, messages(result)
        assert len(site.executions()) == expected
    assert len(site.server1.run("ls /etc/many").stdout.split()) == 500
    site.server1.run("echo other > /etc/many/7; chmod 644 /etc/many/7")
    diff = site.run(*command, "--diff")
    assert "-other" in diff.stdout
    assert len(site.executions()) == 6


def test_the_agent_sees_the_directories_that_it_makes(site: Site) -> None:
    """unveil(2) of a directory that is not there covers nothing that is made in it later."""
    assert site.server1.run("test -e /var/vmm").returncode != 0
    site.converged("--limit", "server1")
    making = [entry for entry in site.server1.record("unveil") if entry.endswith(" /var")]
    assert "rwc /var" in making
    pledged = site.server1.record("pledge")
    assert len(pledged) == len(site.executions())
    assert set(" ".join(pledged).split()) == set(
        "chown cpath exec fattr flock getpw proc rpath stdio wpath".split()
    )
