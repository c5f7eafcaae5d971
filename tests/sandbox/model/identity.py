# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""id(1), whoami(1), groups(1) and getent(1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.call import Call, Handler, Result
from sandbox.model import names
from sandbox.model.accounts import User
from sandbox.options import OptionError, getopt

if TYPE_CHECKING:
    from sandbox.machine import Machine

_ID_USAGE = """\
usage: id [user]
       id -c [user]
       id -G [-n] [user]
       id -g [-nr] [user]
       id -p [user]
       id -R
       id -u [-nr] [user]
"""
_DATABASES = ("ethers", "group", "hosts", "passwd", "protocols", "rpc", "services", "shells")
_NOT_FOUND, _NO_LIST = 2, 3


def id_(machine: Machine, call: Call) -> Result:
    try:
        options = getopt(call.argv[1:], "cGgnpRru")
    except OptionError as error:
        return Result(1, "", f"id: {error}\n{_ID_USAGE}")
    kinds = [one for one in "cGgpRu" if options.has(one)]
    alone = options.has("n") or options.has("r")
    if len(kinds) > 1 or (not kinds and alone) or len(options.operands) > 1:
        return Result(1, "", _ID_USAGE)
    user = machine.accounts.user(call.uid)
    if options.operands:
        key = options.operands[0]
        user = machine.accounts.user(key)
        if user is None and key.isdigit():
            user = machine.accounts.user(int(key))
        if user is None:
            return Result(1, "", f"id: {key}: No such user\n")
    return Result(stdout=_describe(machine, call, user, kinds, options.has("n")) + "\n")


def whoami(machine: Machine, call: Call) -> Result:
    if len(call.argv) > 1:
        return Result(1, "", "usage: whoami\n")
    return Result(stdout=f"{call.user}\n")


def groups(machine: Machine, call: Call) -> Result:
    user = machine.accounts.user(call.argv[1] if len(call.argv) > 1 else call.uid)
    if user is None:
        return Result(1, "", f"groups: {call.argv[1]}: No such user\n")
    return Result(stdout=_describe(machine, call, user, ["G"], True) + "\n")


def getent(machine: Machine, call: Call) -> Result:
    """getent(1): 1 for a usage error, 2 for a key that is not there, 3 for no enumeration."""
    if len(call.argv) < 2:
        return Result(1, "", "usage: getent database [key ...]\n")
    database, keys = call.argv[1], call.argv[2:]
    if database not in _DATABASES:
        return Result(1, "", f"getent: unknown database: {database}\n")
    if database in ("passwd", "group"):
        return _accounts(machine, database, keys)
    if database == "shells":
        text = machine.files.read_text("/etc/shells")
        known = [one for one in text.splitlines() if one.startswith("/")]
        return _listed({one: f"{one}\n" for one in known}, keys)
    if not keys and database in ("ethers", "hosts"):
        return Result(_NO_LIST, "", f"getent: Enumeration not supported on {database}\n")
    if database == "hosts":
        out = ""
        for key in keys:
            found = names.lookup(machine, key)
            if not found:
                return Result(_NOT_FOUND, out)
            out += "".join(f"{one!s:<39} {key}\n" for one in found)
        return Result(stdout=out)
    return Result(_NOT_FOUND)


def _accounts(machine: Machine, database: str, keys: tuple[str, ...]) -> Result:
    rows: dict[str, str] = {}
    if database == "passwd":
        for user in reversed(machine.accounts.users()):
            # The hash is in the database that root alone reads, an empty password in both.
            rows[str(user.uid)] = rows[user.name] = user.line("*" if user.password else "")
        every = [rows[one.name] for one in machine.accounts.users()]
    else:
        for group in reversed(machine.accounts.groups()):
            line = group.line().removesuffix(":\n") if not group.members else group.line()
            rows[str(group.gid)] = rows[group.name] = line.rstrip("\n") + "\n"
        every = [rows[one.name] for one in machine.accounts.groups()]
    return _listed(rows, keys) if keys else Result(stdout="".join(every))


def _listed(rows: dict[str, str], keys: tuple[str, ...]) -> Result:
    """The rows of the keys in their order, up to the first that is not there."""
    if not keys:
        return Result(stdout="".join(rows.values()))
    out = ""
    for key in keys:
        if key not in rows:
            return Result(_NOT_FOUND, out)
        out += rows[key]
    return Result(stdout=out)


def _describe(
    machine: Machine, call: Call, user: User | None, kinds: list[str], named: bool
) -> str:
    known = {one.gid: one.name for one in machine.accounts.groups()}
    uid, gid = (user.uid, user.gid) if user else (call.uid, call.gid)
    gids = machine.accounts.groups_of(user) if user else [gid]
    match kinds:
        case ["u"]:
            return user.name if named and user else str(uid)
        case ["g"]:
            return known.get(gid, str(gid)) if named else str(gid)
        case ["G"]:
            return " ".join(known.get(one, str(one)) if named else str(one) for one in gids)
        case ["c"]:
            return (user.login_class if user else "") or "default"
        case ["R"]:
            return "0"
        case ["p"]:
            return "\n".join(
                [
                    f"uid\t{user.name if user else uid}",
                    f"groups\t{' '.join(known.get(one, str(one)) for one in gids)}",
                ]
            )
    name = f"({user.name})" if user else ""
    shown = [f"{one}({known[one]})" if one in known else str(one) for one in gids]
    return f"uid={uid}{name} gid={shown[0]} groups={', '.join(shown)}"


COMMANDS: dict[str, Handler] = {
    "/usr/bin/id": id_,
    "/usr/bin/whoami": whoami,
    "/usr/bin/groups": groups,
    "/usr/bin/getent": getent,
}
