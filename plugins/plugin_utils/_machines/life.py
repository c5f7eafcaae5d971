# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What is to be done with a VM, by the state in its VM file, the verb and what its server shows."""

from __future__ import annotations

import typing as t

# The state that a verb writes into the VM file.
NEW_STATE: t.Final[t.Mapping[str, str]] = {
    "suspend": "suspended",
    "resume": "present",
    "archive": "archived",
    "restore": "present",
}

VERBS: t.Final = (
    "apply",
    "reinstall",
    "suspend",
    "resume",
    "archive",
    "restore",
    "purge",
    "restart",
    "status",
    "rescue",
)

# Verbs by state that would do what the state forbids, each with the way that there is.
_REFUSALS: t.Final[t.Mapping[str, t.Mapping[str, str]]] = {
    "present": {"purge": "archive it first"},
    "suspended": {
        "purge": "archive it first",
        "reinstall": "resume it first",
        "rescue": "resume it first",
        "restart": "resume it first",
        "restore": "resume it",
    },
    "archived": {
        "reinstall": "restore it first",
        "rescue": "restore it first",
        "restart": "restore it first",
        "resume": "restore it",
        "suspend": "restore it first",
    },
}

_RESTS: t.Final = frozenset({"restart", "reinstall", "rescue"})
_STARTS: t.Final = frozenset({"restart", "reinstall"})
_STARTS_BY_ITSELF: t.Final = frozenset({"resume", "restore"})


def refusal(state: str, verb: str) -> str | None:
    """Why a verb is not for a VM in this state, and what to do; None if it is."""
    way = _REFUSALS.get(state, {}).get(verb)
    return f"is {state}; {way}" if way else None


def stops(verb: str, vm: t.Mapping[str, t.Any], look: t.Mapping[str, t.Any]) -> bool:
    if not look["running"]:
        return False
    if vm["state"] != "present":
        return True
    # An installation that goes on is watched on, not stopped.
    return verb in _RESTS and not look["installing"]


def holds(verb: str, vm: t.Mapping[str, t.Any], look: t.Mapping[str, t.Any]) -> bool:
    """Whether it is out of vm.conf and has a response file, whichever run installs it."""
    return vm["state"] == "present" and bool(look["installing"])


def restores(verb: str, vm: t.Mapping[str, t.Any], look: t.Mapping[str, t.Any]) -> bool:
    return vm["state"] != "archived" and bool(look["archived"]) and look["image"] == "absent"


def installs(verb: str, vm: t.Mapping[str, t.Any], look: t.Mapping[str, t.Any]) -> bool:
    if vm["state"] != "present" or verb in ("rescue", "restart"):
        return False
    if look["installing"]:
        return True
    if verb == "reinstall":
        # Installed by a run that was cut off before it started it: that is gone on with.
        return not look["installed"] or look["running"]
    has_system = look["image"] == "data" or look["archived"]
    return not has_system and not look["running"]


def archives(verb: str, vm: t.Mapping[str, t.Any], look: t.Mapping[str, t.Any]) -> bool:
    if vm["state"] != "archived":
        return False
    return look["installing"] or (look["image"] != "absent" and not look["archived"])


def starts(verb: str, vm: t.Mapping[str, t.Any], look: t.Mapping[str, t.Any]) -> bool:
    if vm["state"] != "present":
        return False
    if verb in _STARTS or installs(verb, vm, look):
        return True
    if look["installed"]:
        return verb != "rescue"
    return verb in _STARTS_BY_ITSELF and vm["autostart"] and not look["running"]


def rescues(verb: str, vm: t.Mapping[str, t.Any], look: t.Mapping[str, t.Any]) -> bool:
    return verb == "rescue" and vm["state"] == "present"


def purges(verb: str, vm: t.Mapping[str, t.Any], look: t.Mapping[str, t.Any]) -> bool:
    return verb == "purge" and vm["state"] == "archived"


DECISIONS: t.Final = {
    "hold": holds,
    "stop": stops,
    "restore": restores,
    "install": installs,
    "archive": archives,
    "start": starts,
    "rescue": rescues,
    "purge": purges,
}
