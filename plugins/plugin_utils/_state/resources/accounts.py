# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Accounts that log in by key and have no password.

Keys are in files of root, each with the name of its account, which sshd(8) reads by its
AuthorizedKeysFile: nothing in a user's home is read, written or trusted.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field

from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.answers import stat
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import (
    EVERYBODYS,
    Change,
    PlanError,
    Step,
    run,
    undo,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.answer import (
    Answer,
    Questions,
    UserFacts,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.arguments import (
    Context,
    DocumentError,
    Options,
    list_of,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.file import File, edited
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.planning import Phase, Planning
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.resource import Simple

# Their members may become root: such an account is the operator's own.
_POWERFUL: t.Final = frozenset({"wheel", "operator"})
# Also the name of a file, and an argument of useradd(8).
_NAME: t.Final = re.compile(r"[A-Za-z_][A-Za-z0-9._-]{0,30}")
_USERMOD: t.Final = "/usr/sbin/usermod"
# usermod(8) -Z adds it to the path of the shell, which then does not exist.
_LOCKED: t.Final = "-"
# The login group of a locked account that had one of ours: usermod(8) -S leaves that alone.
_NO_GROUP: t.Final = "nogroup"


@dataclass(frozen=True)
class Account:
    """An account: `groups` are added to what it has, and `keys` are lines of authorized_keys."""

    name: str
    groups: tuple[str, ...]
    keys: tuple[str, ...]
    shell: str
    vms: frozenset[str]


@dataclass(frozen=True)
class Desired:
    """All accounts of a document.

    `roster` is a file of the server with the names of those that this document manages. An account
    in it that is no longer desired is locked and leaves `groups`. `others` may be in the groups
    too. `resting` has archived VMs by their owners: locking an account belongs to them.
    """

    accounts: tuple[Account, ...]
    roster: str
    keys: str
    groups: tuple[str, ...]
    others: tuple[str, ...] = ()
    advice: str = ""
    resting: t.Mapping[str, frozenset[str]] = field(default_factory=dict)

    def key_file(self, account: Account) -> File:
        text = "".join(f"{line}\n" for line in account.keys)
        path = f"{self.keys}/{account.name}"
        return File(path, text.encode(), "0644", vms=account.vms, joint=True, quiet=True)


class Accounts(Simple[Desired]):
    """Accounts of owners; an existing one is only managed if it is ours already."""

    OPTION: t.ClassVar[str] = "accounts"
    SPEC: t.ClassVar[Options] = {
        "type": "dict",
        "options": {
            "users": list_of(
                {
                    "name": {"type": "str", "required": True},
                    "ssh_keys": {"type": "list", "elements": "str", "no_log": False, "default": []},
                    "vms": {"type": "list", "elements": "str"},
                }
            ),
            "groups": {"type": "list", "elements": "str", "default": []},
            "others": {"type": "list", "elements": "str", "default": []},
            "resting": {"type": "list", "elements": "dict", "default": []},
            "others_advice": {"type": "str", "default": "name it in others"},
            "key_options": {"type": "list", "elements": "str", "no_log": False, "default": []},
            "shell": {"type": "str", "default": "/bin/ksh"},
            "roster": {"type": "str", "required": True},
            "keys": {"type": "str", "required": True, "no_log": False},
        },
    }

    def desired(self, options: t.Any, context: Context) -> Desired:
        prefix = f"{','.join(options['key_options'])} ".lstrip()
        groups = tuple(options["groups"])
        accounts = []
        for name in (*(user["name"] for user in options["users"] or ()), *options["others"]):
            if not name:
                raise DocumentError(f"{context.name}: an account has no name; give one")
            if not _NAME.fullmatch(name):
                raise DocumentError(
                    f"{context.name}: {name!r} is not a valid name for an account; use up "
                    "to 31 letters, digits and . _ -, a letter or _ first"
                )
        for user in options["users"] or ():
            keys = tuple(f"{prefix}{key}" for key in user["ssh_keys"])
            vms = EVERYBODYS if user.get("vms") is None else frozenset(user["vms"])
            accounts.append(Account(user["name"], groups, keys, options["shell"], vms))
        roster, place = context.path(options["roster"]), context.path(options["keys"])
        others, advice = tuple(options["others"]), options["others_advice"]
        resting: dict[str, frozenset[str]] = {}
        for vm in options["resting"]:
            owner = str(vm["owner"])
            resting[owner] = resting.get(owner, frozenset()) | {str(vm["name"])}
        return Desired(tuple(accounts), roster, place, groups, others, advice, resting)

    def questions(self, desired: Desired) -> Questions:
        files = [desired.key_file(account).path for account in desired.accounts]
        return {
            "users": [account.name for account in desired.accounts],
            "rosters": [desired.roster],
            "groups": [*desired.groups, "wheel"],
            "paths": [
                *edited([desired.roster]),
                stat(desired.keys),
                *({"path": path} for path in files),
            ],
        }

    def plan(self, desired: Desired, facts: Answer, out: Planning) -> None:
        """Create missing accounts, write keys that differ, and lock accounts that are to go."""
        known = frozenset(out.text(desired.roster).split())
        _refuse_strangers(desired, known, facts.groups, out)
        lines = _GroupLines(facts.groups)
        for account in desired.accounts:
            user = facts.users.get(account.name)
            if user is None:
                out.step(Phase.PREPARE, _create(account, lines, out))
            else:
                out.step(Phase.PREPARE, *_change(account, user, known, lines, out))
            out.makes("user", account.name)
            out.file(desired.key_file(account))
        names = {account.name for account in desired.accounts}
        for name in sorted(known - names):
            user = facts.users.get(name)
            if user and not _powers(user):
                names.add(name)
                vms = desired.resting.get(name, EVERYBODYS)
                out.step(Phase.PREPARE, *_lock(name, vms, user, desired.groups, out))
        text = "".join(f"{name}\n" for name in sorted(names))
        out.file(File(desired.roster, text.encode(), internal=True))
        # An account that is gone, or a key that was withdrawn, does not come back with a file.
        out.stays = True

    def review(self, desired: Desired, out: Planning) -> None:
        for account in desired.accounts:
            out.file(desired.key_file(account))


def _refuse_strangers(
    desired: Desired,
    known: t.Collection[str],
    groups: t.Mapping[str, t.Sequence[str]],
    out: Planning,
) -> None:
    """Refuse other members of a group, who would lose the keys in their homes (PlanError).

    Members of wheel keep them: they are the server's operators.
    """
    expected = {account.name for account in desired.accounts} | {*known, *desired.others}
    expected |= {*groups.get("wheel", ())}
    for group in desired.groups:
        for name in groups.get(group, ()):
            if name not in expected:
                raise PlanError(
                    f"{out.title(f'account {name}')}: is in group {group} and is not the account "
                    f"of an owner; {desired.advice}, or take it out of the group"
                )


def _powers(user: UserFacts) -> list[str]:
    return sorted(_POWERFUL.intersection((*user.groups, user.group)))


def _lock(
    name: str,
    vms: frozenset[str],
    user: UserFacts,
    groups: t.Collection[str],
    out: Planning,
) -> t.Iterator[Step]:
    """Take the login, by whatever key, and the document's groups away; the home stays."""
    rest = [group for group in user.groups if group not in groups]
    logs_in = user.group in groups
    if user.shell.endswith(_LOCKED) and len(rest) == len(user.groups) and not logs_in:
        return
    login, back = (["-g", _NO_GROUP], ["-g", user.group]) if logs_in else ([], [])
    yield run(
        out.title(f"account {name}"),
        [_USERMOD, "-Z", *login, "-S", ",".join(rest), name],
        change=Change("lock account", name, vms=vms, joint=True),
        undo=[undo(_USERMOD, "-U", *back, "-S", ",".join(user.groups), name, at_once=True)],
        undo_always=True,
    )


class _GroupLines:
    """The lines of group(5) as they will be.

    libc finds no group with a line longer than LINE bytes, and no member after the first MEMBERS
    (lib/libc/gen/getgrent.c); vmd(8) refuses a vm.conf with a group that is not found.
    """

    LINE: t.Final = 1022
    MEMBERS: t.Final = 199

    def __init__(self, groups: t.Mapping[str, t.Sequence[str]]) -> None:
        self._members = {name: list(members) for name, members in groups.items()}

    def full(self, group: str, name: str) -> bool:
        members = [*self._members.get(group, ()), name]
        line = f"{group}:*:{2**16}:{','.join(members)}"
        return len(line) > self.LINE or len(members) > self.MEMBERS

    def add(self, name: str, groups: t.Iterable[str]) -> None:
        for group in groups:
            self._members.setdefault(group, []).append(name)


def _create(account: Account, lines: _GroupLines, out: Planning) -> Step:
    # A login group needs no place in the group's line.
    login = next((group for group in account.groups if lines.full(group, account.name)), "=uid")
    more = [group for group in account.groups if group != login]
    lines.add(account.name, more)
    groups_option = ["-G", ",".join(more)] if more else []
    # Without -p the password is '*': keys work, passwords do not.
    command = ["/usr/sbin/useradd", "-m", "-g", login, *groups_option]
    # Never the home of somebody who has used it.
    unused = {"user": account.name, "like": "/etc/skel"}
    return run(
        out.title(f"account {account.name}"),
        [*command, "-s", account.shell, "-c", account.name, account.name],
        change=Change("create account", account.name, vms=account.vms, joint=True),
        undo=[{**undo("/usr/sbin/userdel", "-r", account.name), "unused": unused}],
    )


def _change(
    account: Account,
    user: UserFacts,
    known: t.Collection[str],
    lines: _GroupLines,
    out: Planning,
) -> t.Iterator[Step]:
    title = out.title(f"account {account.name}")
    powerful = _powers(user)
    missing = [name for name in account.groups if name not in (*user.groups, user.group)]
    if powerful or (missing and account.name not in known):
        is_what = f"is in group {powerful[0]}" if powerful else f"is not in group {missing[0]}"
        raise PlanError(
            f"{title}: this account exists on the server and {is_what}, so it does not belong to "
            "an owner; name another owner in the VM file"
            + (
                ""
                if powerful
                else f", or add its name to the group's line of group(5) by hand, "
                f"after 'groupadd {missing[0]}' where the group does not exist"
            )
        )
    # It left its login group when it was locked.
    login = missing[:1] if user.group == _NO_GROUP else []
    more = missing[len(login) :]
    for group in more:
        if lines.full(group, account.name):
            raise PlanError(
                f"{title}: the line of group {group} in group(5) has no room for it; make it the "
                f"login group: usermod -g {group} {account.name}"
            )
    lines.add(account.name, more)
    if missing or (user.shell.endswith(_LOCKED) and account.name in known):
        yield _join(title, account, user, login, more)


def _join(
    title: str,
    account: Account,
    user: UserFacts,
    login: t.Sequence[str],
    groups: t.Sequence[str],
) -> Step:
    """Put an account back into its groups, and unlock it where _lock() had locked it.

    `login` is its login group, if that differs.
    """
    joined, before = ",".join([*login, *groups]), ",".join(user.groups)
    if user.shell.endswith(_LOCKED):
        words, back = ["-U"], ["-Z"]
        change = Change("unlock account", account.name, vms=account.vms, joint=True)
    else:
        words, back = [], []
        change = Change("add account", account.name, f"to {joined}", vms=account.vms, joint=True)
    if login:
        words, back = [*words, "-g", *login], [*back, "-g", user.group]
    if groups:
        words, back = [*words, "-G", ",".join(groups)], [*back, "-S", before]
    return run(
        title,
        [_USERMOD, *words, account.name],
        change=change,
        undo=[undo(_USERMOD, *back, account.name, at_once=True)],
        undo_always=True,
    )
