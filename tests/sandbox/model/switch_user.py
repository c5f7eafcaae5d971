# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""doas(1) and su(1): the command really runs, as the other account."""

from __future__ import annotations

import os
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from sandbox.call import Call, Exec, Handler, Reply, Result
from sandbox.model import doas_conf
from sandbox.model.accounts import User
from sandbox.model.doas_conf import Caller, Rule
from sandbox.options import OptionError, Options, getopt
from sandbox.places import program

if TYPE_CHECKING:
    from sandbox.machine import Machine

_DOAS_USAGE = "usage: doas [-Lns] [-a style] [-C config] [-u user] command [arg ...]\n"
_SU_USAGE = "usage: su [-fKLlm] [-a auth-type] [-c login-class] [-s login-shell]\n" + (
    "\t  [login [shell arguments]]\n"
)
_SAFE_PATH = "/bin:/sbin:/usr/bin:/usr/sbin:/usr/local/bin:/usr/local/sbin"
_CONFIG = "/etc/doas.conf"
_WRITABLE_BY_OTHERS = 0o022


def doas(machine: Machine, call: Call) -> Reply:
    """doas(1). A rule without nopass asks for a password, which needs a terminal: refused."""
    try:
        options = getopt(call.argv[1:], "a:C:Lnsu:")
    except OptionError as error:
        return Result(1, "", f"doas: {error}\n{_DOAS_USAGE}")
    if options.has("L"):
        return Result()
    target = _account(machine, options.last("u") or "root")
    if target is None:
        return Result(1, "", "doas: unknown user\n")
    me = machine.accounts.user(call.uid)
    if me is None:
        return Result(1, "", "doas: no passwd entry for self\n")
    argv = options.operands
    shell, config = options.has("s"), options.last("C")
    if (config is not None and shell) or (config is None and shell == bool(argv)):
        return Result(1, "", _DOAS_USAGE)
    if shell:
        argv = (call.environment.get("SHELL") or me.shell,)
    try:
        rules = _rules(machine, config)
    except doas_conf.SyntaxErrors as error:
        return Result(1, "", str(error))
    except _Unusable as error:
        return Result(1, "", f"doas: {error}\n")
    groups = machine.accounts.groups_of(me)
    names = {one.name for one in machine.accounts.groups() if one.gid in groups}
    caller = Caller(me.uid, me.name, frozenset(names | {str(one) for one in groups}))
    if config is not None and not argv:
        return Result()
    rule = doas_conf.decide(rules, caller, frozenset({target.name, str(target.uid)}), argv)
    if config is not None:
        if rule is None or not rule.permit:
            return Result(1, "deny\n")
        return Result(0, "permit nopass\n" if "nopass" in rule.options else "permit\n")
    if rule is None or not rule.permit:
        return Result(1, "", "doas: Operation not permitted\n")
    if "nopass" not in rule.options:
        wanted = "Authentication required" if options.has("n") else "a tty is required"
        return Result(1, "", f"doas: {wanted}\n")
    return _become(machine, call, rule, me, target, argv)


def su(machine: Machine, call: Call) -> Reply:
    """su(1). Only root may switch: there is no password to be had."""
    try:
        options = getopt(_dash_as_l(call.argv[1:]), "a:c:fKLlms:")
    except OptionError as error:
        return Result(1, "", f"su: {error}\n{_SU_USAGE}")
    for letter, what in (("c", "class"), ("s", "shell")):
        if call.uid != 0 and options.has(letter):
            return Result(1, "", f"su: only the superuser may specify a login {what}\n")
    name, *arguments = options.operands or ("root",)
    user = machine.accounts.user(name)
    if user is None:
        return Result(1, "", f"su: unknown login {name}\n")
    if not machine.accounts.login_class(options.last("c") or user.login_class):
        wanted = options.last("c") or user.login_class
        return Result(1, "", f"su: no such login class: {wanted}\n")
    if call.uid != 0:
        return Result(1, "", "Sorry\n")
    return _shell_of(machine, call, options, user, arguments)


