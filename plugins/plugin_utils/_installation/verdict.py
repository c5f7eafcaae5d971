# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""When an installation has ended, how, and what the operator has to know about it."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from enum import Enum

from ansible_collections.puffy.vmm.plugins.plugin_utils._installation.watch import (
    ADDRESS,
    BOOTS,
    NO_REQUEST,
    RESPONSE,
    SETS,
    Progress,
    its_console,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.machine import Machine

# vmd(8) starts what it has loaded a moment later.
_START_SECONDS: t.Final = 60
# What the console and the logs showed last only appears a moment after the VM has ended.
_LOOKS: t.Final = 2
# Where to look on the server when an installation does not get beyond a stage.
_LOOK_AT: t.Final[t.Mapping[str, str]] = {
    BOOTS: (
        "whether its interface is on the switch (ifconfig on the server shows its tap(4) there), "
        "and whether dhcpd(8) runs and listens there"
    ),
    ADDRESS: "whether httpd(8) runs, and what /var/www/logs/access.log has of its response file",
    RESPONSE: "whether its sets are where it fetches them, and what /var/www/logs/access.log has",
    SETS: "whether its sets are where it fetches them, and what /var/www/logs/access.log has",
}


class End(Enum):
    """How an installation ended, or that there is nothing more to wait for."""

    INSTALLED = "installed"
    STOPPED = "it has no process, and nothing shows that the installer finished"
    GAVE_UP = "the installer gave up"
    REPEATS = "the installer asks the same question again and again"
    WAITS = "the installer waits for an answer"
    HANGS = "the installer has finished, and the VM has not rebooted"
    SILENT = "nothing new"
    TOO_LONG = "it takes too long"


@dataclass(frozen=True)
class Limits:
    """In seconds: without anything new, in all, and at a question that nobody answers."""

    silence: int
    total: int
    question: int = 60


@dataclass(frozen=True)
class Elapsed:
    """Seconds since it began, since anything changed, and since its console said something."""

    total: float
    moved: float
    quiet: float


def verdict(now: Progress, elapsed: Elapsed, limits: Limits) -> End | None:
    """Return None while it continues. What the console says of the end comes first."""
    if now.state is None:
        if (now.untouched and elapsed.total <= _START_SECONDS) or now.absent_looks < _LOOKS:
            return None
        return End.INSTALLED if now.proven else End.STOPPED
    if now.console.congratulates:
        return End.HANGS if elapsed.moved > limits.silence else None
    if now.console.gave_up:
        return End.GAVE_UP
    if now.console.repeated:
        return End.REPEATS
    silent = elapsed.moved > limits.silence
    if now.console.waits_at and (silent or elapsed.quiet > limits.question):
        return End.WAITS
    if silent:
        return End.SILENT
    return End.TOO_LONG if elapsed.total > limits.total else None


def may_begin_again(end: End, now: Progress) -> bool:
    """Return whether the installer had no network, as on a busy server, and left the disk alone."""
    gave_up = end in (End.GAVE_UP, End.WAITS)
    return gave_up and now.blank and bool(now.console.no_network)


def explain(vm: Machine, end: End, now: Progress, elapsed: Elapsed, limits: Limits) -> str:
    """Return what was seen, what is kept, and what to try."""
    seen = [
        f"{elapsed.total:.0f} s after this run began to watch",
        f"its new image has {now.written >> 20} MiB",
        now.lease or NO_REQUEST,
    ]
    if now.sets.shown:
        seen.insert(1, f"sets: {now.sets.shown}")
    return (
        f"{vm.name}: {_reason(end, now, limits)} while it {now} ({'; '.join(seen)}). "
        f"{_advice(vm, end, now)}{now.console_end}"
    )


def _reason(end: End, now: Progress, limits: Limits) -> str:
    console = now.console
    if end is End.REPEATS and console.repeated:
        asked = console.repeated
        return f'{end.value}, "{asked.text}", and the answer is "{asked.answer}",'
    if end is End.GAVE_UP and console.unanswered:
        return f'{end.value}, since the response file has no answer to "{console.unanswered}",'
    if end is End.WAITS:
        return f'{end.value} to "{console.waits_at}"'
    if end in (End.SILENT, End.HANGS):
        return f"{end.value} for {limits.silence} s"
    if end is End.TOO_LONG:
        return f"{end.value}, more than {limits.total} s,"
    if end is End.STOPPED and now.stopped:
        return "it was stopped"
    return str(end.value)


def _advice(vm: Machine, end: End, now: Progress) -> str:
    kept = "The old image, the response file and the note of the installation are kept as they are"
    if end is End.STOPPED:
        return (
            f"{kept}, the new image is kept aside. A processor of a VM that dies looks like this, "
            "and so does vmctl stop; run again to install it again from a new image."
        )
    if end is End.HANGS:
        return (
            f"{kept}. Stop it as root on the server (vmctl stop {vm.name}) and run again: if its "
            "kernel still writes to the disk what it has to, it counts as installed; otherwise it "
            "is installed again."
        )
    correct = {
        End.REPEATS: "correct the answer in its VM file (timezone, install_options), ",
        End.GAVE_UP: "remove the cause that its console shows, ",
        End.WAITS: "remove the cause that its console shows, ",
    }.get(end, "")
    look_at = _LOOK_AT.get(now.stage, "")
    stalls = end in (End.SILENT, End.TOO_LONG, End.WAITS, End.GAVE_UP)
    look = f"look {look_at}, " if look_at and stalls else ""
    return (
        f"{kept}, and it still runs: see {its_console(vm, now)}, {look}{correct}stop it (vmctl "
        f"stop -f {vm.name}) and run again to install it again, or run again to continue watching."
    )
