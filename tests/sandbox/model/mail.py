# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""mail(1), as far as it sends: a mail is appended to /var/mail of whoever it is for."""

from __future__ import annotations

import getopt
from typing import TYPE_CHECKING

from sandbox.call import Result

if TYPE_CHECKING:
    from sandbox.call import Call, Handler
    from sandbox.machine import Machine

_USAGE = (
    "usage: mail [-dEIinv] [-b list] [-c list] [-r from-addr] [-s subject] to-addr ...\n"
    "       mail [-dEIiNnv] -f [file]\n"
    "       mail [-dEIiNnv] [-u user]\n"
)


def mail(machine: Machine, call: Call) -> Result:
    """Reading mail is not modelled, and neither is a mail server that refuses."""
    try:
        options, to = getopt.getopt(list(call.argv[1:]), "EINb:c:dfinr:s:u:v")
    except getopt.GetoptError as error:
        return Result(1, stderr=f"mail: unknown option -- {error.opt}\n{_USAGE}")
    if not to:
        return Result(1, stderr=f"No mail for {call.user}\n")
    given = dict(options)
    sender = given.get("-r", call.user)
    body = call.stdin.decode("utf-8", "replace")
    text = f"From: {sender}\nTo: {', '.join(to)}\nSubject: {given.get('-s', '')}\n\n{body}\n"
    for one in to:
        machine.files.append_text(f"/var/mail/{one}", text)
    return Result()


COMMANDS: dict[str, Handler] = {"/usr/bin/mail": mail}
