# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Accounts of owners: made, changed, locked, and never those of somebody else."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import (
    EVERYBODYS,
    PlanError,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.answer import UserFacts
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.arguments import DocumentError
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.document import Document
from unit.plugin_utils._state.servers import (
    DIRECTORY,
    Server,
    change,
    changes,
    commands,
    plan_on,
    staged,
    steps,
    undos,
    user,
    wants,
)

ROSTER = "/var/db/puffy.vmm.owners"
KEYS = "/etc/ssh/owners"
KEY = "ssh-ed25519 AAAA"
PUFFY: dict[str, t.Any] = {"name": "puffy", "ssh_keys": [KEY]}
GROUPS = ("vmdusers",)


def owners(*users: dict[str, t.Any], **more: t.Any) -> Document:
    options = {"users": list(users), "groups": list(GROUPS), "roster": ROSTER, "keys": KEYS, **more}
    return wants(groups=list(GROUPS), directories=[{"path": KEYS}], accounts=options)


def server(
    users: t.Mapping[str, UserFacts] | None = None, listed: str = "", **things: t.Any
) -> Server:
    """A server with these accounts, and the names of those that are managed."""
    there: dict[str, t.Any] = {KEYS: DIRECTORY, f"{KEYS}/puffy": f"{KEY}\n", ROSTER: listed}
    there |= {f"{KEYS}/{name}": text for name, text in things.items()}
    return Server(there, users=users or {}, groups={"vmdusers": ()})


FINE = server({"puffy": user("vmdusers")}, "puffy\n")

