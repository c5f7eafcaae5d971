# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The table of check.yml, from results of puffy.vmm.configure."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import Change
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.converge import Outcome
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.planning import Notice
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.drift import Row, drift

TIME = "2026-11-23T12:00:00Z"
FINE: dict[str, t.Any] = Outcome().result(diffs=False)


def differs(*changes: Change, name: str = "dhcpd", **more: t.Any) -> dict[str, t.Any]:
    made = tuple((name, change) for change in changes)
    return Outcome(changes=made, applied=TIME, **more).result(diffs=False)


def row(kind: str, what: str, role: str = "dhcpd", applied: str | None = None) -> Row:
    return Row("server1", role, kind, what, applied)


CONF = Change("change", "/etc/dhcpd.conf")
RESTART = Change("restart", "dhcpd", consequence=True)
RELOAD = Change("reload", "vmd", consequence=True)
NOTICE = ("vmd", Notice("switch uplink", "waits"))
LOST = {"unreachable": True, "msg": "Failed to connect: no route to host\n"}

CASES: dict[str, tuple[dict[str, t.Any], list[Row], str]] = {
    "nothing": (FINE, [], "1 server checked, no difference"),
    "what follows from a difference is none": (
        differs(CONF, RESTART), [row("change", "change /etc/dhcpd.conf", applied=TIME)],
        "of 1 server, 1 not as the fleet says (server1)",
    ),
    "unless it is all there is": (
        differs(RELOAD), [row("change", "reload vmd", applied=TIME)],
        "of 1 server, 1 not as the fleet says (server1)",
    ),
    "a service that is not there is a difference by itself": (
        differs(CONF, Change("start", "dhcpd")),
        [row("change", "change /etc/dhcpd.conf", applied=TIME),
         row("change", "start dhcpd", applied=TIME)],
        "of 1 server, 1 not as the fleet says (server1)",
    ),
    "what no run mends": (
        differs(notices=(NOTICE,)), [row("notice", "switch uplink: waits", "vmd", TIME)],
        "of 1 server, 1 not as the fleet says (server1)",
    ),
    "changes and notices of a role are together": (
        differs(CONF, notices=(NOTICE, ("dhcpd", Notice("x", "y")))),
        [row("change", "change /etc/dhcpd.conf", applied=TIME),
         row("notice", "x: y", applied=TIME),
         row("notice", "switch uplink: waits", "vmd", TIME)],
        "of 1 server, 1 not as the fleet says (server1)",
    ),
    "a VM with an older definition": (
        Outcome(pending=("web1",)).result(diffs=False),
        [row("pending restart", "web1 runs with an older definition until it is restarted", "")],
        "of 1 server, 1 not as the fleet says (server1)",
    ),
    "a role that cannot be had hides no other": (
        differs(Change("start", "dhcpd"), errors=(("sysctl", "no such variable"),)),
        [row("failed", "failed: no such variable", "sysctl"),
         row("change", "start dhcpd", applied=TIME)],
        "of 1 server, 1 not checked completely (server1)",
    ),
    "a server that is gone": (
        LOST, [row("unreachable", "not reached: Failed to connect: no route to host", "")],
        "of 1 server, 1 not reached (server1)",
    ),
    "a fleet that cannot be read": (
        {"failed": True, "msg": "vms/web1.yml: memory: is bad\nvms/web2.yml: too"},
        [row("failed", "failed: vms/web1.yml: memory: is bad\nvms/web2.yml: too", "")],
        "of 1 server, 1 not checked completely (server1)",
    ),
    "a failure without words": (
        {"failed": True}, [row("failed", "failed: it does not say why", "")],
        "of 1 server, 1 not checked completely (server1)",
    ),
    "a server that nobody looked at": (
        {}, [row("unchecked", "not checked", "")],
        "of 1 server, 1 not checked completely (server1)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_rows(name: str) -> None:
    result, rows, summary = CASES[name]
    found = drift({"server1": result})
    assert list(found.rows) == rows
    assert found.summary() == summary
    assert found.fine == (() if rows else ("server1",))


def test_a_table_of_many_servers() -> None:
    results = {
        "server1": FINE,
        "server2": LOST,
        "server3": differs(Change("start", "dhcpd"), errors=(("sysctl", "a\nb"),)),
        "server4": {**differs(Change("set", "x"), name="sysctl"), "last_applied": None},
        "server5": FINE,
    }
    found = drift(results)
    assert found.table().splitlines() == [
        "SERVER   ROLE    DIFFERENCE   LAST APPLIED",
        "server2          not reached: Failed to connect: no route to host",
        "server3  sysctl  failed: a",
        "                   b",
        "server3  dhcpd   start dhcpd  2026-11-23 12:00:00 UTC",
        "server4  sysctl  set x        never",
        "",
        "as the fleet says: server1, server5",
    ]
    assert found.summary() == (
        "of 5 servers, 1 not as the fleet says (server4), 1 not checked completely (server3), "
        "1 not reached (server2)"
    )
    assert found.data()[2] == {
        "server": "server3", "role": "dhcpd", "kind": "change", "what": "start dhcpd",
        "last_applied": TIME,
    }  # fmt: skip


def test_the_present_generations_are_named() -> None:
    generation = {"number": 41, "id": "20261123T120000-0badcafe", "name": "dhcpd"}
    named = Outcome(generation=generation).result(diffs=False)
    found = drift({"server1": named, "server2": FINE})
    assert found.table().splitlines() == [
        "as the fleet says: server1, server2",
        "present generation of files: server1 41",
    ]
    assert found.generations == {"server1": {"number": 41, "role": "dhcpd", "time": TIME}}
