# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""vm.yml: one VM is installed and changed, and nobody else notices."""

from __future__ import annotations

import re

from integration.harness import Site, messages, provide_sets

STATUS = re.compile(r"^ *(\d+) +(\S+) .* (\S+) +(\S+) (\S+)$", re.MULTILINE)


def status(site: Site) -> dict[str, tuple[str, str]]:
    """vmctl status by name: pid and state."""
    lines = STATUS.findall(site.server1.run("vmctl status").stdout.decode())
    return {name: (pid, state) for _id, pid, _owner, state, name in lines}


def test_install(converged: Site) -> None:
    server = converged.server1
    provide_sets(server)
    # Somebody else's VM runs already, for all that this test cares.
    assert server.run("vmctl start mail1").returncode == 0
    others = {name: value for name, value in status(converged).items() if name != "web1"}
    result = converged.play("vm", "-e", "vm=web1")
    assert result.returncode == 0, messages(result)
    for stage in ("boots the installer", "has rebooted", "answers on port 22"):
        assert f"web1 {stage}" in result.stdout, messages(result)
    now = status(converged)
    assert now["web1"][1] == "running"
    assert {name: value for name, value in now.items() if name != "web1"} == others
    assert server.run("ls /var/www/htdocs/install").stdout == b""
    assert "web1.installing" not in server.run("ls -a /var/vmm").stdout.decode()

    again = converged.play("vm", "-e", "vm=web1")
    assert again.returncode == 0, messages(again)
    assert status(converged) == now