class _Unusable(ValueError):
    """Why doas.conf(5) is not even read."""


def _dash_as_l(arguments: tuple[str, ...]) -> tuple[str, ...]:
    """A lone hyphen among the options is the same as -l."""
    words = list(arguments)
    for place, word in enumerate(words):
        if word == "-":
            words[place] = "-l"
        elif not word.startswith("-"):
            break
    return tuple(words)


def _account(machine: Machine, key: str) -> User | None:
    found = machine.accounts.user(key)
    return found or (machine.accounts.user(int(key)) if key.isdigit() else None)


def _rules(machine: Machine, config: str | None) -> list[Rule]:
    path = config or _CONFIG
    try:
        text = machine.files.read_text(path)
    except OSError as error:
        why = "could not open config file" if config else "doas is not enabled,"
        raise _Unusable(f"{why} {path}: {error.strerror}") from error
    if config is None:
        if machine.files.mode(path) & _WRITABLE_BY_OTHERS:
            raise _Unusable(f"{path} is writable by group or other")
        if machine.files.owned and machine.files.owner(path)[0] != 0:
            raise _Unusable(f"{path} is not owned by root")
    return doas_conf.parse(text)


def _become(
    machine: Machine, call: Call, rule: Rule, me: User, target: User, argv: tuple[str, ...]
) -> Reply:
    former = call.environment.get("PATH", "")
    search = _SAFE_PATH if rule.command is not None else former
    found = program(machine.files, argv[0], search, call.cwd)
    if found is None:
        return Result(1, "", f"doas: {argv[0]}: command not found\n")
    if "nolog" not in rule.options:
        text = f"{me.name} ran command {' '.join(argv)} as {target.name} from {call.cwd}"
        machine.log("doas", text, machine.pid(), "secure")
    environment = {
        "DOAS_USER": me.name,
        "HOME": target.home,
        "LOGNAME": target.name,
        "PATH": search,
        "SHELL": target.shell,
        "USER": target.name,
    }
    for name in ("DISPLAY", "TERM"):
        if name in call.environment:
            environment[name] = call.environment[name]
    if "keepenv" in rule.options:
        environment = {**call.environment, **environment}
    for word in rule.setenv:
        name, equals, value = word.partition("=")
        environment.pop(name.lstrip("-"), None)
        if name.startswith("-"):
            continue
        given: str | None = value
        if not equals or value.startswith("$"):
            source = value[1:] if equals else name
            given = former if source == "PATH" else call.environment.get(source)
        if given is not None:
            environment[name] = given
    return Exec((found, *argv[1:]), target.name, environment, argv0=argv[0])


def _shell_of(
    machine: Machine, call: Call, options: Options, user: User, arguments: list[str]
) -> Reply:
    login, same = options.has("l"), options.has("m")
    me = machine.accounts.user(call.uid)
    shell = options.last("s") or (me.shell if same and me else user.shell) or "/bin/sh"
    environment, cwd = dict(call.environment), call.cwd
    said = ""
    if not same:
        if login:
            kept = {key: environment[key] for key in ("TERM",) if key in environment}
            environment = kept | {"PATH": environment.get("PATH", "")}
            cwd = user.home if machine.files.is_dir(user.home) else "/"
            if cwd != user.home:
                said = f'No home directory {user.home}!\nLogging in with home = "/".\n'
        if login or user.uid:
            environment |= {"LOGNAME": user.name, "USER": user.name}
        environment |= {"HOME": cwd if said else user.home, "SHELL": shell}
    name = PurePosixPath(shell).name
    argv0 = f"-{name}" if login and not options.has("f") else name
    if (
        not os.access(machine.files.resolve(shell), os.F_OK)
        and program(machine.files, shell, "", "/") is None
    ):
        return Result(1, said, f"su: {shell}: No such file or directory\n")
    if said:
        call.write(said)
    return Exec((shell, *arguments), user.name, environment, argv0, cwd)


COMMANDS: dict[str, Handler] = {"/usr/bin/doas": doas, "/usr/bin/su": su}
