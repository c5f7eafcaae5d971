# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""A machine without a server around it, for tests of models: a few files, fast clock, no shell."""

from __future__ import annotations

import shlex
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .model import Machine
from .model.rc import rc_conf
from .model.system.tree import GROUPS, USERS
from .target.call import Call, Result, Streams
from .target.clock import Clock

SPEED = 100.0
PUFFY = 60001  # no user of the host, who owns all files of a bare machine
_DIRECTORIES = "etc/firmware etc/rc.d dev root tmp home var/log var/run/rc.d var/vmm var/db"
_USERS = """puffy:*:60001:60001:staff:0:0::/home/puffy:/bin/ksh
other:*:60002:60002:staff:0:0::/home/other:/bin/ksh
"""
_GROUPS = "puffy:*:60001:\nother:*:60002:\nvmdusers:*:60003:puffy\n"


def plant(root: Path, taps: int = 4) -> Path:
    """The files that models look at, below `root`."""
    for name in _DIRECTORIES.split():
        (root / name).mkdir(parents=True)
    for name, text, more in (("master.passwd", USERS, _USERS), ("group", GROUPS, _GROUPS)):
        (root / "etc" / name).write_text(text + more)
    (root / "etc/rc.conf").write_text(rc_conf.defaults_text())
    (root / "etc/hosts").write_text("127.0.0.1\tlocalhost\n")
    (root / "etc/ssh").mkdir()
    (root / "etc/ssh/sshd_config").write_text("")
    (root / "bsd").write_text("kernel\n")
    (root / "bsd.rd").write_text("installer\n")
    (root / "etc/firmware/vmm-bios").write_text("bios\n")
    for number in range(taps):
        (root / f"dev/tap{number}").touch()
    return root


def machine(root: Path, state: dict[str, Any] | None = None, speed: float = SPEED) -> Machine:
    """A machine that lives, on planted files."""
    found = Machine(root, "rig.example.org", state, Clock(speed))
    found.start()
    return found


@dataclass(frozen=True)
class Shell:
    """Runs single commands as a user, who gives up after `patience` real seconds."""

    machine: Machine
    uid: int = 0
    user: str = "root"
    patience: float = 10

    def __call__(self, command: str) -> Result:
        argv = tuple(shlex.split(command))
        streams = Streams()
        call = Call(argv, argv[0], "/", self.uid, self.uid, self.user, streams=streams)
        timer = threading.Timer(self.patience, call.cancel)
        timer.start()
        reply = self.machine.handle(call)
        timer.cancel()
        assert isinstance(reply, Result)
        rc = 124 if call.cancelled.is_set() else reply.rc
        stdout, stderr = "".join(streams.stdout), "".join(streams.stderr)
        return Result(rc, stdout + reply.stdout, stderr + reply.stderr)
