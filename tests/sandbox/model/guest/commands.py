# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What the server's programs see of guests: nc(1), ssh-keyscan(1) and stty(1)."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING

from sandbox.target.call import NotModelled, Result
from sandbox.target.options import getopt

from .ttys import stty

if TYPE_CHECKING:
    from sandbox.model.machine import Machine
    from sandbox.target.call import Call, Handler

_SSH = "22"
_TYPE = b"ssh-ed25519"


def nc(machine: Machine, call: Call) -> Result:
    """nc -z: whether a guest's port 22 is open."""
    options = getopt(call.argv[1:], "vzw:")
    if len(options.operands) != 2 or not options.has("z"):
        raise NotModelled(" ".join(call.argv[1:]))
    address, port = options.operands
    if port == _SSH and machine.guests.at(address) is not None:
        return Result()
    call.sleep(machine.clock.real(float(options.last("w", "1") or 1)))
    said = f"nc: connect to {address} port {port} (tcp) failed: Operation timed out\n"
    return Result(1, "", said if options.has("v") else "")


def ssh_keyscan(machine: Machine, call: Call) -> Result:
    """Each guest has its own ed25519 key. It exits 0 even if a host does not answer."""
    shown = ""
    for host in getopt(call.argv[1:], "T:").operands:
        guest = machine.guests.at(host)
        if guest is None:
            continue
        public = hashlib.sha256(json.dumps(guest.record, sort_keys=True).encode()).digest()
        blob = b"".join(len(part).to_bytes(4, "big") + part for part in (_TYPE, public))
        shown += f"# {host}:22 SSH-2.0-OpenSSH_10.0\n"
        shown += f"{host} {_TYPE.decode()} {base64.b64encode(blob).decode()}\n"
    return Result(0, shown)


COMMANDS: dict[str, Handler] = {
    "/usr/bin/nc": nc,
    "/usr/bin/ssh-keyscan": ssh_keyscan,
    "/bin/stty": stty,
}
