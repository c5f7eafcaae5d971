# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""nc(1), as far as it looks whether a guest's port 22 is open."""

from __future__ import annotations

import getopt
from typing import TYPE_CHECKING

from sandbox.call import Result

if TYPE_CHECKING:
    from sandbox.call import Call, Handler
    from sandbox.machine import Machine

_USAGE = "usage: nc [-46CDdFhklNnrStUuvZz] [-w timeout] [destination] [port]\n"
_SSH = "22"


def nc(machine: Machine, call: Call) -> Result:
    """Only -z is modelled: nothing here speaks a protocol."""
    try:
        options, operands = getopt.getopt(list(call.argv[1:]), "46Cdnvw:z")
    except getopt.GetoptError as error:
        return Result(1, stderr=f"nc: unknown option -- {error.opt}\n{_USAGE}")
    given = dict(options)
    if len(operands) != 2 or "-z" not in given:
        return Result(1, stderr=_USAGE)
    address, port = operands
    if port == _SSH and machine.guests.answers(address):
        said = f"Connection to {address} {port} port [tcp/ssh] succeeded!\n"
        return Result(0, stderr=said if "-v" in given else "")
    call.sleep(min(float(given.get("-w", 1)), 1))
    return Result(1)


COMMANDS: dict[str, Handler] = {"/usr/bin/nc": nc}
