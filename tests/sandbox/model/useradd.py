# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""useradd(8), usermod(8) and userdel(8)."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from sandbox.call import Call, Handler, Result
from sandbox.model import usercommand
from sandbox.model.accounts import User
from sandbox.model.usercommand import FIRST_ID, LAST_ID, Command, Refused, valid_login

if TYPE_CHECKING:
    from sandbox.machine import Machine

_NOBODY = 32767
_CONFIG = "/etc/usermgmt.conf"
_DEFAULTS = (
    "group\t\t=uid\nbase_dir\t/home\nskel_dir\t/etc/skel\nshell\t\t/bin/ksh\nclass\t\t\n"
    "inactive\tNull (unset)\nexpire\t\tNull (unset)\n{}range\t\t1000..60000\n"
)
_LOCKED = "-"
_NO_PASSWORD = ("*", "*************")
_USAGE_ADD = """\
usage: useradd -D [-b base-directory] [-e expiry-time] [-f inactive-time]
               [-g gid | name | =uid] [-k skel-directory] [-L login-class]
               [-r low..high] [-s shell]
       useradd [-mov] [-b base-directory] [-c comment] [-d home-directory]
               [-e expiry-time] [-f inactive-time]
               [-G secondary-group[,group,...]] [-g gid | name | =uid]
               [-k skel-directory] [-L login-class] [-p password] [-r low..high]
               [-s shell] [-u uid] user
"""
_USAGE_MOD = """\
usage: usermod [-moUvZ] [-c comment] [-d home-directory] [-e expiry-time]
               [-f inactive-time] [-G secondary-group[,group,...]]
               [-g gid | name | =uid] [-L login-class] [-l new-login]
               [-p password] [-S secondary-group[,group,...]]
               [-s shell] [-u uid] user
"""
_USAGE_DEL = """\
usage: userdel -D [-p preserve-value]
       userdel [-rv] [-p preserve-value] user
"""


def useradd(machine: Machine, call: Call) -> Result:
    return usercommand.run(machine, call, "DG:L:b:c:d:e:f:g:k:mop:r:s:u:v", _USAGE_ADD, _add)


def usermod(machine: Machine, call: Call) -> Result:
    return usercommand.run(machine, call, "G:L:S:UZc:d:e:f:g:l:mop:s:u:v", _USAGE_MOD, _modify)


def userdel(machine: Machine, call: Call) -> Result:
    return usercommand.run(machine, call, "Dp:rv", _USAGE_DEL, _delete)


def _add(command: Command) -> tuple[int, str]:
    options, known, files = command.options, command.accounts, command.machine.files
    if command.call.uid == 0 and not files.exists(_CONFIG):
        files.write_text(_CONFIG, _DEFAULTS.format("preserve\tfalse\n"), 0o644)
    wanted_uid = command.number("u", "uid")
    if options.has("D"):
        return 0, _DEFAULTS.format("")
    name = command.operand()
    command.need_root()
    if not valid_login(name):
        raise Refused(f"`{name}' is not a valid login name")
    login_class = options.last("L", "") or ""
    if not known.login_class(login_class):
        raise Refused(f"No such login class `{login_class}'")
    command.need_lock()
    own_group = options.last("g", "=uid") == "=uid"
    uid = _free_uid(command, own_group) if wanted_uid is None else wanted_uid
    if known.user(uid) and not options.has("o"):
        raise Refused(f"uid {uid} is already in use")
    gid = _primary_group(command, uid)
    if known.user(name) and not options.has("o"):
        raise Refused(f"already a `{name}' user")
    home = options.last("d") or f"{options.last('b', '/home')}/{name}"
    if options.has("m"):
        _make_home(command, home, (uid, gid))
    elif not os.path.lexists(files.resolve(home, follow=False)) and home != "/nonexistent":
        command.warn(f"Warning: home directory `{home}' doesn't exist, and -m was not specified")
    if own_group and known.group(name) is None:
        command.create_group(name, gid)
    if names := options.last("G"):
        command.append_to_groups(name, names.split(","), None)
    shell = options.last("s", "/bin/ksh") or ""
    password, comment = options.last("p", "*") or "", options.last("c", "") or ""
    user = User(name, password, uid, gid, login_class, 0, 0, comment, home, shell)
    known.write_users([*known.users(), user])
    command.log(f"new user added: name={name}, uid={uid}, gid={gid}, home={home}, shell={shell}")
    return 0, ""


