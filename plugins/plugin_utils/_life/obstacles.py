# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Why nothing is done with a VM, by its file and what its server shows, and what helps."""

from __future__ import annotations

import typing as t

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.ledger import (
    source as ledger_source,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.move import (
    source as move_source,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.facts import (
    VM_CONF,
    Image,
    VmFacts,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.machine import (
    Install,
    Machine,
    Moving,
    State,
)

# Verbs that a state forbids, by what to do instead.
_REFUSALS: t.Final[t.Mapping[str, t.Mapping[str, tuple[str, ...]]]] = {
    "present": {"archive it first": ("purge",)},
    "suspended": {
        "archive it first": ("purge",),
        "resume it first": ("installed", "reinstall", "rescue", "restart"),
        "resume it": ("restore",),
    },
    "archived": {
        "restore it first": ("installed", "reinstall", "rescue", "restart", "suspend"),
        "restore it": ("resume",),
    },
}

# Parts of a move, for which nobody asks: the VM leaves its server, and has come to one.
LEAVE, ARRIVE = "leave", "arrive"
_OF_A_MOVE: t.Final = frozenset({LEAVE, ARRIVE})

_REINSTALL: t.Final = "verb=reinstall of this VM"


def refusal(state: str, verb: str) -> str | None:
    """Return why a verb is not for a VM in this state, and what to do; None if it is."""
    ways = (way for way, verbs in _REFUSALS[state].items() if verb in verbs)
    return next((f"is {state}; {way}" for way in ways), None)


def clash(machine: Machine, now: VmFacts) -> str | None:
    """Return why the server's VM of this name, or with this MAC, is not the fleet's.

    The server's vm.conf(5) says which VM it has: if a ledger was lost, a line was removed from it,
    or the server got another name, the same VM would get other addresses, or another VM its own.
    """
    there = now.definition
    if now.rivals and machine.state != State.ARCHIVED:
        return (
            f"the MAC {', '.join(sorted(machine.macs))} is to be its own, and {VM_CONF} has it for "
            f"{', '.join(now.rivals)}: was the ledger lost, or a line of it? Put it back from "
            f"version control, or reserve what {', '.join(now.rivals)} has (vmm_reserved)"
        )
    if there is None:
        return None
    disks = [disk.path for disk in there.disks]
    if disks and machine.image not in disks:
        runs = "runs with" if now.running else "has"
        return (
            f"{VM_CONF} has a VM of this name, which {runs} the disk {', '.join(disks)}, and the "
            f"fleet's has {machine.image}; if they are the same, set vmm_image_directory, "
            f"vmm_preset or disk_format so that this is its image; else rename one of them"
        )
    mac = (there.interfaces and there.interfaces[0].lladdr) or ""
    if mac not in ("", machine.mac) and machine.state != State.ARCHIVED:
        return (
            f"{VM_CONF} has it with the MAC {mac}, and it is to get {machine.mac}: was the "
            f"ledger lost, or a line of it, or is this server under another name now? Put the "
            f"ledger back from version control, or give mac: {mac} in its VM file; to give it "
            f"the new one all the same, archive it and restore it"
        )
    return None


def moving(name: str, move: Moving) -> str:
    """Return why nothing else is done with a VM that is being moved."""
    command = f"ansible-playbook puffy.vmm.vm -e vm={name} -e verb=move -e to="
    return (
        f"is being moved from {move.source} to {move.to} ({move_source(name)}); continue with "
        f"{command}{move.to}, or give that up with {command}{move.source}"
    )


def obstacle(machine: Machine, now: VmFacts, verb: str, bound: bool) -> str | None:
    """Return why nothing is done with a VM as the server shows it, and what to do about that.

    bound: an installation of it is under way, or was interrupted.
    """
    if machine.moving and verb not in _OF_A_MOVE:
        return moving(machine.name, machine.moving)
    # A VM that must be stopped can be, whatever else its file asks for.
    if machine.refusal and verb != "suspend":
        return machine.refusal
    if verb == "purge":
        return _purge_obstacle(machine, now)
    if verb in _OF_A_MOVE and now.begun:
        return (
            f"has the note of an installation, {machine.load}: finish that with verb=apply, or "
            f"remove the note if it is of another VM, before this one is moved"
        )
    if bound:
        return _being_installed(machine, now, verb)
    return (
        _unfit(machine, verb)
        or _two_images(machine, now, verb)
        or _running_obstacle(machine, now, verb)
        or _image_obstacle(machine, now, verb)
        or _disk_obstacle(machine, now)
        or _lacking(machine, now)
    )


def _unfit(machine: Machine, verb: str) -> str | None:
    """Return why a verb is not for this kind of guest."""
    if verb == "installed" and machine.install_by != Install.ISO:
        return f"has install: {machine.install_by}, and this verb is for install: iso alone"
    if verb in ("reinstall", "rescue") and not machine.autoinstalled:
        return (
            f"has install: {machine.install_by}, and {verb} boots OpenBSD's installer, which this "
            f"VM is never handed to; to boot it from a CD, give it install: iso and cdrom, take "
            f"installed out of its line in {ledger_source(machine.server)}, and ask for "
            f"verb=restart"
        )
    return None


def _purge_obstacle(machine: Machine, now: VmFacts) -> str | None:
    if now.running:
        return "runs; archive it first"
    way = "so that purging removes it"
    if machine.record and not {now.image, now.archived} - {Image.ABSENT}:
        mount = _mount(machine, way, "installed", ", and purge it again")
        return f"{_gone(machine, now)}: {mount}"
    lost = lost_disks(machine, now)
    if machine.made and Image.ABSENT == now.image == now.archived:
        lost.insert(0, machine.image)
    return _lost_disk(machine, lost[0], way, ", and purge it again") if lost else None


def _mount(machine: Machine, way: str, entry: str, end: str = "") -> str:
    """Return what to do about a missing image: mount it, or give it up in the ledger."""
    return (
        f"mount the volume that has it, {way}; if it is lost for good, take {entry} out of its "
        f"line in {ledger_source(machine.server)}{end}"
    )


def _lost_disk(machine: Machine, disk: str, way: str, end: str) -> str:
    mount = _mount(machine, way, "it", end)
    return f"had the disk {disk} ({ledger_source(machine.server)}), which is not there: {mount}"


def lost_disks(machine: Machine, now: VmFacts) -> list[str]:
    """Return the further disks that it once had and that are missing now."""
    pairs = zip(machine.disks, now.disks, strict=True)
    return [disk.image for disk, facts in pairs if disk.recorded and facts.gone]


def _being_installed(machine: Machine, now: VmFacts, verb: str) -> str | None:
    under_way = now.running or not now.under_way
    if verb in ("restart", "rescue") or (verb == "reinstall" and under_way):
        by = f" by {now.marker.by}" if now.marker and now.marker.by else ""
        stop = f", or stop it (as root on the server: vmctl stop -f {machine.name})"
        return (
            f"is being installed{by}; run again without a verb to continue with that"
            f"{stop + f' and ask for {verb} again' if now.running else ''}"
        )
    return None


def _two_images(machine: Machine, now: VmFacts, verb: str) -> str | None:
    if Image.ABSENT not in (now.archived, now.image):
        both = f"both {machine.image} and {machine.archived} exist"
        if machine.state == State.ARCHIVED or verb == "restore" or now.image == Image.BLANK:
            return f"{both}; find out which of them is its system, and put the other one elsewhere"
    if machine.record or verb == "reinstall" or not now.others or now.archived != Image.ABSENT:
        return None
    others = ", ".join(now.others)
    if now.image != Image.DATA:
        return (
            f"it has the image {others}, and settings name {machine.image} now; set vmm_preset, "
            f"disk_format or image so that they name that one: from then on the ledger has it"
        )
    if now.definition is None:
        return (
            f"both {machine.image} and {others} have data, and neither the ledger nor {VM_CONF} "
            f"says which is its image; put the other one elsewhere"
        )
    return None


def _running_obstacle(machine: Machine, now: VmFacts, verb: str) -> str | None:
    """Return why a VM that runs without its image is left alone: stopping it would lose it."""
    if not now.running:
        return None
    if now.image == Image.ABSENT:
        return (
            f"runs, and its image {machine.image} is not there: it may be lost when the VM stops; "
            f"mount the volume that has it, or save its data from inside the VM; to give it up, "
            f"stop it (as root on the server: vmctl stop {machine.name})"
            f"{f', and ask for {_REINSTALL}' if machine.autoinstalled else ''}"
        )
    if machine.from_cdrom:
        return None
    if now.image == Image.BLANK and machine.state == State.PRESENT and verb != "reinstall":
        return (
            f"runs from {machine.image}, which nothing was ever written to: it was started before "
            f"it was installed, or its image is not mounted; stop it (as root on the server: "
            f"vmctl stop -f {machine.name}), see which it is, and run again"
        )
    return None


def _image_obstacle(machine: Machine, now: VmFacts, verb: str) -> str | None:
    if Image.DATA in (now.image, now.archived) or verb == "reinstall":
        return None
    if machine.was_installed:
        once = ", once it is restored" if machine.state == State.ARCHIVED else ""
        way = (
            "mount the volume that has it, and run again; to give its data up and install it "
            f"again, ask for {_REINSTALL}{once}"
            if machine.autoinstalled
            else _mount(machine, "and run again", "installed")
        )
        return f"{_gone(machine, now)}: {way}"
    if machine.install_by == Install.NONE:
        return _not_brought(machine, now)
    if machine.made and now.image == Image.ABSENT:
        return _made_once(machine, now)
    if machine.from_cdrom and verb == "installed":
        return f"has nothing in its image {machine.image} yet, so it is not installed"
    if machine.from_cdrom:
        return None
    if verb in ("restart", "rescue"):
        return f"is not installed yet, so there is nothing to {verb}; run without a verb first"
    return None


def _not_brought(machine: Machine, now: VmFacts) -> str | None:
    """Return why an image that is to be brought along is missing: no run makes one."""
    if machine.state != State.PRESENT:
        return None
    return (
        f"has install: none, and the image that is to be brought along, {machine.image}, "
        f"{_state_of(machine, now)}: put it there, and run again"
    )


def _made_once(machine: Machine, now: VmFacts) -> str:
    return (
        f"was given its image ({ledger_source(machine.server)}), and {machine.image} "
        f"{_state_of(machine, now)}: {_mount(machine, 'and run again', 'made', _BLANK_ONE)}"
    )


_BLANK_ONE: t.Final = ", and the next run makes a blank one"


def _disk_obstacle(machine: Machine, now: VmFacts) -> str | None:
    """Return why a further disk is neither made again nor replaced by another one."""
    for disk, facts in zip(machine.disks, now.disks, strict=True):
        if facts.there and facts.archived:
            return (
                f"both {disk.image} and {disk.archived} exist; find out which of them is its disk, "
                f"and put the other one elsewhere"
            )
    lost = lost_disks(machine, now)
    return _lost_disk(machine, lost[0], "and run again", _BLANK_ONE) if lost else None


def _lacking(machine: Machine, now: VmFacts) -> str | None:
    """Return which CD or kernel is missing, without which vmd(8) does not start the VM."""
    if not now.lacking or machine.state != State.PRESENT:
        return None
    path = now.lacking[0]
    field = "boot" if path == machine.boot else "cdrom"
    return (
        f"has {field}: {path}, and the server has no such file; bring it there, or take "
        f"{field} out of its VM file"
    )


def _gone(machine: Machine, now: VmFacts) -> str:
    record = machine.record
    since = (
        f"was installed {record.since} ({ledger_source(machine.server)})"
        if record
        else "was installed (the fleet has its host keys or its hand-over sheet)"
    )
    return f"{since}, and its image {machine.image} {_state_of(machine, now)}"


def _state_of(machine: Machine, now: VmFacts) -> str:
    """Return in words how an image without data is."""
    state = "has nothing in it" if now.image == Image.BLANK else "is not there"
    return state if now.directory else f"{state}, nor is the directory {machine.directory}"
