# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What comes next in the upgrade of a server, by what it shows and what is asked for."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field
from enum import StrEnum

from ansible_collections.puffy.vmm.plugins.plugin_utils._upgrade.core.journal import Journal, Phase
from ansible_collections.puffy.vmm.plugins.plugin_utils._upgrade.core.seen import (
    Seen,
    UpgradeKernel,
)

MIB: t.Final = 1 << 20
# Bytes that must be free. sysupgrade(8) keeps the sets in /home, and tar(1) writes each new file
# before it removes the old one; kernels are in /, /usr has what they are linked from.
_SPACE_OF_RELEASE: t.Final[t.Mapping[str, int]] = {
    "/": 150 * MIB,
    "/home": 1024 * MIB,
    "/usr": 1126 * MIB,
    "/var": 150 * MIB,
}
# The old files of a patch stay in /var/syspatch, and the kernel is linked again.
_SPACE_OF_ERRATA: t.Final[t.Mapping[str, int]] = {
    "/": 64 * MIB,
    "/usr": 256 * MIB,
    "/var": 128 * MIB,
}
RELEASE: t.Final = re.compile(r"[0-9]{1,2}\.[0-9]")


class Do(StrEnum):
    """What a run does next."""

    REFUSE = "refuse"
    NOTHING = "nothing"
    ANNOUNCE = "announce"
    AWAIT = "await"
    PREPARE = "prepare"
    STOP = "stop"
    REBOOT = "reboot"
    RETURN = "return"
    FINISH = "finish"


@dataclass(frozen=True)
class Request:
    """What is asked for: a release, or None for errata; by how many hours the owners are warned.

    `now` is in seconds since 1970. `by` is this run; `alive` says of the run that wrote a journal
    whether it is another one that still works.
    """

    to: str | None = None
    announce_hours: int | None = None
    now: int = 0
    alive: t.Callable[[str, str], bool] = lambda _by, _own: False
    by: str = ""


@dataclass(frozen=True)
class Checks:
    """What is asked of the server only before an upgrade begins.

    `missing` are errata that are not installed; `unreachable` says why the mirror's files cannot be
    had, `drift` what of the server is not as the fleet says, `backups` what is wrong with them.
    """

    missing: tuple[str, ...] = ()
    unreachable: str = ""
    drift: tuple[str, ...] = ()
    backups: tuple[str, ...] = ()


@dataclass(frozen=True)
class Next:
    """What comes next; `why` has the obstacles of a refusal. `resumes`: it was begun before."""

    do: Do
    why: tuple[str, ...] = field(default=())
    resumes: bool = False


def following(release: str) -> str:
    """Return the release after this one: 7.8 is followed by 7.9, and 7.9 by 8.0."""
    major, minor = (int(part) for part in release.split("."))
    return f"{major}.{minor + 1}" if minor < 9 else f"{major + 1}.0"


def next_step(seen: Seen, request: Request, checks: Checks) -> Next:
    """Decide what comes next; nothing is done twice."""
    journal = seen.journal
    if journal and journal.by != request.by and request.alive(journal.by, request.by):
        return Next(Do.REFUSE, (f"another run is working on this server: {journal.by}",))
    if journal is None or journal.phase == Phase.ANNOUNCED:
        return _beginning(seen, request, checks)
    if reason := _other_goal(journal, request):
        return Next(Do.REFUSE, (reason,))
    if journal.phase == Phase.STARTED:
        return Next(Do.FINISH)
    # A server that came back with the new release needs nothing prepared, whoever booted it.
    if seen.booted and (journal.phase != Phase.PREPARING or journal.to == seen.release):
        return Next(Do.RETURN)
    # Somebody may have removed /bsd.upgrade: the boot would only be an outage.
    if journal.phase == Phase.PREPARING or (journal.to and not seen.armed):
        return Next(Do.PREPARE, resumes=True)
    if reasons := tuple(_against_stopping(seen)):
        return Next(Do.REFUSE, reasons)
    if journal.phase == Phase.PREPARED and not needs_boot(seen):
        return Next(Do.FINISH)
    if journal.phase == Phase.STOPPED and not seen.running:
        return Next(Do.REBOOT)
    return Next(Do.STOP)


def needs_boot(seen: Seen) -> bool:
    """Return whether something that only a boot brings into use was, or will be, installed."""
    journal = seen.journal
    return journal is not None and (bool(journal.to) or seen.patches != journal.patches)


def doubtful(seen: Seen, journal: Journal) -> str:
    """Return the erratum that may be installed only in part, after syspatch(8) was cut off.

    That is the newest, and nothing that was there before; empty if there is none.
    """
    return next((name for name in seen.patches[-1:] if name not in journal.patches), "")


def goal(request: Request, seen: Seen) -> str | None:
    """Return the release that the server is to get; None if it has it, or none is asked for."""
    return None if request.to == seen.release else request.to


