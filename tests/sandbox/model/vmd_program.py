# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The program vmd(8): a check of the configuration with -n, else the daemon."""

from __future__ import annotations

import errno
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sandbox.call import Call, Result
from sandbox.model import vm_conf_parser
from sandbox.model.vm_conf import Session
from sandbox.model.vm_world import FileWorld
from sandbox.options import OptionError, getopt

if TYPE_CHECKING:
    from sandbox.machine import Machine

CONFIGURATION = "/etc/vm.conf"
_USAGE = "usage: vmd [-dnv] [-D macro=value] [-f file]\n"
_LETTERS = "D:P:V:X:df:i:j:nt:vp:"


@dataclass(frozen=True)
class CommandLine:
    """`path` is None without -f; `messages` are about macros that are none."""

    path: str | None
    check: bool
    macros: dict[str, str] = field(default_factory=dict)
    messages: str = ""


def command_line(words: tuple[str, ...]) -> CommandLine:
    """Raises OptionError with what the program writes."""
    try:
        options = getopt(words, _LETTERS)
    except OptionError as error:
        raise OptionError(f"vmd: {error}\n{_USAGE}") from None
    if options.operands:
        raise OptionError(_USAGE)
    macros: dict[str, str] = {}
    messages = ""
    for definition in [value for letter, value in options.given if letter == "D"]:
        name, equals, value = definition.rpartition("=")
        if equals:
            macros[name] = value
        else:
            messages += f"vmd: could not parse macro definition {definition}\n"
    return CommandLine(options.last("f"), options.has("n"), macros, messages)


def run(machine: Machine, call: Call) -> Result:
    try:
        line = command_line(call.argv[1:])
    except OptionError as error:
        return Result(1, stderr=str(error))
    if line.check:
        return check(line, FileWorld(machine, call.uid, call.cwd))
    if call.uid != 0:
        return Result(1, stderr="vmd: need root privileges\n")
    if machine.vmd.alive:
        return Result(1)
    machine.vmd.launch(call.argv[1:])
    return Result(0)


def check(line: CommandLine, world: FileWorld) -> Result:
    """A file that is not there passes, with a warning if it was asked for."""
    messages, content = line.messages, ""
    name = line.path or CONFIGURATION
    try:
        content = world.read(name)
    except OSError as error:
        missing = error.errno == errno.ENOENT
        if line.path is not None or not missing:
            messages += f"vmd: failed to open {name}: {error.strerror}\n"
        if not missing:
            return Result(1, stderr=messages)
    result = vm_conf_parser.parse(name, content, world, Session(macros=line.macros))
    messages += "".join(f"vmd: {text}\n" for text in result.log)
    messages += "".join(f"warning: {text}\n" for text in result.warnings)
    if not result.ok:
        return Result(1, stderr=messages)
    return Result(0, stderr=f"{messages}configuration OK\n")