CASES: dict[str, tuple[Document, Server, list[str], list[str]]] = {
    "an owner who is as wanted": (owners(PUFFY), FINE, [], []),
    "an owner with other keys": (
        owners({**PUFFY, "ssh_keys": ["other"]}), FINE, [f"change {KEYS}/puffy"], [],
    ),
    "an owner without a VM": (
        owners(), server({"puffy": user("www", "vmdusers")}, "puffy\n"),
        ["lock account puffy"], ["usermod -Z -S www puffy"],
    ),
    "one that is locked already": (
        owners(), server({"puffy": user(shell="/bin/ksh-")}, "puffy\n"), [], [],
    ),
    "one that is locked, and that somebody put into the group again": (
        owners(), server({"puffy": user("vmdusers", shell="/bin/ksh-")}, "puffy\n"),
        ["lock account puffy"], ["usermod -Z -S  puffy"],
    ),
    "one that somebody unlocked": (
        owners(), server({"puffy": user()}, "puffy\n"),
        ["lock account puffy"], ["usermod -Z -S  puffy"],
    ),
    "one with the group as its login group": (
        owners(), server({"puffy": user("www", group="vmdusers")}, "puffy\n"),
        ["lock account puffy"], ["usermod -Z -g nogroup -S www puffy"],
    ),
    "one that was locked and kept its login group": (
        owners(), server({"puffy": user(group="vmdusers", shell="/bin/ksh-")}, "puffy\n"),
        ["lock account puffy"], ["usermod -Z -g nogroup -S  puffy"],
    ),
    "one that was locked and has left its login group": (
        owners(), server({"puffy": user(group="nogroup", shell="/bin/ksh-")}, "puffy\n"), [], [],
    ),
    "an owner who has a VM again, and had the group as login group": (
        owners(PUFFY),
        server({"puffy": user("www", group="nogroup", shell="/bin/ksh-")}, "puffy\n"),
        ["unlock account puffy"], ["usermod -U -g vmdusers puffy"],
    ),
    "the same, unlocked by hand": (
        owners(PUFFY), server({"puffy": user(group="nogroup")}, "puffy\n"),
        ["add account puffy to vmdusers"], ["usermod -g vmdusers puffy"],
    ),
    "one that became an operator": (
        owners(), server({"puffy": user("vmdusers", "wheel")}, "puffy\n"),
        [], [],
    ),
    "one that is gone": (owners(), server({}, "puffy\n"), [], []),
    "an owner who has a VM again": (
        owners(PUFFY), server({"puffy": user("www", shell="/bin/ksh-")}, "puffy\n"),
        ["unlock account puffy"], ["usermod -U -G vmdusers puffy"],
    ),
    "an owner whom somebody took out of the group": (
        owners(PUFFY), server({"puffy": user()}, "puffy\n"),
        ["add account puffy to vmdusers"], ["usermod -G vmdusers puffy"],
    ),
    "an owner's account that is in the group already, and in no list": (
        owners(PUFFY), server({"puffy": user("vmdusers")}), [], [],
    ),
    "one that somebody else locked, and that is in no list": (
        owners(PUFFY), server({"puffy": user("vmdusers", shell="/bin/ksh-")}),
        [], [],
    ),
    "an account that nobody manages is left alone": (
        owners(), server({"mira": user("vmdusers", name="mira")}), [], [],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_plan(name: str) -> None:
    document, there, shown, done = CASES[name]
    made = plan_on(document, there)
    assert changes(made) == shown
    assert commands(made) == done


ROSTERS: dict[str, tuple[Document, Server, str | None]] = {
    "as it is": (owners(PUFFY), FINE, None),
    "one is new": (owners(PUFFY), server({"puffy": user("vmdusers")}), "puffy\n"),
    "one that is locked stays in it": (owners(), server({"puffy": user()}, "puffy\n"), None),
    "one that became an operator": (
        owners(), server({"puffy": user("wheel")}, "puffy\n"), "",
    ),
    "one that is gone": (owners(), server({}, "puffy\n"), ""),
}  # fmt: skip


@pytest.mark.parametrize("name", ROSTERS)
def test_who_is_managed_is_kept_on_the_server_and_shown_to_nobody(name: str) -> None:
    document, there, text = ROSTERS[name]
    made = plan_on(document, there)
    assert staged(made).get(ROSTER) == text
    assert not [text for text in changes(made) if ROSTER in text]


def test_a_new_owner() -> None:
    made = plan_on(owners(PUFFY, key_options=["restrict", "pty"]))
    assert changes(made) == [
        "create group vmdusers", f"create directory {KEYS}", "create account puffy",
        f"create {KEYS}/puffy",
    ]  # fmt: skip
    assert commands(made) == [
        "groupadd vmdusers", "useradd -m -g =uid -G vmdusers -s /bin/ksh -c puffy puffy",
    ]  # fmt: skip
    assert undos(made) == ["userdel -r puffy", "groupdel vmdusers"]
    (back,) = (step for step in made.steps if str(step.change) == "create account puffy")
    assert back.fields["undo"][0]["unused"] == {"user": "puffy", "like": "/etc/skel"}
    assert undos(made, later=True) == ["userdel -r puffy"]
    assert staged(made) == {f"{KEYS}/puffy": f"restrict,pty {KEY}\n", ROSTER: "puffy\n"}
    (keys,) = (x for x in made.steps if x.do == "stage" and x.fields["path"] == f"{KEYS}/puffy")
    # Root's file: its owner cannot change it, and sshd(8) reads it as that user.
    assert (keys.fields["owner"], keys.fields["mode"]) == ("root", "0644")
    # Nothing in a home is touched, with whomever's rights.
    assert not [step for step in made.steps if "/home" in str(step.fields)]
    assert not [step for step in made.steps if "as" in step.fields]


REFUSED: dict[str, tuple[UserFacts, str, str]] = {
    "an operator's account": (
        user("vmdusers", "wheel"), "puffy\n",
        "r: account puffy: this account exists on the server and is in group wheel, so it does not "
        "belong to an owner; name another owner in the VM file",
    ),
    "an account whose login group is wheel": (
        user("vmdusers", group="wheel"), "puffy\n", "is in group wheel",
    ),
    "an account of the group operator": (
        user("vmdusers", "operator"), "puffy\n", "is in group operator",
    ),
    "somebody else's account": (user(), "", "is not in group vmdusers"),
    "somebody else's locked account": (user(shell="/bin/ksh-"), "", "is not in group vmdusers"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_accounts_that_are_not_an_owners(name: str) -> None:
    found, listed, text = REFUSED[name]
    with pytest.raises(PlanError) as error:
        plan_on(owners(PUFFY), server({"puffy": found}, listed))
    assert text in str(error.value)


def test_whose_a_change_is() -> None:
    web1 = {**PUFFY, "vms": ["web1", "web2"]}
    made = plan_on(owners(web1, {**PUFFY, "name": "mira"}))
    assert change(made, "create account puffy").vms == {"web1", "web2"}
    assert change(made, f"create {KEYS}/puffy").vms == {"web1", "web2"}
    assert change(made, "create account mira").vms == EVERYBODYS
    assert change(made, f"create {KEYS}/mira").vms == EVERYBODYS
    made = plan_on(owners(web1), server({"puffy": user()}, "puffy\n"))
    assert change(made, "add").vms == {"web1", "web2"}
    made = plan_on(owners(web1), server({"puffy": user(shell="/bin/ksh-")}, "puffy\n"))
    assert change(made, "unlock").vms == {"web1", "web2"}
    made = plan_on(owners(), server({"puffy": user()}, "puffy\n"))
    assert change(made, "lock").vms == EVERYBODYS


def test_the_way_back() -> None:
    made = plan_on(owners(PUFFY), server({"puffy": user("www", shell="/bin/ksh-")}, "puffy\n"))
    assert undos(made) == ["usermod -Z -S www puffy"]
    made = plan_on(owners(), server({"puffy": user("www", "vmdusers")}, "puffy\n"))
    assert undos(made) == ["usermod -U -S www,vmdusers puffy"]
    made = plan_on(owners(), server({"puffy": user("www", group="vmdusers")}, "puffy\n"))
    assert undos(made) == ["usermod -U -g vmdusers -S www puffy"]
    # By the next run, somebody may have locked or unlocked it for a reason.
    assert undos(made, later=True) == []
    locked = user(group="nogroup", shell="/bin/ksh-")
    made = plan_on(owners(PUFFY), server({"puffy": locked}, "puffy\n"))
    assert undos(made) == ["usermod -Z -g nogroup puffy"]
    assert undos(made, later=True) == []


def test_keys_of_one_owner_keep_nobody_from_theirs() -> None:
    # Whatever a user does at home, nobody looks there.
    document = owners(PUFFY, {**PUFFY, "name": "mira"})
    there = server(
        {"puffy": user("vmdusers"), "mira": user("vmdusers", name="mira")}, "mira\npuffy\n",
        mira="old\n",
    )  # fmt: skip
    made = plan_on(document, there)
    assert steps(made) == [f"stage {KEYS}/mira", f"commit {KEYS}/mira"]


def test_new_keys_make_no_service_read_its_file_again() -> None:
    document = wants(
        directories=[{"path": KEYS}],
        accounts={"users": [PUFFY], "roster": ROSTER, "keys": KEYS},
        services=[{"name": "sshd", "on_change": "reload"}],
    )
    outputs = {"rcctl get sshd": (0, "sshd_flags=\n"), "rcctl check sshd": (0, "")}
    there = server({"puffy": user("vmdusers")}, "puffy\n", puffy="old\n").plus(outputs=outputs)
    assert changes(plan_on(document, there)) == [f"change {KEYS}/puffy"]


def test_an_account_without_a_name() -> None:
    with pytest.raises(DocumentError, match="an account has no name"):
        owners({"name": "", "ssh_keys": []})


@pytest.mark.parametrize("name", ["../../etc/passwd", "-r", "a b", "a\nb"])
def test_names_that_are_not_safe(name: str) -> None:
    with pytest.raises(DocumentError, match="is not a valid"):
        owners({**PUFFY, "name": name})


def test_a_group_that_libc_would_not_find_any_more_is_a_login_group() -> None:
    members = tuple(f"owner{number:03}" for number in range(109))
    late = [{**PUFFY, "name": f"late{number:05}"} for number in range(6)]
    made = plan_on(
        owners(*late, others=list(members)), Server({KEYS: DIRECTORY}, groups={"vmdusers": members})
    )
    options = [text.split(" -s ")[0] for text in commands(made) if "useradd" in text]
    fit = "useradd -m -g =uid -G vmdusers"
    assert options == [fit] * 2 + ["useradd -m -g vmdusers"] * 4
    line = ",".join([*members, "late00000", "late00001"])
    assert len(f"vmdusers:*:65536:{line}\n") < 1024 <= len(f"vmdusers:*:65536:{line},late00002\n")
    full = {"vmdusers": (*members, "x" * 30, "y" * 9)}
    there = dataclasses.replace(server({"puffy": user(shell="/bin/ksh-")}, "puffy\n"), groups=full)
    desired = owners(PUFFY, others=[*full["vmdusers"]])
    with pytest.raises(PlanError, match="usermod -g vmdusers puffy"):
        plan_on(desired, there)
    # Locked with its login group, it comes back without joining anything.
    there = there.plus(users={"puffy": user(shell="/bin/ksh-", group="vmdusers")})
    assert commands(plan_on(desired, there)) == ["usermod -U puffy"]
    # Its login group needs no room in the line.
    there = there.plus(users={"puffy": user(shell="/bin/ksh-", group="nogroup")})
    assert commands(plan_on(desired, there)) == ["usermod -U -g vmdusers puffy"]


def test_two_hundred_owners_are_more_than_libc_finds() -> None:
    many = tuple(f"o{number}" for number in range(199))
    made = plan_on(
        owners(PUFFY, others=list(many)), Server({KEYS: DIRECTORY}, groups={"vmdusers": many})
    )
    assert "useradd -m -g vmdusers -s /bin/ksh -c puffy puffy" in commands(made)


def test_somebody_else_in_the_group_does_not_lose_the_keys_of_a_home() -> None:
    groups = {"vmdusers": ("puffy", "alice"), "wheel": ("root", "bob")}
    there = dataclasses.replace(FINE, groups=groups)
    with pytest.raises(PlanError, match="alice: is in group vmdusers and is not .*; ask first, or"):
        plan_on(owners(PUFFY, others_advice="ask first"), there)
    assert plan_on(owners(PUFFY, others=["alice"]), there).steps == ()
    admins = dataclasses.replace(FINE, groups={**groups, "vmdusers": ("puffy", "bob")})
    assert plan_on(owners(PUFFY), admins).steps == ()
    with pytest.raises(DocumentError, match="'a,b' is not a valid name for an account"):
        owners(PUFFY, others=["a,b"])


def test_no_rollback_gives_an_account_or_a_key_back() -> None:
    made = plan_on(owners({**PUFFY, "ssh_keys": ["other"]}), FINE)
    purged = plan_on(
        wants(directories=[{"path": KEYS, "purge": "*"}], accounts={
            "users": [], "groups": list(GROUPS), "roster": ROSTER, "keys": KEYS,
        }),
        FINE,
    )  # fmt: skip
    for plan, kind in ((made, "commit"), (purged, "remove")):
        (step,) = (one for one in plan.steps if one.fields.get("path") == f"{KEYS}/puffy"
                   and one.do == kind)  # fmt: skip
        assert step.fields["stays"] is True
