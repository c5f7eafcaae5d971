# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What a run that is for some VMs alone may touch."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import (
    COMMON,
    NOBODYS,
    Change,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.document import Document
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.guard import others
from unit.plugin_utils._state.servers import DIRECTORY, Server, plan_on, service, user, wants

CASES: dict[str, tuple[Change, list[str]]] = {
    "everybody's": (Change("create", "/etc/x"), ["create /etc/x"]),
    "nobody's": (Change("create", "/etc/x", vms=NOBODYS), []),
    "this VM's": (Change("create", "/etc/x", vms=frozenset({"web1"})), []),
    "this VM's, and another's": (
        Change("change", "/etc/x", vms=frozenset({"web1", "db1"})), ["db1 in /etc/x"],
    ),
    "this VM's, and what is common": (
        Change("change", "/etc/x", vms=frozenset({"web1", COMMON})), ["what is common in /etc/x"],
    ),
    "a consequence": (Change("restart", "dhcpd", consequence=True), []),
    "a secret": (
        Change("remove", f"/x/once-{'ab' * 16}/y"), ["remove /x/once-.../y"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_one_change(name: str) -> None:
    change, touched = CASES[name]
    assert others([change, change], ["web1"]) == touched


KEYS = "/etc/ssh/owners"
PUFFY: dict[str, t.Any] = {"name": "puffy", "ssh_keys": ["a"], "vms": ["web1"]}
MIRA: dict[str, t.Any] = {"name": "mira", "ssh_keys": ["b"], "vms": ["db1"]}


def owners(*users: dict[str, t.Any]) -> Document:
    options = {"users": list(users), "groups": ["vmdusers"], "roster": "/etc/r", "keys": KEYS}
    return wants("accounts", groups=["vmdusers"], accounts=options)


def touched(document: Document, server: Server, *names: str) -> list[str]:
    made = plan_on(document, server)
    return others([change for _name, change in made.changes], names)


def test_accounts_of_other_owners() -> None:
    server = Server({KEYS: DIRECTORY})
    assert touched(owners(PUFFY), server, "web1") == []
    assert touched(owners(PUFFY, MIRA), server, "web1") == [
        "create account mira (of db1)",
        f"create {KEYS}/mira (of db1)",
    ]


def test_an_owner_who_is_to_be_locked_is_another() -> None:
    server = Server({KEYS: DIRECTORY, "/etc/r": "mira\n"}, users={"mira": user(name="mira")})
    assert touched(owners(PUFFY), server, "web1") == ["lock account mira"]


def test_an_account_is_that_of_each_vm_of_its_owner() -> None:
    both = {**PUFFY, "vms": ["web1", "web2"]}
    server = Server({KEYS: DIRECTORY})
    assert touched(owners(both), server, "web1") == []
    assert touched(owners(both), server, "web2") == []
    assert touched(owners(both), server, "db1") == [
        "create account puffy (of web1, web2)",
        f"create {KEYS}/puffy (of web1, web2)",
    ]
    there = server.plus({"/etc/r": "puffy\n"}, users={"puffy": user()}, groups={"vmdusers": ()})
    assert touched(owners(both), there, "web1") == []
    assert "add account puffy to vmdusers (of web1, web2)" in touched(owners(both), there, "db1")


def test_a_service_that_starts_is_everybodys() -> None:
    document = wants("mail", services=[{"name": "smtpd"}])
    server = Server(outputs=service("smtpd", running=False))
    assert touched(document, server, "web1") == ["start smtpd"]
    server = Server(outputs=service("smtpd", enabled=False, running=False))
    assert touched(document, server, "web1") == ["enable smtpd", "start smtpd"]


def test_a_file_that_is_nobodys_in_particular() -> None:
    document = wants(
        files=[{"path": "/etc/httpd.conf", "content": "x"}],
        services=[{"name": "httpd"}],
    )
    server = Server(outputs=service("httpd"))
    # That httpd(8) restarts then is not a second thing.
    assert touched(document, server, "web1") == ["create /etc/httpd.conf"]
