# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""user(8) and group(8) as far as owners come and go, id(1), getent(1), doas(1) and su(1)."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from sandbox.target.call import Call, Exec, Handler, NotModelled, Reply, Result
from sandbox.target.options import Options, getopt

from .accounts import LOCK, Accounts, Group, User

if TYPE_CHECKING:
    from sandbox.model.machine import Machine

_FIRST_ID, _NOBODY, _NAME_MAX, _LOCK_SECONDS = 1000, 32767, 31, 10
_USER = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9_.-]*")
_NO_PASSWORD = ("*", "*************")
_SKELETON = "/etc/skel"


class Refused(Exception):
    """The program ends with status 1; the text goes after its name."""


class _Run:
    """One run of a program of user(8) or group(8): its options, and what it says."""

    def __init__(self, machine: Machine, call: Call, letters: str) -> None:
        self.name, self.machine, self.call = call.argv[0], machine, call
        self.known: Accounts = machine.accounts
        self.options: Options = getopt(call.argv[1:], letters)
        self.said = ""
        if len(self.options.operands) != 1:
            raise NotModelled(" ".join(call.argv[1:]))
        self.operand = self.options.operands[0]

    def option(self, letter: str, default: str = "") -> str:
        return self.options.last(letter, default) or ""

    def warn(self, text: str) -> None:
        self.said += f"{self.name}: {text}\n"

    def need_lock(self) -> None:
        """Waits for the lock, which a crashed editor leaves behind (facts 11)."""
        for _second in range(_LOCK_SECONDS):
            if not self.machine.files.exists(LOCK) or not self.call.sleep(1):
                return
        raise Refused("can't obtain pw_lock: File exists")

    def create_group(self, name: str, gid: int) -> bool:
        groups = self.known.groups()
        if any(known.name == name for known in groups):
            self.warn(f"group `{name}' already exists")
            return False
        self.known.write_groups([*groups, Group(name, "*", gid, ())])
        return True

    def join(self, user: str, names: list[str], own: int | None = None) -> None:
        """Adds the account to groups; an unknown one is only warned of, and ``own`` left out."""
        groups = {known.name: known for known in self.known.groups()}
        for name in names:
            group = groups.get(name)
            if group is None:
                self.warn(f"can't append group `{name}' for user `{user}'")
            elif user not in group.members and group.gid != own:
                groups[name] = replace(group, members=(*group.members, user))
        self.known.write_groups(list(groups.values()))


def _program(letters: str, action: Callable[[_Run], None]) -> Handler:
    def handler(machine: Machine, call: Call) -> Result:
        run = _Run(machine, call, letters)
        try:
            if call.uid != 0:
                raise Refused("Program must be run as root")
            action(run)
        except Refused as refused:
            run.warn(str(refused))
            return Result(1, "", run.said)
        return Result(0, "", run.said)

    return handler


def _useradd(run: _Run) -> None:
    name, known = run.operand, run.known
    if not _USER.fullmatch(name) or len(name) > _NAME_MAX:
        raise Refused(f"`{name}' is not a valid login name")
    run.need_lock()
    if run.option("g", "=uid") != "=uid":
        raise NotModelled(f"-g {run.option('g')}")
    uids = {
        _NOBODY,
        *(user.uid for user in known.users()),
        *(group.gid for group in known.groups()),
    }
    uid = int(run.option("u") or next(n for n in range(_FIRST_ID, 60000) if n not in uids))
    if uid in uids:
        raise Refused(f"uid {uid} is already in use")
    if known.user(name):
        raise Refused(f"already a `{name}' user")
    home = f"/home/{name}"
    if not run.options.has("m"):
        raise NotModelled("no -m")
    _make_home(run, home, (uid, uid))
    if known.group(name) is None:
        run.create_group(name, uid)
    if run.option("G"):
        run.join(name, run.option("G").split(","))
    password, comment, shell = run.option("p", "*"), run.option("c"), run.option("s", "/bin/ksh")
    known.write_users(
        [*known.users(), User(name, password, uid, uid, "", 0, 0, comment, home, shell)]
    )
    text = f"new user added: name={name}, uid={uid}, gid={uid}, home={home}, shell={shell}"
    run.machine.log(run.name, text, run.machine.pid(), "authlog")