def _modify(command: Command) -> tuple[int, str]:
    options, known = command.options, command.accounts
    wanted_uid = command.number("u", "uid")
    for one, other in (("G", "S"), ("U", "Z")):
        if options.has(one) and options.has(other):
            raise Refused(f"options '{one}' and '{other}' are mutually exclusive")
    if options.has("p") and (options.has("U") or options.has("Z")):
        raise Refused("options 'U' or 'Z' with 'p' are mutually exclusive")
    name = command.operand()
    command.need_root()
    new_name = options.last("l") or name
    if not valid_login(new_name):
        raise Refused(f"`{name}' is not a valid login name")
    old = known.user(name)
    if old is None:
        raise Refused(f"No such user `{name}'")
    if (options.has("U") or options.has("Z")) and old.uid < FIRST_ID:
        raise Refused(f"(un)locking is not supported for the `{name}' account")
    command.need_lock()
    if new_name != name and known.user(new_name):
        raise Refused(f"already a `{new_name}' user")
    new = replace(old, name=new_name, password=options.last("p", old.password) or "")
    if options.has("Z"):
        new = _locked(command, new)
    if options.has("U"):
        new = _unlocked(command, new)
    if wanted_uid is not None:
        if known.user(wanted_uid) and not options.has("o"):
            raise Refused(f"uid {wanted_uid} is already in use")
        new = replace(new, uid=wanted_uid)
    if options.has("g"):
        new = replace(new, gid=_primary_group(command, new.uid))
        if options.last("g") == "=uid":
            command.create_group(new_name, new.gid)
    new = _replaced(command, new)
    if options.has("m") and new.home != old.home:
        command.machine.files.rename(old.home, new.home)
    _set_groups(command, new)
    known.write_users([new if one.name == name else one for one in known.users()])
    command.log(
        f"user information modified: name={name}, uid={new.uid}, gid={new.gid}, "
        f"home={new.home}, shell={new.shell}"
    )
    return 0, ""


def _delete(command: Command) -> tuple[int, str]:
    if command.options.has("D"):
        return 0, "preserve\tfalse\n"
    name = command.operand()
    command.need_root()
    user = command.accounts.user(name)
    if user is None:
        raise Refused(f"No such user `{name}'")
    if command.options.has("r"):
        _remove_home(command, user)
    command.accounts.leave_groups(name)
    command.need_lock()
    command.accounts.write_users([one for one in command.accounts.users() if one.name != name])
    command.log(f"user removed: name={name}")
    return 0, ""


def _free_uid(command: Command, own_group: bool) -> int:
    """The first free number; with a group of its own it must be free as a group's too."""
    uids = {one.uid for one in command.accounts.users()} | {_NOBODY}
    gids = {one.gid for one in command.accounts.groups()} if own_group else set()
    first, last = FIRST_ID, LAST_ID
    if span := command.options.last("r"):
        low, dots, high = span.partition("..")
        if not (dots and low.isdigit() and high.isdigit()):
            raise Refused(f"Bad uid range `{span}'")
        first, last = int(low), int(high)
    for uid in range(first, last + 1):
        if uid not in uids and uid not in gids:
            return uid
    raise Refused(f"can't get next uid for {last + 1}")


def _primary_group(command: Command, uid: int) -> int:
    wanted = command.options.last("g", "=uid") or ""
    if wanted == "=uid":
        if command.accounts.group(uid):
            raise Refused(f"gid {uid} is already in use")
        return uid
    group = command.find_group(wanted)
    if group is None:
        raise Refused(f"group {wanted} not found")
    return group.gid


