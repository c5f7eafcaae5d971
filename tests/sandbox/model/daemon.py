# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What rcctl(8)'s model has to know of a daemon."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sandbox.machine import Machine


@dataclass(frozen=True)
class Outcome:
    """How an action of a daemon ended.

    `killed` is set by a stop that the time limit cut short (rc.subr prints "killed" instead of
    "ok"); `stderr` is what the daemon's own program wrote, which rcctl shows with -d only.
    """

    ok: bool
    stderr: str = ""
    killed: bool = False


@dataclass(frozen=True)
class Daemon:
    """A daemon of the base system, as its rc.d script presents it.

    `flags` are the words of NAME_flags in rc.conf.local(8), without the rc.d script's own defaults;
    `timeout` is NAME_timeout in seconds. `alive` is rc_check: is the daemon's process there now?
    `reload` and `configtest` are None where the rc.d script does not support the action. rcctl
    calls configtest before start, reload and restart, as rc.subr(8) does, and never calls start for
    a daemon that lives or stop for one that does not.
    """

    name: str
    start: Callable[[Machine, tuple[str, ...]], Outcome]
    stop: Callable[[Machine, float], Outcome]
    alive: Callable[[Machine], bool]
    reload: Callable[[Machine], Outcome] | None = None
    configtest: Callable[[Machine, tuple[str, ...]], Outcome] | None = None
