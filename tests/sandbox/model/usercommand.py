# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What the programs of user(8) and group(8) have in common."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

from sandbox.call import Call, Result
from sandbox.model.accounts import LOCK, Accounts, Group, User
from sandbox.options import OptionError, Options, getopt

if TYPE_CHECKING:
    from sandbox.machine import Machine

FIRST_ID, LAST_ID = 1000, 60000
_NAME_LENGTH = 31
_LOCK_SECONDS = 10


class Refused(Exception):
    """The program ends with status 1; the text goes after its name, if there is any."""


class Command:
    """One run of a program: its options, what it says, and the accounts it works on."""

    def __init__(self, machine: Machine, call: Call, options: Options, usage: str) -> None:
        self.name = call.argv[0]
        self.machine = machine
        self.call = call
        self.options = options
        self.accounts: Accounts = machine.accounts
        self.said = ""
        self._usage = usage

    def warn(self, text: str) -> None:
        self.said += f"{self.name}: {text}\n"

    def usage(self) -> NoReturn:
        self.said += self._usage
        raise Refused("")

    def operand(self) -> str:
        """The one operand that there must be."""
        if len(self.options.operands) != 1:
            self.usage()
        return self.options.operands[0]

    def need_root(self) -> None:
        if self.call.uid != 0:
            raise Refused("Program must be run as root")

    def need_lock(self) -> None:
        """Waits for the lock, which a crashed editor leaves behind (facts 11)."""
        waited = 0
        while self.machine.files.exists(LOCK):
            if waited == _LOCK_SECONDS or not self.call.sleep(1):
                raise Refused("can't obtain pw_lock: File exists")
            waited += 1

    def number(self, letter: str, what: str) -> int | None:
        """The option's number, None without the option."""
        text = self.options.last(letter)
        if text is not None and not text.isdigit():
            raise Refused(f"When using [-{letter} {what}], the {what} must be numeric")
        return None if text is None else int(text)

    def find_user(self, key: str) -> User | None:
        """By name, else by number."""
        found = self.accounts.user(key)
        return found or (self.accounts.user(int(key)) if key.isdigit() else None)

    def find_group(self, key: str) -> Group | None:
        """By name, else by number."""
        found = self.accounts.group(key)
        return found or (self.accounts.group(int(key)) if key.isdigit() else None)

    def create_group(self, name: str, gid: int) -> bool:
        """Adds a group at the end; False, with a word about it, if its name is taken."""
        groups = self.accounts.groups()
        if any(one.name == name for one in groups):
            self.warn(f"group `{name}' already exists")
            return False
        self.accounts.write_groups([*groups, Group(name, "*", gid, ())])
        return True

    def append_to_groups(self, user: str, names: Sequence[str], own: int | None) -> None:
        """Adds the account to groups; an unknown one is only warned of, and ``own`` left out."""
        groups = {one.name: one for one in self.accounts.groups()}
        for name in names:
            group = groups.get(name)
            if group is None:
                self.warn(f"can't append group `{name}' for user `{user}'")
            elif user not in group.members and group.gid != own:
                groups[name] = replace(group, members=(*group.members, user))
        self.accounts.write_groups(list(groups.values()))

    def log(self, text: str) -> None:
        self.machine.log(self.name, text, self.machine.pid(), "messages")


def run(
    machine: Machine,
    call: Call,
    letters: str,
    usage: str,
    action: Callable[[Command], tuple[int, str]],
) -> Result:
    """Takes the options and runs the action, which gives exit status and standard output."""
    try:
        options = getopt(call.argv[1:], letters)
    except OptionError as error:
        return Result(1, "", f"{call.argv[0]}: {error}\n{usage}")
    command = Command(machine, call, options, usage)
    try:
        rc, stdout = action(command)
    except Refused as refusal:
        if str(refusal):
            command.warn(str(refusal))
        return Result(1, "", command.said)
    return Result(rc, stdout, command.said)


def valid_login(name: str) -> bool:
    """Letters, digits, dot, underscore, hyphen (not first), and one dollar sign at the end."""
    return bool(re.fullmatch(r"(?!-)[A-Za-z0-9._-]*\$?", name)) and len(name) <= _NAME_LENGTH


def valid_group(name: str) -> bool:
    return bool(re.fullmatch(r"[A-Za-z0-9._-]*", name)) and len(name) <= _NAME_LENGTH
