# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""MAKEDEV(8) for tap(4) nodes: it works in the caller's directory, whatever that is (facts 8)."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from sandbox.call import Call, Handler, Result

if TYPE_CHECKING:
    from sandbox.machine import Machine

TAP_MAJOR = 93
_ALL = ("tap0", "tap1", "tap2", "tap3")


def makedev(machine: Machine, call: Call) -> Result:
    """Makes the nodes anew; an unknown name is told of and does not fail."""
    out, files = "", machine.files
    for name in call.argv[1:]:
        nodes = _ALL if name == "all" else (name,)
        for node in nodes:
            match = re.fullmatch(r"tap(\d+)", node)
            if match is None:
                out += f"{node}: unknown device\n"
                continue
            path = call.absolute(node)
            if call.uid != 0:
                return Result(0, out, f"mknod: {node}: Operation not permitted\n")
            if os.path.lexists(files.resolve(path, follow=False)):
                files.remove(path)
            files.mknod(path, 0o600, TAP_MAJOR, int(match[1]))
    return Result(0, out)


COMMANDS: dict[str, Handler] = {"/dev/MAKEDEV": makedev}
