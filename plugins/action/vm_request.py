# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The action of puffy.vmm.vm_request: what somebody asks for, checked before anything is done."""

from __future__ import annotations

import difflib
import typing as t
from dataclasses import replace
from pathlib import Path

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.vm_edit import with_state
from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.action import (
    Action,
    refuse_problems,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.plain import plain
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.server_variables import (
    BROKEN,
    FLEET_DIRECTORY,
    PROBLEMS,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._life.life import NEW_STATE, VERBS
from ansible_collections.puffy.vmm.plugins.plugin_utils._life.obstacles import refusal
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.directory import VMS, FleetDirectory
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.files import write_file
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.load import ALL_VMS, build_for_task

# Verbs that a server may have no room for.
_ADDS: t.Final = frozenset({"resume", "restore"})
_LOCK_SECONDS: t.Final = 60.0


class ActionModule(Action):
    """Checks names, verb and states, and writes a new state into VM files."""

    SPEC: t.ClassVar[dict[str, t.Any]] = {
        "vm": {"type": "str", "default": ""},
        "verb": {"type": "str", "default": "apply"},
        "confirm": {"type": "str", "default": ""},
        "servers": {"type": "str", "default": "vmd_servers"},
    }

    def perform(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        groups, hostvars = task_vars["groups"], task_vars["hostvars"]
        servers = list(groups.get(args["servers"], ()))
        if not servers:
            raise OperatorError(f"the inventory has no server in the group {args['servers']}")
        verb = args["verb"]
        if verb not in VERBS:
            raise OperatorError(f"verb={verb} is not a verb; use one of {', '.join(VERBS)}")
        known = list(groups.get(ALL_VMS, ()))
        if not known:
            for server in servers:
                refuse_problems(hostvars[server])
        broken: t.Mapping[str, t.Sequence[str]] = plain(hostvars[servers[0]].get(BROKEN) or {})
        names = _names(args["vm"], known, verb, broken)
        states = {name: str(hostvars[name]["vmm_state"]) for name in names}
        _refuse(verb, states, args["confirm"])
        fleet = FleetDirectory(Path(str(hostvars[servers[0]][FLEET_DIRECTORY])))
        new_texts = _new_texts(fleet, verb, states)
        if verb in _ADDS and new_texts:
            said = {text for server in servers for text in hostvars[server].get(PROBLEMS) or ()}
            variables = {server: hostvars[server] for server in servers}
            _refuse_new_problems(fleet, new_texts, said, groups, variables)
        if not self.check_mode:
            _write(fleet, new_texts)
        after = {name: NEW_STATE.get(verb, state) for name, state in states.items()}
        return {
            "changed": bool(new_texts),
            "verb": verb,
            "fleet": str(fleet.path),
            "vms": names,
            "installable": [name for name in names if after[name] == "present"],
            "servers": plain(sorted({str(hostvars[name]["vmm_server"]) for name in names})),
        }


def _new_texts(
    fleet: FleetDirectory, verb: str, states: t.Mapping[str, str]
) -> dict[str, tuple[str, str]]:
    """The old and the new texts of the VM files whose state the verb changes, by VM."""
    wanted = NEW_STATE.get(verb)
    texts: dict[str, tuple[str, str]] = {}
    for name in [name for name, state in states.items() if wanted and state != wanted]:
        try:
            old = (fleet.path / VMS / f"{name}.yml").read_text("utf-8")
            texts[name] = old, with_state(old, wanted or "")
        except ValueError as error:
            raise OperatorError(f"{VMS}/{name}.yml: {error}") from error
    return texts


def _refuse_new_problems(
    fleet: FleetDirectory,
    new_texts: t.Mapping[str, tuple[str, str]],
    said: t.Collection[str],
    groups: t.Mapping[str, list[str]],
    servers: t.Mapping[str, t.Mapping[str, t.Any]],
) -> None:
    """Refuse a state that the fleet has no room for, before it is written."""
    texts = fleet.read()
    vms = {**texts.vms, **{f"{name}.yml": new for name, (_old, new) in new_texts.items()}}
    after = build_for_task(replace(texts, vms=vms), groups, servers)
    new = [text for text in map(str, after.problems) if text not in said]
    if new:
        raise OperatorError("\n".join(new), problems=new)


def _write(fleet: FleetDirectory, new_texts: t.Mapping[str, tuple[str, str]]) -> None:
    """Write new texts, unless a file was changed since it was read."""
    if not new_texts:
        return
    with fleet.lock(_LOCK_SECONDS):
        for name, (old, new) in new_texts.items():
            path = fleet.path / VMS / f"{name}.yml"
            if path.read_text("utf-8") != old:
                raise OperatorError(f"{VMS}/{name}.yml: was changed meanwhile; run it again")
            write_file(path, new.encode(), 0o644)


def _names(
    wanted: str,
    known: t.Sequence[str],
    verb: str,
    broken: t.Mapping[str, t.Sequence[str]],
) -> list[str]:
    names = [name for part in wanted.split(",") if (name := part.strip())]
    if not names and verb == "status":
        return sorted(known)
    if not names:
        raise OperatorError("name one or more VMs: -e vm=web1, or -e vm=web1,web2")
    for name in names:
        if name in broken and (verb != "status" or name not in known):
            raise OperatorError(
                f"{verb} is not for {name} before this is put right: {'; '.join(broken[name])}"
            )
        if name not in known:
            near = difflib.get_close_matches(name, known, 3)
            hint = f"; is it {' or '.join(near)}?" if near else ""
            raise OperatorError(f"vm={name}: the fleet has no VM of this name{hint}")
    return sorted(set(names))


def _refuse(verb: str, states: t.Mapping[str, str], confirm: str) -> None:
    for name, state in states.items():
        if reason := refusal(state, verb):
            raise OperatorError(f"{verb} is not for {name}, which {reason}")
    if verb == "purge" and confirm != ",".join(sorted(states)):
        raise OperatorError(
            "purge removes images for good; say so with -e confirm=" + ",".join(sorted(states))
        )
