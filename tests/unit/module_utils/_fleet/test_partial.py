# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Fleets of which a part is wrong: what is sound is done, and nobody loses anything."""

from __future__ import annotations

import pytest
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.model import Fleet, server_variables
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Problem
from hypothesis import assume, given
from hypothesis import strategies as st
from unit.fleets import (
    KEY,
    OTHER_KEY,
    SERVER6,
    SERVER7,
    SERVERS,
    build,
    ledger,
    ledger_texts,
    server,
    sound,
    vm,
)


def names(fleet: Fleet) -> list[str]:
    return [machine.name for machine in fleet.vms]


def texts(fleet: Fleet) -> list[str]:
    return [str(problem) for problem in fleet.problems]


def again(fleet: Fleet, vms: dict[str, str | None], **more: object) -> Fleet:
    """Return the fleet of these files after a run that wrote what it should."""
    return build(vms, ledger_texts(fleet), kept=fleet.kept, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("broken", ["owner: 'x\n", vm("memory: 1 GB"), vm(owner=None), None])
def test_a_vm_with_a_broken_file_stays_as_it_was(broken: str | None) -> None:
    vms: dict[str, str | None] = {"a.yml": vm("memory: 2G"), "b.yml": vm()}
    before = sound(build(vms))
    problem = Problem("vms/a.yml", "", "cannot be read", frozenset({"a"}))
    problems = [problem] if broken is None else []
    after = again(before, {**vms, "a.yml": broken}, problems=problems)
    assert after.vms == before.vms
    assert (ledger_texts(after), after.kept) == (ledger_texts(before), before.kept)
    assert set(after.broken) == {"a"}
    assert server_variables(after, "server6") == server_variables(before, "server6")
    assert after.problems_of("server6") == texts(after)
    assert after.problems_of("server7") == []


def test_a_new_vm_with_a_broken_file_is_left_out() -> None:
    fleet = build({"a.yml": vm(), "b.yml": vm(owner="root")})
    assert names(fleet) == ["a"]
    assert "  b:" not in ledger_texts(fleet)["server6.yml"]
    assert (fleet.unknown, set(fleet.broken)) == ({}, {"b"})


def test_without_a_copy_the_server_is_not_wholly_known() -> None:
    before = sound(build({"a.yml": vm(), "b.yml": vm(), "c.yml": vm(server="server7")}))
    vms = {"a.yml": vm(owner="root"), "b.yml": vm(), "c.yml": vm(server="server7")}
    for kept in ({}, {"server6": "{"}, {"server6": '{"a": {"vms": "server: x"}}'}):
        after = build(vms, ledger_texts(before), kept=kept)
        assert names(after) == ["b", "c"]
        assert after.unknown == {"server6": {"a"}}
        assert server_variables(after, "server6")["vmm_unknown_vms"] == ["a"]
        assert server_variables(after, "server7")["vmm_unknown_vms"] == []
        assert ledger_texts(after) == ledger_texts(before)


def test_a_copy_that_clashes_with_what_is_there_now_does_not_do() -> None:
    before = sound(build({"a.yml": vm("group: web")}))
    after = again(before, {"a.yml": vm("memory: 1 GB"), "b.yml": vm("group: web")})
    assert names(after) == ["b"]
    assert after.unknown == {"server6": {"a"}}


@pytest.mark.parametrize(
    ("broken", "waiting"),
    [
        ("server: server6\nnumber: &n 7\n", {"b6"}),
        ("server: server6\nmac: fe:e1:bb:d1:c8:0g\n", {"b6"}),
        ("server: server6\nhostname: 'a\n", {"b6"}),
        ("hostname: 'a\n", {"b6", "b7"}),
        ("server: sever6\nnumber: 1\n", {"b6", "b7"}),
        # All that might be handed out is known of these.
        (vm("memory: 1 GB"), set()),
        ("server: sever6\nmemory: 1 GB\n", set()),
        (None, {"b6", "b7"}),
    ],
)
def test_new_vms_wait_while_a_file_might_give_values(broken: str | None, waiting: set[str]) -> None:
    vms: dict[str, str | None] = {"a6.yml": vm(), "a7.yml": vm(server="server7")}
    before = sound(build(vms))
    vms |= {"x.yml": broken, "b6.yml": vm(), "b7.yml": vm(server="server7")}
    problem = Problem("vms/x.yml", "", "cannot be read", frozenset({"x"}))
    after = again(before, vms, problems=[problem])
    assert set(names(after)) == {"a6", "a7", "b6", "b7"} - waiting
    assert {name for name in after.broken if name != "x"} == waiting
    assert all("vms/x.yml might give some of its own" in after.broken[name][0] for name in waiting)


def test_servers_with_addresses_in_common_wait_together() -> None:
    shared = {**SERVER7, **{name: SERVER6[name] for name in SERVER6 if "ipv4" in name}}
    shared["vmm_server_ipv4"] = "203.0.113.2"
    vms = {"x.yml": "server: server6\nnumber: &n 7\n", "b7.yml": vm(server="server7")}
    assert names(build(vms, servers={"server6": SERVER6, "server7": SERVER7})) == ["b7"]
    assert names(build(vms, servers={"server6": SERVER6, "server7": shared})) == []


def test_a_ledger_that_cannot_be_read_stops_its_server_alone() -> None:
    vms = {"a.yml": vm(), "b.yml": vm(server="server7")}
    fleet = build(vms, {"server6.yml": "vms: 1\n"})
    assert (names(fleet), sorted(fleet.servers)) == (["b"], ["server7"])
    assert [problem.server for problem in fleet.problems] == ["server6"]
    assert "server6" not in fleet.ledgers
    assert fleet.problems_of("server7") == []
    # Nobody knows of what server the third one is.
    assert names(build(vms, {"server5.yml": None})) == []


def test_a_server_that_is_being_set_up_stops_no_other() -> None:
    fleet = build(
        {"a.yml": vm(), "b.yml": vm(server="server9")}, servers={**SERVERS, "server9": {}}
    )
    assert names(fleet) == ["a"]
    assert {problem.server for problem in fleet.problems} == {"server9"}


def test_its_routers_address_is_nobodys_all_the_same() -> None:
    half = {"vmm_ipv4_gateway": "203.0.113.10", "vmm_server_ipv4": "203.0.113.11"}
    (a,) = build({"a.yml": vm()}, servers={**SERVERS, "server9": half}).vms
    assert str(a.ipv4) == "203.0.113.12"


def test_what_concerns_everything_stops_everything() -> None:
    before = sound(build({"a.yml": vm()}))
    after = again(before, {}, problems=[Problem("vms/", "", "is a symbolic link")])
    assert (after.vms, after.servers) == ((), {})
    assert after.problems_of("server6") == after.problems_of("server7") == texts(after)
    assert (ledger_texts(after), after.kept) == (ledger_texts(before), before.kept)


def test_who_comes_later_does_not_push_out_who_was_there() -> None:
    before = sound(build({"a.yml": vm("group: web")}))
    mac = before.vms[0].mac
    after = again(
        before,
        {
            "a.yml": vm("group: web"),
            "b.yml": vm(f"mac: {mac}"),
            "A.yml": vm(),
            "c.yml": vm("group: web"),
        },
    )
    assert names(after) == ["a"]
    assert set(after.broken) == {"b", "A", "c"}


@pytest.mark.parametrize("limit", ["memory_limit", "disk_limit", "tap_count"])
def test_new_vms_wait_for_room(limit: str) -> None:
    servers = {"server6": server(**{limit: 1 if limit == "tap_count" else "50G"})}
    size = "memory: 40G" if limit == "memory_limit" else "disk: 40G"
    vms: dict[str, str | None] = {"a.yml": vm(size)}
    before = sound(build(vms, servers=servers))
    after = again(before, {**vms, "b.yml": vm(size)}, servers=servers)
    assert (names(after), set(after.broken)) == (["a"], {"b"})
    # A server whose limit was lowered keeps what it has, and its problem.
    little = {"server6": server(**{limit: 1 if limit == "tap_count" else "1G"})}
    two: dict[str, str | None] = {**vms, "b.yml": vm(size)}
    both = sound(build(two))
    lowered = again(both, two, servers=little)
    assert names(lowered) == ["a", "b"]
    assert lowered.broken == {}
    assert lowered.problems_of("server6") == texts(lowered) != []


def test_an_owner_has_one_set_of_keys() -> None:
    same = vm(ssh_keys=f"[{OTHER_KEY} again, {KEY}]".replace("puffy@example.org again", "again"))
    vms: dict[str, str | None] = {"b.yml": vm(ssh_keys=f"[{KEY}, {OTHER_KEY}]"), "c.yml": same}
    before = sound(build(vms))
    thief = vm(ssh_keys=f"[{OTHER_KEY}]", server="server7")
    after = again(before, {**vms, "a.yml": thief})
    assert names(after) == ["b", "c"]
    assert texts(after) == [
        "vms/a.yml: ssh_keys: owner puffy has other keys in vms/b.yml; an owner has one set of "
        "keys, so give the same in both files, or name another owner in one"
    ]
    # Nobody knows who of two new ones is right.
    assert names(build({"a.yml": thief, "b.yml": vm()})) == []
    # Both were there: they stay as they were until they agree.
    changed = again(before, {**vms, "b.yml": vm(ssh_keys=f"[{OTHER_KEY}]")})
    assert set(changed.broken) == {"b", "c"}
    assert changed.vms == before.vms


def test_accounts_that_are_no_owners() -> None:
    accounts = {"server6": {"puffy": "the account that Ansible logs in to (ansible_user)"}}
    fleet = build({"a.yml": vm(), "b.yml": vm(server="server7")}, accounts=accounts)
    assert names(fleet) == ["b"]
    servers = {"server6": server(owners_group="customers")}
    assert names(build({"a.yml": vm(owner="customers")}, servers=servers)) == []
    assert texts(fleet) == [
        "vms/a.yml: owner: puffy is the account that Ansible logs in to (ansible_user) of server6; "
        "name another owner"
    ]


FIELDS = st.sampled_from(
    ["memory: 1 GB", "owner: root", "number: 0", "mac: x", "server: nowhere", "a: 'b", "number: 3"]
)


@given(st.lists(st.sampled_from(["server6", "server7"]), min_size=2, max_size=6), FIELDS, st.data())
def test_whatever_is_wrong_with_one_changes_no_other(
    on: list[str], line: str, data: st.DataObject
) -> None:
    vms: dict[str, str | None] = {f"vm{at}.yml": vm(server=one) for at, one in enumerate(on)}
    before = build(vms)
    assume(not before.problems)
    broken = data.draw(st.sampled_from(sorted(vms)))
    text = "".join(
        row for row in vm(server=on[int(broken[2])]).splitlines(keepends=True)
        if not row.startswith(line.split(":", maxsplit=1)[0] + ":")
    )  # fmt: skip
    new = {"new.yml": vm(server=data.draw(st.sampled_from(["server6", "server7"])))}
    after = again(before, {**vms, **new, broken: f"{text}{line}\n"})
    for machine in before.vms:
        assert machine in after.vms
    for name in before.ledgers:
        entries = after.ledgers[name].entries
        assert before.ledgers[name].entries.items() <= entries.items()
    assert len({machine.mac for machine in after.vms}) == len(after.vms)
    assert len({machine.ipv4 for machine in after.vms}) == len(after.vms)


def test_an_old_ledger_needs_no_copies_while_all_is_sound() -> None:
    lines = ledger("a: {number: 7, mac: fe:e1:bb:d1:c8:07, ipv4: 203.0.113.16}")
    fleet = sound(build({"a.yml": vm()}, {"server6.yml": lines}))
    assert (names(fleet), sorted(fleet.kept)) == (["a"], ["server6"])
