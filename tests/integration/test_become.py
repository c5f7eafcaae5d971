# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""A server on which nobody logs in as root: doas(1), without a password."""

from __future__ import annotations

from integration.harness import Site, messages, recap

DOAS = ("-e", "ansible_user=admin", "-e", "ansible_become=true")
METHOD = ("-e", "ansible_become_method=puffy.vmm.doas")


def test_doas(site: Site) -> None:
    server = site.server1
    key = server.read("/root/.ssh/authorized_keys")
    assert server.run("useradd -m -g =uid -G wheel admin").returncode == 0
    uid = int(server.run("id -u admin").stdout)
    server.write("/home/admin/.ssh/authorized_keys", key, 0o600, (uid, uid))

    refused = site.play("site", "--limit", "server1", *DOAS, *METHOD)
    assert refused.returncode != 0
    assert "doas" in messages(refused)
    assert server.run("test -e /etc/vm.conf").returncode != 0

    server.write("/etc/doas.conf", "permit nopass admin\n", 0o600)
    result = site.play("site", "--limit", "server1", *DOAS, *METHOD)
    assert result.returncode == 0, messages(result)
    assert {execution.user for execution in site.executions()} == {"admin"}
    again = site.play("site", "--limit", "server1", *DOAS, *METHOD)
    assert recap(again, "server1")["changed"] == 0, messages(again)
