# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""ssh-keyscan(1), for guests on the server's switches: each has an ed25519 key of its own."""

from __future__ import annotations

import base64
import getopt
import hashlib
import json
from typing import TYPE_CHECKING

from sandbox.call import Result

if TYPE_CHECKING:
    from sandbox.call import Call, Handler
    from sandbox.machine import Machine

_USAGE = (
    "usage: ssh-keyscan [-46cDHqv] [-f file] [-O option] [-p port] [-T timeout]\n"
    "                   [-t type] [host | addrlist namelist]\n"
)
_TYPE = b"ssh-ed25519"


def ssh_keyscan(machine: Machine, call: Call) -> Result:
    """It exits 0 also for a host that does not answer."""
    try:
        options, hosts = getopt.getopt(list(call.argv[1:]), "46cDHqvf:O:p:T:t:")
    except getopt.GetoptError as error:
        return Result(1, stderr=f"ssh-keyscan: unknown option -- {error.opt}\n{_USAGE}")
    if not hosts:
        return Result(1, stderr=_USAGE)
    shown = []
    for host in hosts:
        guest = machine.guests.at(host)
        if guest is None:
            continue
        if ("-q", "") not in options:
            shown.append(f"# {host}:22 SSH-2.0-OpenSSH_10.0\n")
        secret = json.dumps(guest.record, sort_keys=True).encode()
        public = hashlib.sha256(secret).digest()
        blob = b"".join(len(part).to_bytes(4, "big") + part for part in (_TYPE, public))
        shown.append(f"{host} {_TYPE.decode()} {base64.b64encode(blob).decode()}\n")
    return Result(0, "".join(shown))


COMMANDS: dict[str, Handler] = {"/usr/bin/ssh-keyscan": ssh_keyscan}