def _make_home(run: _Run, home: str, owner: tuple[int, int]) -> None:
    """Makes the directory and copies /etc/skel, with modes, for the new owner."""
    files = run.machine.files
    if os.path.lexists(files.resolve(home, follow=False)):
        raise Refused(f"home directory `{home}' already exists")
    files.mkdir(home, files.mode(_SKELETON), owner)
    todo = [""]
    while todo:
        place = todo.pop()
        for name in files.listdir(f"{_SKELETON}{place}"):
            source, target = f"{_SKELETON}{place}/{name}", f"{home}{place}/{name}"
            mode = files.mode(source) | stat.S_IWUSR
            if files.is_dir(source):
                files.mkdir(target, mode, owner)
                todo.append(f"{place}/{name}")
            else:
                files.write_bytes(target, files.read_bytes(source), mode, owner)


def _usermod(run: _Run) -> None:
    name, known, options = run.operand, run.known, run.options
    old = known.user(name)
    if old is None:
        raise Refused(f"No such user `{name}'")
    run.need_lock()
    if (login := known.group(run.option("g") or old.gid)) is None:
        raise Refused(f"group {run.option('g')} not found")
    new = replace(
        old, password=run.option("p", old.password), gecos=run.option("c", old.gecos),
        shell=run.option("s", old.shell), gid=login.gid,
    )  # fmt: skip
    if options.has("Z"):
        password = new.password if new.password.startswith("*") else "*" + new.password
        new = replace(new, shell=new.shell.removesuffix("-") + "-", password=password)
    if options.has("U"):
        password = new.password
        if password in _NO_PASSWORD:
            run.warn(f"account `{name}' has no password: cannot fully unlock")
        else:
            password = password.removeprefix("*")
        new = replace(new, password=password, shell=new.shell.removesuffix("-"))
    if options.has("S"):
        known.leave_groups(name)
    if options.has("S") or options.has("G"):
        names = [entry for entry in (run.option("S") or run.option("G")).split(",") if entry]
        run.join(name, names, new.gid)
    known.write_users([new if entry.name == name else entry for entry in known.users()])


def _userdel(run: _Run) -> None:
    user = run.known.user(run.operand)
    if user is None:
        raise Refused(f"No such user `{run.operand}'")
    files = run.machine.files
    if run.options.has("r") and files.exists(user.home):
        if files.owner(user.home)[0] == user.uid or not files.owned:
            files.remove(user.home)
        else:
            run.warn(f"User `{user.name}' doesn't own directory `{user.home}', not removed")
    run.known.leave_groups(user.name)
    run.need_lock()
    run.known.write_users([account for account in run.known.users() if account.name != user.name])


def _groupadd(run: _Run) -> None:
    gids = {number.gid for number in run.known.groups()}
    gid = next(number for number in range(_FIRST_ID, 60000) if number not in gids)
    if not run.create_group(run.operand, gid):
        raise Refused("can't add group: problems with /etc/group file")


def _groupdel(run: _Run) -> None:
    groups = run.known.groups()
    if all(group.name != run.operand for group in groups):
        raise Refused(f"No such group: `{run.operand}'")
    run.known.write_groups([group for group in groups if group.name != run.operand])


def id_(machine: Machine, call: Call) -> Result:
    options = getopt(call.argv[1:], "Gnu")
    key = options.operands[0] if options.operands else call.uid
    user = machine.accounts.user(key)
    if user is None:
        return Result(1, "", f"id: {key}: No such user\n")
    if options.has("u"):
        return Result(stdout=f"{user.name if options.has('n') else user.uid}\n")
    names = {entry.gid: entry.name for entry in machine.accounts.groups()}
    gids = machine.accounts.groups_of(user)
    if options.has("G"):
        words = [names.get(entry, str(entry)) if options.has("n") else str(entry) for entry in gids]
        return Result(stdout=" ".join(words) + "\n")
    shown = [f"{entry}({names[entry]})" if entry in names else str(entry) for entry in gids]
    return Result(stdout=f"uid={user.uid}({user.name}) gid={shown[0]} groups={', '.join(shown)}\n")


