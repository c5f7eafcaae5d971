# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Accounts and groups of the server, as its files say: passwd(5), master.passwd(5), group(5)."""

from __future__ import annotations

import errno
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sandbox.model.errors import failure

if TYPE_CHECKING:
    from sandbox.model.machine import Machine

MASTER, PASSWD, GROUP = "/etc/master.passwd", "/etc/passwd", "/etc/group"
LOCK = "/etc/ptmp"
READ, WRITE = 4, 2


@dataclass(frozen=True)
class User:
    """A line of master.passwd(5); ``change`` and ``expire`` are seconds since 1970, 0 for never."""

    name: str
    password: str
    uid: int
    gid: int
    login_class: str
    change: int
    expire: int
    gecos: str
    home: str
    shell: str

    def master_line(self) -> str:
        ids = f"{self.name}:{self.password}:{self.uid}:{self.gid}:{self.login_class}"
        return f"{ids}:{self.change}:{self.expire}:{self.gecos}:{self.home}:{self.shell}\n"

    def line(self, password: str = "*") -> str:
        ids = f"{self.name}:{password}:{self.uid}:{self.gid}"
        return f"{ids}:{self.gecos}:{self.home}:{self.shell}\n"


@dataclass(frozen=True)
class Group:
    """A line of group(5)."""

    name: str
    password: str
    gid: int
    members: tuple[str, ...]

    def line(self) -> str:
        return f"{self.name}:{self.password}:{self.gid}:{','.join(self.members)}\n"


class Accounts:
    """Looks accounts up and writes them; each look-up reads the files again."""

    def __init__(self, machine: Machine) -> None:
        self._files = machine.files

    def users(self) -> list[User]:
        """All accounts in the order of master.passwd; a malformed line is left out."""
        users = []
        for line in self._files.read_text(MASTER).splitlines():
            parts = line.split(":")
            numbers = [parts[place] for place in (2, 3, 5, 6)] if len(parts) == 10 else ["x"]
            if all(number.isdigit() for number in numbers):
                uid, gid, change, expire = (int(number) for number in numbers)
                name, password, _, _, login_class, _, _, gecos, home, shell = parts
                users.append(
                    User(name, password, uid, gid, login_class, change, expire, gecos, home, shell)
                )
        return users

    def groups(self) -> list[Group]:
        """All groups in the order of group(5); a malformed line is left out."""
        groups = []
        for line in self._files.read_text(GROUP).splitlines():
            parts = line.split(":")
            if len(parts) == 4 and parts[2].isdigit():
                members = tuple(member for member in parts[3].split(",") if member)
                groups.append(Group(parts[0], parts[1], int(parts[2]), members))
        return groups

    def user(self, key: str | int) -> User | None:
        """The account of that name or number."""
        return next((user for user in self.users() if key in (user.name, user.uid)), None)

    def group(self, key: str | int) -> Group | None:
        """The group of that name or number."""
        return next((group for group in self.groups() if key in (group.name, group.gid)), None)

    def groups_of(self, user: User) -> list[int]:
        """Numbers of the account's groups as getgrouplist(3) has them, its own first."""
        others = [group.gid for group in self.groups() if user.name in group.members]
        return list(dict.fromkeys([user.gid, *others]))

    def write_users(self, users: list[User]) -> None:
        """Replaces master.passwd and passwd as pwd_mkdb(8) does it, by rename."""
        self._replace(MASTER, "".join(user.master_line() for user in users), 0o600)
        self._replace(PASSWD, "".join(user.line() for user in users), 0o644)

    def write_groups(self, groups: list[Group]) -> None:
        """Replaces group(5)."""
        self._replace(GROUP, "".join(group.line() for group in groups), 0o644)

    def leave_groups(self, name: str) -> None:
        """Takes an account out of every group's list."""
        self.write_groups(
            [
                replace(group, members=tuple(member for member in group.members if member != name))
                for group in self.groups()
            ]
        )

    def _replace(self, path: str, text: str, mode: int) -> None:
        self._files.write_text(f"{path}.new", text, mode, (0, 0))
        self._files.rename(f"{path}.new", path)


# May a user do that to a file? The machine's process may do all, so the models have to ask.


def groups(machine: Machine, uid: int) -> list[int]:
    user = machine.accounts.user(uid)
    return machine.accounts.groups_of(user) if user else []


def check(machine: Machine, uid: int, path: str, bits: int) -> None:
    """OSError if the file is not there, or the user may not; directories are not looked at."""
    status = machine.files.stat(path)
    require(machine, uid, status.st_mode, (status.st_uid, status.st_gid), bits)


def require(machine: Machine, uid: int, mode: int, owner: tuple[int, int], needed: int) -> None:
    """The first class that fits decides: owner, group, others. Root may read and write all."""
    if uid == 0:
        return
    if uid == owner[0]:
        bits = mode >> 6
    elif owner[1] in groups(machine, uid):
        bits = mode >> 3
    else:
        bits = mode
    if bits & needed != needed:
        raise failure(errno.EACCES)
