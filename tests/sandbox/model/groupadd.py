# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""groupadd(8), groupmod(8), groupdel(8), groupinfo(8) and userinfo(8)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sandbox.call import Call, Handler, Result
from sandbox.model import usercommand
from sandbox.model.usercommand import FIRST_ID, LAST_ID, Command, Refused, valid_group

if TYPE_CHECKING:
    from sandbox.machine import Machine


def groupadd(machine: Machine, call: Call) -> Result:
    usage = "usage: groupadd [-ov] [-g gid] group\n"
    return usercommand.run(machine, call, "g:ov", usage, _add)


def groupmod(machine: Machine, call: Call) -> Result:
    usage = "usage: groupmod [-ov] [-g gid] [-n newname] group\n"
    return usercommand.run(machine, call, "g:n:ov", usage, _modify)


def groupdel(machine: Machine, call: Call) -> Result:
    return usercommand.run(machine, call, "v", "usage: groupdel [-v] group\n", _delete)


def groupinfo(machine: Machine, call: Call) -> Result:
    return usercommand.run(machine, call, "ev", "usage: groupinfo [-e] group\n", _group_info)


def userinfo(machine: Machine, call: Call) -> Result:
    return usercommand.run(machine, call, "ev", "usage: userinfo [-e] user\n", _user_info)


def _add(command: Command) -> tuple[int, str]:
    wanted = command.number("g", "gid")
    name = command.operand()
    command.need_root()
    if not valid_group(name):
        raise Refused(f"invalid group name `{name}'")
    gids = {one.gid for one in command.accounts.groups()}
    gid = wanted
    if gid is None:
        gid = next((one for one in range(FIRST_ID, LAST_ID) if one not in gids), None)
    if gid is None:
        raise Refused("can't add group: can't get next gid")
    if gid in gids and not command.options.has("o"):
        raise Refused(f"can't add group: gid {gid} is a duplicate")
    if not command.create_group(name, gid):
        raise Refused("can't add group: problems with /etc/group file")
    return 0, ""


def _modify(command: Command) -> tuple[int, str]:
    gid, new_name = command.number("g", "gid"), command.options.last("n")
    name = command.operand()
    command.need_root()
    if gid is None and new_name is None:
        raise Refused("Nothing to change")
    group = command.accounts.group(name)
    if group is None:
        raise Refused(f"can't find group `{name}' to modify")
    if new_name is not None and not valid_group(new_name):
        raise Refused(f"invalid group name `{new_name}'")
    new = replace(group, name=new_name or name, gid=group.gid if gid is None else gid)
    groups = command.accounts.groups()
    command.accounts.write_groups([new if one.name == name else one for one in groups])
    return 0, ""


def _delete(command: Command) -> tuple[int, str]:
    name = command.operand()
    command.need_root()
    groups = command.accounts.groups()
    if all(one.name != name for one in groups):
        raise Refused(f"No such group: `{name}'")
    command.accounts.write_groups([one for one in groups if one.name != name])
    return 0, ""


def _group_info(command: Command) -> tuple[int, str]:
    name = command.operand()
    group = command.find_group(name)
    if command.options.has("e"):
        return (0 if group else 1), ""
    if group is None:
        raise Refused(f"can't find group `{name}'")
    members = "".join(f"{one} " for one in group.members)
    head = f"name\t{group.name}\npasswd\t{group.password}\ngid\t{group.gid}\n"
    return 0, f"{head}members\t{members}\n"


def _user_info(command: Command) -> tuple[int, str]:
    name = command.operand()
    user = command.find_user(name)
    if command.options.has("e"):
        return (0 if user else 1), ""
    if user is None:
        raise Refused(f"can't find user `{name}'")
    groups = {one.gid: one.name for one in command.accounts.groups()}
    names = [groups.get(gid, str(gid)) for gid in command.accounts.groups_of(user)]
    rows = [
        ("login", user.name),
        ("passwd", user.password if user.password == "" else "*"),
        ("uid", str(user.uid)),
        ("groups", " ".join(names)),
        ("change", "NEVER"),
        ("class", user.login_class),
        ("gecos", user.gecos),
        ("dir", user.home),
        ("shell", user.shell),
        ("expire", "NEVER"),
    ]
    return 0, "".join(f"{key}\t{value}\n" for key, value in rows)


COMMANDS: dict[str, Handler] = {
    "/usr/sbin/groupadd": groupadd,
    "/usr/sbin/groupmod": groupmod,
    "/usr/sbin/groupdel": groupdel,
    "/usr/sbin/groupinfo": groupinfo,
    "/usr/sbin/userinfo": userinfo,
}
