# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What is to be done with a VM, by the state in its VM file, the verb and what its server shows."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field, fields, replace

from ansible_collections.puffy.vmm.plugins.plugin_utils._life.obstacles import (
    ARRIVE,
    LEAVE,
    clash,
    lost_disks,
    obstacle,
    refusal,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.facts import Image, VmFacts
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.machine import Machine, State

# The state that a verb writes into the VM file.
NEW_STATE: t.Final[t.Mapping[str, str]] = {
    "suspend": "suspended",
    "resume": "present",
    "archive": "archived",
    "restore": "present",
}

VERBS: t.Final = (
    "apply", "reinstall", "suspend", "resume", "archive", "restore", "purge", "restart",
    "installed", "status", "rescue",
)  # fmt: skip


@dataclass(frozen=True)
class Request:
    """What somebody asks of the VMs of a server; names None means all of them.

    install says whether VMs that were never installed may be, makes whether images of further disks
    are made. alive says of a run, as the note of an installation has it, whether it is another one
    that still works. failed are VMs for which this run has failed already, with the reasons.
    """

    verb: str = "apply"
    names: frozenset[str] | None = None
    install: bool = True
    makes: bool = True
    alive: t.Callable[[str], bool] = lambda _by: False
    failed: t.Mapping[str, str] = field(default_factory=dict)

    def asks(self, name: str) -> bool:
        return self.verb != "status" and (self.names is None or name in self.names)

    def applied_to(self, machine: Machine) -> Machine:
        """Return the VM in the state that the verb leads to, which check mode writes nowhere."""
        return replace(machine, state=State(NEW_STATE.get(self.verb, machine.state)))

    def binds(self, machine: Machine, now: VmFacts) -> bool:
        """Return whether the note of an installation binds this run: it began, or is about to."""
        if not machine.autoinstalled:
            return False
        return now.under_way or (now.marker is not None and self.alive(now.marker.by))


@dataclass(frozen=True)
class LifePlan:
    """What is to be done with the VMs of a server, as names in the order of the machines.

    refuse says why a VM is left alone. Those in clashes differ from another VM, or from another
    image, by no more than their names: while there are any, no configuration of the server may be
    written, since it would give them other addresses or another disk.

    The order: the images of restore get their names back, the blank ones of create are made, the
    notes of forget are removed, those to be installed are claimed; all configuration is written,
    with only defined in vm.conf(5), without hold and install, and without an owner for suspended
    VMs; then stop, since no owner can start a VM again whose definition names none; then archive
    and purge; then install, start and rescue. VMs of stop that are to be started or installed
    afterwards are stopped before the configuration is written, so that vmd(8) takes their new
    definitions.

    record are VMs whose images were found: the ledger gets their records. Those of purge lose
    theirs before their images are removed, so that an interrupted purge can be repeated. lost are
    those that vm.conf(5) has now and does not keep, since their images are missing. disks are VMs
    that have all further disks that their files name, which the ledger gets; of other VMs
    vm.conf(5) has those that the ledger has. cdrom are VMs that boot from their CDs, kernel those
    that boot the kernel that their files name.
    """

    refuse: t.Mapping[str, str] = field(default_factory=dict)
    clashes: tuple[str, ...] = ()
    hold: tuple[str, ...] = ()
    forget: tuple[str, ...] = ()
    stop: tuple[str, ...] = ()
    restore: tuple[str, ...] = ()
    create: tuple[str, ...] = ()
    claim: tuple[str, ...] = ()
    install: tuple[str, ...] = ()
    start: tuple[str, ...] = ()
    archive: tuple[str, ...] = ()
    purge: tuple[str, ...] = ()
    rescue: tuple[str, ...] = ()
    record: tuple[str, ...] = ()
    defined: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    disks: tuple[str, ...] = ()
    cdrom: tuple[str, ...] = ()
    kernel: tuple[str, ...] = ()


def plan_life(
    machines: t.Sequence[Machine], facts: t.Mapping[str, VmFacts], request: Request
) -> LifePlan:
    """Decide what is done with each VM of a server, by what it shows of all of them."""
    refuse: dict[str, str] = {}
    clashes: list[str] = []
    to_do: dict[str, list[str]] = {deed: [] for deed in _DEEDS}
    for machine in machines:
        now = facts[machine.name]
        bound = request.binds(machine, now)
        deeds = _left_alone(machine, now, bound)
        if request.asks(machine.name):
            asked = request.applied_to(machine)
            reason = refusal(machine.state, request.verb)
            if reason is None and (reason := clash(asked, now)):
                clashes.append(machine.name)
            reason = reason or request.failed.get(machine.name)
            if reason := reason or obstacle(asked, now, request.verb, bound):
                refuse[machine.name] = reason
            else:
                deeds = _deeds(asked, now, request, bound)
        for deed in deeds:
            to_do[deed].append(machine.name)
    return LifePlan(refuse, tuple(clashes), **{deed: tuple(to_do[deed]) for deed in _DEEDS})


# All of a plan but what it refuses.
_DEEDS: t.Final = tuple(
    part.name for part in fields(LifePlan) if part.name not in ("refuse", "clashes")
)


def _left_alone(machine: Machine, now: VmFacts, bound: bool) -> t.Iterator[str]:
    """Yield the deeds for a VM with which nothing is done: it keeps its place, or has none.

    A VM without its image stays out of vm.conf(5) unless it runs: vmd(8) takes no file that names
    an image that is missing, and then no other VM could be changed or started.
    """
    if machine.state == State.PRESENT and bound:
        yield "hold"
    elif (
        now.definition
        and (now.running or now.image != Image.ABSENT)
        and not lost_disks(machine, now)
    ):
        yield "defined"
        named = {disk.path for disk in now.definition.disks}
        if named >= {disk.image for disk in machine.disks}:
            yield "disks"
        yield from _boots(machine, now, machine.from_cdrom)
    elif now.definition:
        yield "lost"


def _boots(machine: Machine, now: VmFacts, from_cdrom: bool) -> t.Iterator[str]:
    """Yield what a VM of vm.conf(5) boots other than its disk. A missing kernel is not named."""
    if from_cdrom:
        yield "cdrom"
    if machine.boot and machine.boot not in now.lacking:
        yield "kernel"


def _deeds(machine: Machine, now: VmFacts, request: Request, bound: bool) -> t.Iterator[str]:
    """Yield what is done with a VM without obstacles. bound: an installation is under way."""
    verb, state = request.verb, machine.state
    if verb == "purge":
        yield "purge"
        return
    if verb == LEAVE:
        # It is out of vm.conf(5), where no run puts it back while it is being moved.
        if now.running:
            yield "stop"
        return
    system = Image.DATA in (now.image, now.archived)
    archived = state == State.ARCHIVED
    again = verb == "reinstall"
    new = request.install and (bound or (not system and not now.running))
    installs = state == State.PRESENT and machine.autoinstalled and (again or new)
    holds = state == State.PRESENT and bound
    if holds:
        yield "hold"
    if now.begun and not bound and not installs and not archived:
        yield "forget"
    if now.running and (state != State.PRESENT or verb in _STOPS):
        yield "stop"
    if not archived and _is_put_away(now):
        yield "restore"
    if installs:
        yield "install"
        if again or not bound:
            yield "claim"
    if state == State.PRESENT and (installs or _starts(machine, now, verb, bound)):
        yield "start"
    disks = any(disk.there for disk in now.disks)
    if archived and (now.begun or now.installed or now.image != Image.ABSENT or disks):
        yield "archive"
    if verb == "rescue":
        yield "rescue"
    from_cdrom = machine.from_cdrom and verb != "installed"
    if system and not from_cdrom and not installs and not bound and machine.record is None:
        yield "record"
    # Installing a VM from its CD takes a disk to install it on.
    imageless = now.image == now.archived == Image.ABSENT
    new_disk = imageless and state == State.PRESENT and request.install
    blank = from_cdrom and (now.image != Image.ABSENT or new_disk)
    if (system or blank) and not installs and not holds and not archived:
        gone = any(disk.gone for disk in now.disks)
        yield "defined"
        yield from _boots(machine, now, from_cdrom)
        if imageless or (gone and request.makes):
            yield "create"
        if not gone or request.makes:
            yield "disks"


def _is_put_away(now: VmFacts) -> bool:
    """Return whether images have the names that they get when a VM is archived."""
    first = now.archived != Image.ABSENT and now.image == Image.ABSENT
    return first or any(disk.archived and not disk.there for disk in now.disks)


_STOPS: t.Final = frozenset({"restart", "reinstall", "rescue"})
_STARTS_BY_ITSELF: t.Final = frozenset({"resume", "restore", "installed"})


def _starts(machine: Machine, now: VmFacts, verb: str, bound: bool) -> bool:
    if verb == "restart":
        return True
    if verb == ARRIVE:
        return machine.moving is not None and machine.moving.ran and not now.running
    if bound:
        return False
    if now.installed:
        # Its first start was interrupted, or it has not answered since.
        return verb != "rescue"
    # A VM that no run installs is started when it gets its place for the first time.
    first = not (machine.autoinstalled or machine.made or now.definition)
    by_itself = first or verb in _STARTS_BY_ITSELF
    return by_itself and machine.autostart and not now.running
