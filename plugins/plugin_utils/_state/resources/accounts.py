# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Plans groups and accounts that log in by key."""

from __future__ import annotations

import typing as t

from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import (
    PlanError,
    Step,
    digest,
    run,
    undo,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.document import (
    Account,
    Document,
    File,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.probe import Current, UserFacts
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.resources.files import (
    attributes,
    commit,
    differ,
    staging,
)

_KEYS: t.Final = ".ssh/authorized_keys"
# A member of one of these may become root: such an account is the operator's own.
_POWERFUL: t.Final = frozenset({"wheel", "operator"})
_USERMOD: t.Final = "/usr/sbin/usermod"
_LOCKED: t.Final = "-"


def groups(document: Document, current: Current) -> t.Iterator[Step]:
    """Missing groups."""
    for name in document.groups:
        if name not in current.groups:
            yield run(
                f"{document.name}: group {name}",
                ["/usr/sbin/groupadd", name],
                change=f"create group {name}",
                undo=[undo("/usr/sbin/groupdel", name)],
            )


def accounts(document: Document, current: Current) -> t.Iterator[Step]:
    """Missing accounts, keys that differ, and accounts that are wanted no more."""
    known = _listed(document, current)
    lines = _Lines(current)
    for account in document.accounts:
        user = current.users.get(account.name)
        if user is None:
            yield from _create(document, account, lines)
        else:
            yield from _change(document, account, user, known, lines)
    wanted = {account.name for account in document.accounts}
    for name in sorted(known - wanted):
        user = current.users.get(name)
        if user and not _powers(user):
            yield from _lock(document, name, user)


def roster(document: Document, current: Current) -> t.Iterator[File]:
    """The file that tells later runs which accounts are this document's."""
    if not document.roster:
        return
    names = {account.name for account in document.accounts}
    for name in _listed(document, current):
        user = current.users.get(name)
        if user and not _powers(user):
            names.add(name)
    yield File(document.roster, "".join(f"{name}\n" for name in sorted(names)).encode())


def _listed(document: Document, current: Current) -> frozenset[str]:
    text = current.read.get(document.roster, b"") if document.roster else b""
    return frozenset(text.decode("ascii", "replace").split())


def _powers(user: UserFacts) -> list[str]:
    return sorted(_POWERFUL.intersection((*user.groups, user.group)))


def _join(title: str, name: str, user: UserFacts, groups: t.Sequence[str]) -> Step:
    """Back into its groups, and unlocked where _lock() was before."""
    joined, before = ",".join(groups), ",".join(user.groups)
    if user.shell.endswith(_LOCKED):
        words, back, change = ["-U"], ["-Z"], f"unlock account {name}"
    else:
        words, back, change = [], [], f"add account {name} to {joined}"
    if groups:
        words, back = [*words, "-G", joined], [*back, "-S", before]
    return run(
        title,
        [_USERMOD, *words, name],
        change=change,
        undo=[undo(_USERMOD, *back, name)],
        undo_always=True,
    )


def _lock(document: Document, name: str, user: UserFacts) -> t.Iterator[Step]:
    """No login, by whatever key, and no group of the document's; home and keys stay.

    sshd(8) lets nobody in whose shell is not there, and usermod(8) -Z adds a hyphen to its name.
    """
    rest = [group for group in user.groups if group not in document.groups]
    if user.shell.endswith(_LOCKED) and len(rest) == len(user.groups):
        return
    yield run(
        f"{document.name}: account {name}",
        [_USERMOD, "-Z", "-S", ",".join(rest), name],
        change=f"lock account {name}",
        undo=[undo(_USERMOD, "-U", "-S", ",".join(user.groups), name)],
        undo_always=True,
    )


def warnings(document: Document, current: Current) -> t.Iterator[str]:
    """Accounts whose keys stay as they are, since their users keep others out of their homes."""
    for account in document.accounts:
        user = current.users.get(account.name)
        trouble = _trouble(user) if user else None
        if trouble:
            yield (
                f"{document.name}: account {account.name}: {trouble}, so its keys were left as "
                "they are; have it moved away, or lock the account: usermod -Z"
            )


def _trouble(user: UserFacts) -> str | None:
    directory, keys = user.files.get(".ssh"), user.files.get(_KEYS)
    if directory and directory.type not in ("directory", "link"):
        return f"{user.home}/.ssh is a {directory.type}, no directory"
    if keys and keys.type != "file":
        return f"{user.home}/{_KEYS} is a {keys.type}, no file"
    if keys and keys.sha256 is None:
        return f"{user.home}/{_KEYS} has {keys.size} bytes, as no list of keys has"
    return None


def keys_file(account: Account, home: str, group: str) -> File:
    """The account's authorized_keys, as sshd(8)'s StrictModes wants it."""
    text = "".join(f"{line}\n" for line in account.authorized_keys)
    return File(f"{home}/{_KEYS}", text.encode(), "0600", account.name, group)


class _Lines:
    """The lines of group(5) as they become.

    libc finds no group whose line is longer than LINE bytes, nor any member behind the first
    MEMBERS (lib/libc/gen/getgrent.c), and vmd(8) refuses a vm.conf with a group that is not found.
    """

    LINE: t.Final = 1022
    MEMBERS: t.Final = 199

    def __init__(self, current: Current) -> None:
        self._members = {name: list(members) for name, members in current.groups.items()}

    def full(self, group: str, name: str) -> bool:
        members = [*self._members.get(group, ()), name]
        line = f"{group}:*:{2**16}:{','.join(members)}"
        return len(line) > self.LINE or len(members) > self.MEMBERS

    def add(self, name: str, groups: t.Iterable[str]) -> None:
        for group in groups:
            self._members.setdefault(group, []).append(name)


def _create(document: Document, account: Account, lines: _Lines) -> t.Iterator[Step]:
    title = f"{document.name}: account {account.name}"
    # A login group needs no place in the group's line.
    login = next((group for group in account.groups if lines.full(group, account.name)), "=uid")
    more = [group for group in account.groups if group != login]
    lines.add(account.name, more)
    groups_option = ["-G", ",".join(more)] if more else []
    # Without -p the password is '*': keys work, passwords do not.
    command = ["/usr/sbin/useradd", "-m", "-g", login, *groups_option]
    yield run(
        title,
        [*command, "-s", account.shell, "-c", account.name, account.name],
        change=f"create account {account.name}",
        undo=[undo("/usr/sbin/userdel", "-r", account.name)],
    )
    group = account.name if login == "=uid" else login
    item = keys_file(account, f"/home/{account.name}", group)
    # useradd(8) copies an empty authorized_keys from /etc/skel.
    before = [digest(b""), None]
    fields = {"as": account.name, "late": True}
    yield from staging(title, item, before, **fields)
    yield commit(title, item, before, **fields)


def _change(
    document: Document,
    account: Account,
    user: UserFacts,
    known: t.Collection[str],
    lines: _Lines,
) -> t.Iterator[Step]:
    title = f"{document.name}: account {account.name}"
    powerful = _powers(user)
    missing = [name for name in account.groups if name not in (*user.groups, user.group)]
    if powerful or (missing and account.name not in known):
        is_what = f"is in group {powerful[0]}" if powerful else f"is not in group {missing[0]}"
        raise PlanError(
            f"{title}: this account exists on the server and {is_what}, so it is not an owner's; "
            "name another owner in the VM file"
            + ("" if powerful else f", or make it one by hand: usermod -G {missing[0]} NAME")
        )
    for group in missing:
        if lines.full(group, account.name):
            raise PlanError(
                f"{title}: the line of group {group} in group(5) has no room for it; have it as "
                f"login group: usermod -g {group} {account.name}"
            )
    lines.add(account.name, missing)
    if missing or (user.shell.endswith(_LOCKED) and account.name in known):
        yield _join(title, account.name, user, missing)
    if _trouble(user):
        return
    fields = {"as": account.name}
    directory = user.files.get(".ssh")
    if directory is None:
        wanted = {"path": f"{user.home}/.ssh", "owner": account.name, "group": user.group}
        yield Step(
            "directory",
            title,
            {**wanted, "mode": "0700", **fields},
            change=f"create directory {user.home}/.ssh",
        )
    item = keys_file(account, user.home, user.group)
    facts = user.files.get(_KEYS)
    if facts is None or facts.sha256 != digest(item.content):
        before = [facts.sha256 if facts else None]
        yield from staging(title, item, before, **fields)
        yield commit(title, item, before, **fields)
    elif differ(facts, item):
        wanted = {"path": item.path, **attributes(item)}
        change = f"change mode or owner of {item.path}"
        yield Step("attributes", title, {**wanted, **fields}, change=change)
