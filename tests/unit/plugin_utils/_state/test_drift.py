# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The table of check.yml, from results of roles."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.drift import Row, drift

ROLES = ["sysctl", "dhcpd"]
FINE: dict[str, t.Any] = {"changed": False, "changes": []}
TIME = "2026-11-23T12:00:00Z"


def differs(*changes: str, **more: object) -> dict[str, t.Any]:
    return {"changed": True, "changes": list(changes), "last_applied": TIME, **more}


def row(kind: str, what: str, role: str = "dhcpd", applied: str | None = None) -> Row:
    return Row("server1", role, kind, what, applied)


LOST = {"unreachable": True, "msg": "Failed to connect: no route to host\n"}
CASES: dict[str, tuple[dict[str, dict[str, t.Any]], list[Row], str]] = {
    "nothing": (
        {"sysctl": FINE, "dhcpd": FINE}, [], "1 server checked, no difference",
    ),
    "what follows from a difference is none": (
        {"sysctl": FINE, "dhcpd": differs("change /etc/dhcpd.conf", "restart dhcpd")},
        [row("change", "change /etc/dhcpd.conf", applied=TIME)],
        "of 1 server, 1 not as the fleet says (server1)",
    ),
    "unless it is all there is": (
        {"sysctl": FINE, "dhcpd": differs("reload vmd")},
        [row("change", "reload vmd", applied=TIME)],
        "of 1 server, 1 not as the fleet says (server1)",
    ),
    "a VM with an older definition": (
        {"sysctl": FINE, "dhcpd": {**FINE, "pending_restart": ["web1"]}},
        [row("pending restart", "web1 runs with an older definition until it is restarted")],
        "of 1 server, 1 not as the fleet says (server1)",
    ),
    "a role that fails hides no other": (
        {"sysctl": {"failed": True, "msg": "no such variable"}, "dhcpd": differs("start dhcpd")},
        [row("failed", "failed: no such variable", "sysctl"),
         row("change", "start dhcpd", applied=TIME)],
        "of 1 server, 1 not checked to the end (server1)",
    ),
    "a server that is gone": (
        {"sysctl": LOST},
        [row("unreachable", "not reached: Failed to connect: no route to host", "")],
        "of 1 server, 1 not reached (server1)",
    ),
    "a server that goes in the middle": (
        {"sysctl": differs("set a from 1 to 2"), "dhcpd": LOST},
        [row("change", "set a from 1 to 2", "sysctl", TIME),
         row("unreachable", "not reached: Failed to connect: no route to host", "")],
        "of 1 server, 1 not reached (server1)",
    ),
    "a fleet that cannot be read": (
        {"fleet": {"failed": True, "msg": "vms/web1.yml: memory: is bad\nvms/web2.yml: too"}},
        [row("failed", "failed: vms/web1.yml: memory: is bad\nvms/web2.yml: too", "fleet")],
        "of 1 server, 1 not checked to the end (server1)",
    ),
    "a role that nobody looked at": (
        {"sysctl": FINE}, [row("unchecked", "not checked: dhcpd")],
        "of 1 server, 1 not checked to the end (server1)",
    ),
    "a server that nobody looked at": (
        {}, [row("unchecked", "not checked: sysctl, dhcpd", "sysctl")],
        "of 1 server, 1 not checked to the end (server1)",
    ),
    "a change without words": (
        {"sysctl": FINE, "dhcpd": {"changed": True}},
        [row("change", "changes something that it does not name")],
        "of 1 server, 1 not as the fleet says (server1)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_rows(name: str) -> None:
    results, rows, summary = CASES[name]
    found = drift({"server1": results}, ROLES)
    assert list(found.rows) == rows
    assert found.summary() == summary
    assert found.fine == (() if rows else ("server1",))


def test_a_table_of_many_servers() -> None:
    results = {
        "server1": {"sysctl": FINE, "dhcpd": FINE},
        "server2": {"sysctl": LOST},
        "server3": {"sysctl": {"failed": True, "msg": "a\nb"}, "dhcpd": differs("start dhcpd")},
        "server4": {"sysctl": {**differs("x"), "last_applied": None}, "dhcpd": FINE},
        "server5": {"sysctl": FINE, "dhcpd": FINE},
    }
    found = drift(results, ROLES)
    assert found.table().splitlines() == [
        "SERVER   ROLE    DIFFERENCE   LAST APPLIED",
        "server2          not reached: Failed to connect: no route to host",
        "server3  sysctl  failed: a",
        "                   b",
        "server3  dhcpd   start dhcpd  2026-11-23 12:00:00 UTC",
        "server4  sysctl  x            never",
        "",
        "as the fleet says: server1, server5",
    ]
    assert found.summary() == (
        "of 5 servers, 1 not as the fleet says (server4), 1 not checked to the end (server3), "
        "1 not reached (server2)"
    )
