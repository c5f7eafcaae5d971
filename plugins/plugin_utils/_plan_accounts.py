# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Plans groups and accounts that log in by key."""

from __future__ import annotations

import typing as t

from ansible_collections.puffy.vmm.plugins.plugin_utils._current import Current, UserFacts
from ansible_collections.puffy.vmm.plugins.plugin_utils._document import Account, Document, File
from ansible_collections.puffy.vmm.plugins.plugin_utils._plan_files import (
    attributes,
    commit,
    differ,
    staging,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._steps import (
    PlanError,
    Step,
    digest,
    run,
    undo,
)

_KEYS: t.Final = ".ssh/authorized_keys"
# A member of one of these may become root: such an account is the operator's own.
_POWERFUL: t.Final = frozenset({"wheel", "operator"})


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
    """Missing accounts, and keys that differ."""
    for account in document.accounts:
        user = current.users.get(account.name)
        if user is None:
            yield from _create(document, account)
        else:
            yield from _change(document, account, user)


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


def _create(document: Document, account: Account) -> t.Iterator[Step]:
    title = f"{document.name}: account {account.name}"
    groups_option = ["-G", ",".join(account.groups)] if account.groups else []
    # Without -p the password is '*': keys work, passwords do not.
    command = ["/usr/sbin/useradd", "-m", "-g", "=uid", *groups_option]
    yield run(
        title,
        [*command, "-s", account.shell, "-c", account.name, account.name],
        change=f"create account {account.name}",
        undo=[undo("/usr/sbin/userdel", "-r", account.name)],
    )
    item = keys_file(account, f"/home/{account.name}", account.name)
    # useradd(8) copies an empty authorized_keys from /etc/skel.
    before = [digest(b""), None]
    fields = {"as": account.name, "late": True}
    yield from staging(title, item, before, **fields)
    yield commit(title, item, before, **fields)


def _change(document: Document, account: Account, user: UserFacts) -> t.Iterator[Step]:
    title = f"{document.name}: account {account.name}"
    powerful = sorted(_POWERFUL.intersection(user.groups) | _POWERFUL.intersection([user.group]))
    missing = [name for name in account.groups if name not in (*user.groups, user.group)]
    if powerful or missing:
        is_what = f"is in group {powerful[0]}" if powerful else f"is not in group {missing[0]}"
        raise PlanError(
            f"{title}: this account exists on the server and {is_what}, so it is not an owner's; "
            "name another owner in the VM file"
            + ("" if powerful else f", or make it one by hand: usermod -G {missing[0]} NAME")
        )
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