def _locked(command: Command, user: User) -> User:
    already = user.shell.endswith(_LOCKED) and user.password.startswith("*")
    if already:
        command.warn(f"account `{user.name}' is already locked")
    shell = user.shell if user.shell.endswith(_LOCKED) else user.shell + _LOCKED
    password = user.password if user.password.startswith("*") else "*" + user.password
    return replace(user, shell=shell, password=password)


def _unlocked(command: Command, user: User) -> User:
    password, open_before = user.password, 0
    if password in _NO_PASSWORD:
        command.warn(f"account `{user.name}' has no password: cannot fully unlock")
    elif password.startswith("*"):
        password = password[1:]
    else:
        open_before += 1
    if not user.shell.endswith(_LOCKED):
        open_before += 1
    if open_before > 1:
        command.warn(f"account `{user.name}' is not locked")
    return replace(user, password=password, shell=user.shell.removesuffix(_LOCKED))


def _replaced(command: Command, user: User) -> User:
    """The account with the plain values of usermod's options."""
    options = command.options
    login_class = options.last("L", user.login_class) or ""
    if not command.accounts.login_class(login_class):
        raise Refused(f"No such login class `{login_class}'")
    home = user.home
    if options.has("m") and options.has("l"):
        home = f"/home/{user.name}"
    return replace(
        user,
        gecos=options.last("c", user.gecos) or "",
        home=options.last("d", home) or "",
        shell=options.last("s", user.shell) or "",
        login_class=login_class,
    )


def _set_groups(command: Command, user: User) -> None:
    """-G adds to the groups that the account is in, -S replaces them; -S "" leaves none."""
    replacing, adding = command.options.last("S"), command.options.last("G")
    if replacing is None and adding is None:
        return
    names = [one for one in (replacing or adding or "").split(",") if one]
    if replacing is not None:
        for name in names:
            if command.accounts.group(name) is None:
                raise Refused(f"aborting, group `{name}' does not exist")
        command.accounts.leave_groups(user.name)
    command.append_to_groups(user.name, names, user.gid)


def _make_home(command: Command, home: str, owner: tuple[int, int]) -> None:
    """Makes the directory and copies /etc/skel, with modes and times as cp(1) -a, for its owner."""
    files = command.machine.files
    if os.path.lexists(files.resolve(home, follow=False)):
        raise Refused(f"home directory `{home}' already exists")
    above = str(PurePosixPath(home).parent)
    if not files.exists(above):
        files.mkdir(above, parents=True)
    skeleton = command.options.last("k", "/etc/skel") or ""
    files.mkdir(home, files.mode(skeleton) if files.is_dir(skeleton) else 0o755, owner)
    todo = [""] if files.is_dir(skeleton) else []
    while todo:
        place = todo.pop()
        for name in files.listdir(f"{skeleton}{place}"):
            source, target = f"{skeleton}{place}/{name}", f"{home}{place}/{name}"
            if stat.S_ISDIR(files.lstat(source).st_mode):
                files.mkdir(target, files.mode(source) | stat.S_IWUSR, owner)
                todo.append(f"{place}/{name}")
            else:
                mode = files.mode(source) | stat.S_IWUSR
                files.write_bytes(target, files.read_bytes(source), mode, owner)
                times = files.lstat(source)
                os.utime(files.resolve(target), ns=(times.st_atime_ns, times.st_mtime_ns))


def _remove_home(command: Command, user: User) -> None:
    files = command.machine.files
    if user.uid == 0:
        command.warn(f"Not deleting home directory `{user.home}'; userid is 0")
    elif not files.exists(user.home):
        command.warn(f"Home directory `{user.home}' doesn't exist")
    elif not files.is_dir(user.home):
        command.warn(f"Home directory `{user.home}' is not a directory")
    elif files.owner(user.home)[0] != user.uid:
        command.warn(f"User `{user.name}' doesn't own directory `{user.home}', not removed")
    else:
        files.remove(user.home)


COMMANDS: dict[str, Handler] = {
    "/usr/sbin/useradd": useradd,
    "/usr/sbin/usermod": usermod,
    "/usr/sbin/userdel": userdel,
}
