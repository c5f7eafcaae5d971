# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""cu(1) on the console of a guest: it shows what comes from now on, until the guest has ended."""

from __future__ import annotations

import getopt
from typing import TYPE_CHECKING

from sandbox.call import Result
from sandbox.model import access

if TYPE_CHECKING:
    from sandbox.call import Call, Handler
    from sandbox.machine import Machine

_USAGE = "usage: cu [-dr] [-E escape_char] [-l line] [-s speed | -speed]\n       cu [host]\n"
_PAUSE = 0.1


def cu(machine: Machine, call: Call) -> Result:
    try:
        options, hosts = getopt.getopt(list(call.argv[1:]), "drE:l:s:")
    except getopt.GetoptError as error:
        return Result(1, stderr=f"cu: unknown option -- {error.opt}\n{_USAGE}")
    given = dict(options)
    if hosts or "-l" not in given:
        return Result(1, stderr=_USAGE)
    line = call.absolute(given["-l"]) if "/" in given["-l"] else f"/dev/{given['-l']}"
    try:
        access.check(machine, call.uid, line, access.READ | access.WRITE)
    except OSError as error:
        return Result(1, stderr=f'cu: open("{line}"): {error.strerror}\n')
    call.write(f"Connected to {line} (speed {given.get('-s', '9600')})\r\n")
    vm = next((one for one in machine.vmd.vms if one.tty == line), None)
    lines = machine.guests.console(vm.name) if vm else []
    shown = len(lines)
    while vm is not None and vm.tty == line:
        call.write("".join(f"{text}\r\n" for text in lines[shown:]))
        shown = len(lines)
        if not call.sleep(_PAUSE):
            return Result(0)
    call.write("".join(f"{text}\r\n" for text in lines[shown:]))
    return Result(0, "\r\n[EOT]\n")


COMMANDS: dict[str, Handler] = {"/usr/bin/cu": cu}