def getent(machine: Machine, call: Call) -> Result:
    """2 for a key that is not there."""
    _, database, key = call.argv
    user, group = machine.accounts.user(key), machine.accounts.group(key)
    if database == "passwd":
        return Result(0, user.line("*" if user.password else "")) if user else Result(2)
    if database != "group":
        raise NotModelled(database)
    if group is None:
        return Result(2)
    return Result(0, group.line() if group.members else group.line().rstrip(":\n") + "\n")


def rules(machine: Machine) -> list[re.Match[str]]:
    """/etc/doas.conf, in the forms that are written here: permit, an option, and who."""
    lines = machine.files.read_text("/etc/doas.conf").splitlines()
    return [_rule(line) for line in lines if line.strip()]


def _rule(line: str) -> re.Match[str]:
    match = re.fullmatch(r"permit ((?:nopass |persist |keepenv )*)(:?[a-z][a-z0-9_-]*)", line)
    if match is None:
        raise NotModelled(f"doas.conf: {line}")
    return match


def may_become_root(machine: Machine, user: User) -> bool | None:
    """Whether doas(1) lets the account; None where it would ask for a password first."""
    names = {group.name for group in machine.accounts.groups()
             if group.gid in machine.accounts.groups_of(user)}  # fmt: skip
    answer: bool | None = False
    for rule in rules(machine) if machine.files.exists("/etc/doas.conf") else []:
        if rule[2] == user.name or rule[2].removeprefix(":") in names and rule[2][0] == ":":
            answer = True if "nopass" in rule[1] else None
    return answer


def doas(machine: Machine, call: Call) -> Reply:
    """A rule without nopass asks for a password, which needs a terminal: refused."""
    options = getopt(call.argv[1:], "C:nu:")
    if options.last("u", "root") != "root":
        raise NotModelled(" ".join(call.argv[1:]))
    if options.has("C"):
        for line in machine.files.read_text(options.last("C") or "").splitlines():
            _rule(line)
        return Result()
    if not machine.files.exists("/etc/doas.conf"):
        text = "doas is not enabled, /etc/doas.conf: No such file or directory"
        return Result(1, "", f"doas: {text}\n")
    user = machine.accounts.user(call.uid)
    assert user is not None
    allowed = may_become_root(machine, user)
    if allowed is None:
        complaint = "Authentication required" if options.has("n") else "a tty is required"
        return Result(1, "", f"doas: {complaint}\n")
    if not allowed:
        return Result(1, "", "doas: Operation not permitted\n")
    program = options.operands[0]
    search = call.environment.get("PATH", "").split(":")
    paths = [program] if "/" in program else [f"{path}/{program}" for path in search]
    executable = next((path for path in paths if machine.files.exists(path)), "")
    if not executable:
        return Result(1, "", f"doas: {program}: command not found\n")
    environment = {
        "DOAS_USER": user.name, "HOME": "/root", "LOGNAME": "root", "SHELL": "/bin/ksh",
        "USER": "root", "PATH": call.environment.get("PATH", ""),
    }  # fmt: skip
    return Exec((executable, *options.operands[1:]), "root", environment, argv0=program)


def su(machine: Machine, call: Call) -> Reply:
    """Root alone, to an account, with -s or with the account's shell, and -c."""
    name, *rest = call.argv[1:]
    user = machine.accounts.user(name)
    if user is None or call.uid != 0:
        return Result(1, "", f"su: unknown login {name}\n" if user is None else "Sorry\n")
    environment = {**call.environment, "LOGNAME": name, "USER": name, "HOME": user.home}
    return Exec((user.shell, *rest), name, environment, cwd=call.cwd)


COMMANDS: dict[str, Handler] = {
    "/usr/sbin/useradd": _program("mG:c:g:p:s:u:", _useradd),
    "/usr/sbin/usermod": _program("G:S:UZc:g:p:s:", _usermod),
    "/usr/sbin/userdel": _program("r", _userdel),
    "/usr/sbin/groupadd": _program("", _groupadd),
    "/usr/sbin/groupdel": _program("", _groupdel),
    "/usr/bin/id": id_,
    "/usr/bin/getent": getent,
    "/usr/bin/doas": doas,
    "/usr/bin/su": su,
}
