# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The action of puffy.vmm.vm_request: what somebody asks for, checked before anything is done."""

from __future__ import annotations

import difflib
import typing as t
from pathlib import Path

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.vm_edit import with_state
from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.action import (
    Action,
    refuse_problems,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.plain import plain
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.server_variables import (
    FLEET_DIRECTORY,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.life import (
    NEW_STATE,
    VERBS,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.obstacles import refusal
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.directory import VMS, FleetDirectory
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.files import Unreadable, write_file
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.lock import LockHeld

_GROUP: t.Final = "vms"
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
        hostvars = task_vars["hostvars"]
        servers = list(task_vars["groups"].get(args["servers"], ()))
        if not servers:
            raise OperatorError(f"the inventory has no server in the group {args['servers']}")
        for server in servers:
            refuse_problems(hostvars[server])
        verb = args["verb"]
        if verb not in VERBS:
            raise OperatorError(f"verb={verb} is no verb; use one of {', '.join(VERBS)}")
        known = list(task_vars["groups"].get(_GROUP, ()))
        names = _names(args["vm"], known, verb)
        states = {name: str(hostvars[name]["vmm_state"]) for name in names}
        _refuse(verb, states, args["confirm"])
        fleet = FleetDirectory(Path(str(hostvars[servers[0]][FLEET_DIRECTORY])))
        changed = self._write_states(fleet, verb, states)
        after = {name: NEW_STATE.get(verb, state) for name, state in states.items()}
        return {
            "changed": changed,
            "verb": verb,
            "fleet": str(fleet.path),
            "vms": names,
            "installable": [name for name in names if after[name] == "present"],
            "servers": plain(sorted({str(hostvars[name]["vmm_server"]) for name in names})),
        }

    def _write_states(self, fleet: FleetDirectory, verb: str, states: t.Mapping[str, str]) -> bool:
        wanted = NEW_STATE.get(verb)
        names = [name for name, state in states.items() if wanted and state != wanted]
        if not names or not wanted or self.check_mode:
            return bool(names)
        try:
            with fleet.lock(_LOCK_SECONDS):
                for name in names:
                    path = fleet.path / VMS / f"{name}.yml"
                    write_file(path, _with_state(name, path.read_text("utf-8"), wanted), 0o644)
        except (LockHeld, Unreadable) as error:
            raise OperatorError(str(error)) from error
        except OSError as error:
            raise OperatorError(f"{error.filename}: {error.strerror}") from error
        return True


def _with_state(name: str, text: str, state: str) -> bytes:
    try:
        return with_state(text, state).encode()
    except ValueError as error:
        raise OperatorError(f"{VMS}/{name}.yml: {error}") from error


def _names(wanted: str, known: t.Sequence[str], verb: str) -> list[str]:
    names = [name for part in wanted.split(",") if (name := part.strip())]
    if not names and verb == "status":
        return sorted(known)
    if not names:
        raise OperatorError("name one or more VMs: -e vm=web1, or -e vm=web1,web2")
    for name in names:
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