def _other_goal(journal: Journal, request: Request) -> str:
    releases = (journal.to,) if journal.to else (None, journal.release)
    if request.to in releases:
        return ""
    how = f"with -e to={journal.to}" if journal.to else "without to"
    return (
        f"{journal.goal} was begun on this server by {journal.by}, and is not finished: continue "
        f"it {how} first"
    )


def _beginning(seen: Seen, request: Request, checks: Checks) -> Next:
    to, journal = goal(request, seen), seen.journal
    if to is None and not checks.missing and not checks.unreachable:
        return Next(Do.NOTHING)
    announced = journal if journal is not None and journal.to == to else None
    if announced and request.now < announced.due and request.announce_hours != 0:
        return Next(Do.AWAIT)
    if reasons := tuple(_against(seen, to, checks)):
        return Next(Do.REFUSE, reasons)
    if request.announce_hours and not announced:
        return Next(Do.ANNOUNCE)
    return Next(Do.PREPARE)


def _against(seen: Seen, to: str | None, checks: Checks) -> t.Iterator[str]:
    """Yield why an upgrade cannot begin, each with what helps."""
    if to and to != following(seen.release):
        yield (
            f"to: {to} does not follow {seen.release}, which this server runs: OpenBSD is upgraded "
            f"from each release to the next, here to {following(seen.release)}"
        )
    if not to and seen.upgrade_kernel == UpgradeKernel.READY:
        yield (
            "/bsd.upgrade is there, so the next boot would install another release: finish that "
            "with -e to=RELEASE, or remove /bsd.upgrade and /auto_upgrade.conf on the server"
        )
    yield from _against_stopping(seen)
    if not seen.starts_listed:
        yield (
            "/etc/rc.vmm on the server does not know which VMs ran before an upgrade: run "
            "puffy.vmm.site first"
        )
    if checks.drift:
        yield (
            f"the server is not as the fleet says ({'; '.join(checks.drift)}), so nobody could "
            "tell afterwards what the upgrade changed: run puffy.vmm.site first"
        )
    yield from _against_space(seen, _SPACE_OF_RELEASE if to else _SPACE_OF_ERRATA)
    if checks.unreachable:
        yield f"{checks.unreachable}. The server fetches from the mirror in /etc/installurl"
    yield from checks.backups


def _against_stopping(seen: Seen) -> t.Iterator[str]:
    if not seen.vmd:
        yield (
            "vmd(8) does not run, so nobody knows which VMs are to start again: look into "
            "/var/log/daemon on the server"
        )
    if seen.installing:
        names = ", ".join(seen.installing)
        yield f"{names}: being installed; run again when that has finished"
    if seen.moving:
        names = ", ".join(seen.moving)
        yield f"{names}: being moved to another server; finish that first (puffy.vmm.vm)"
    # A VM that this upgrade has found running starts again, whatever a backup does.
    held = [name for name in seen.held if not seen.journal or name not in seen.journal.ran]
    if held:
        yield (
            f"{', '.join(held)}: paused or stopped for a backup, and the boot would leave it "
            "stopped; run again when the backup has ended. If none is being made, the next one on "
            "this server (puffy.vmm.backup) makes the VM run again"
        )
    for name, vm in sorted(seen.statuses.items()):
        if vm.state == "paused" and name not in held:
            yield f"{name}: paused, perhaps for a backup; run again when that has ended"
        if vm.pid is not None and name not in seen.defined and name not in seen.installing:
            yield (
                f"{name}: runs, and vm.conf(5) does not have it, so nothing would start it again; "
                "stop it, or put it into the fleet"
            )


def _against_space(seen: Seen, needs: t.Mapping[str, int]) -> t.Iterator[str]:
    """Yield what each file system lacks, counting all directories on it together."""
    needed: dict[str, int] = {}
    there: dict[str, int] = {}
    for directory, size in needs.items():
        if directory in seen.free:
            mount, free = seen.free[directory]
            needed[mount] = needed.get(mount, 0) + size
            there[mount] = free
    for mount, size in needed.items():
        if there[mount] < size:
            yield (
                f"{mount}: {there[mount] // MIB} MiB are free on this file system, and "
                f"{size // MIB} MiB are needed: make room there"
            )


def lacking(seen: Seen) -> str:
    """Return what a booting server still lacks; empty when everything is there."""
    if not seen.booted:
        return "it has not rebooted"
    if seen.once:
        return f"rc(8) is still busy with {seen.once[0]}, such as with firmware"
    if not seen.vmd:
        return "vmd(8) does not run"
    if seen.list_sha256:
        return "/etc/rc.vmm is still starting VMs"
    return ""


def came_back_old(seen: Seen) -> bool:
    """Return whether the server has booted, but not into the release that it was to get."""
    return bool(
        seen.booted and seen.journal and seen.journal.to and seen.release != seen.journal.to
    )


def down(seen: Seen) -> list[str]:
    """Return the VMs that ran before and do not run now, or are shutting down."""
    ran = seen.journal.ran if seen.journal else ()
    stopping = {name for name, vm in seen.statuses.items() if vm.state == "stopping"}
    return sorted(name for name in ran if name not in seen.running or name in stopping)
