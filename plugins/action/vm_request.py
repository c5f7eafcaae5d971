# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The action of puffy.vmm.vm_request: what somebody asks for, checked before anything is done."""

from __future__ import annotations

import difflib
import typing as t
from dataclasses import replace
from pathlib import Path

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.move import Moves, moves_of
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.move import (
    source as move_source,
)
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.vm_edit import (
    restored,
    with_field,
)
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.names import vm_name
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.plain.yaml_text import load
from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError, Report
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
from ansible_collections.puffy.vmm.plugins.plugin_utils._life.obstacles import moving, refusal
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.machine import Moving
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.directory import VMS, FleetDirectory
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.files import create_file, write_file
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.load import ALL_VMS
from ansible_collections.puffy.vmm.plugins.plugin_utils._tasks.fleet_directory import task_fleet

# Verbs that a server may have no room for.
_ADDS: t.Final = frozenset({"resume", "restore"})
_MOVE: t.Final = "move"
_ENDS: t.Final = ("source", "to")
# For the plays that deal with VMs where they are.
_NOTHING: t.Final[t.Mapping[str, t.Any]] = {"vms": [], "installable": [], "servers": []}
_LOCK_SECONDS: t.Final = 60.0
# Not a state that a VM is brought to: its images come from a backup.
RESTORE_FROM: t.Final = "restore-from"
_LONGEST_FILE: t.Final = 64 * 1024


class ActionModule(Action):
    """Checks names, verb and states, and writes a new state into VM files."""

    SPEC: t.ClassVar[dict[str, t.Any]] = {
        "vm": {"type": "str", "default": ""},
        "verb": {"type": "str", "default": "apply"},
        "confirm": {"type": "str", "default": ""},
        "to": {"type": "str", "default": ""},
        "drain": {"type": "str", "default": ""},
        "left": {"type": "str", "default": ""},
        "target": {"type": "str", "default": ""},
        "servers": {"type": "str", "default": "vmd_servers"},
    }

    def perform(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        groups, hostvars = task_vars["groups"], task_vars["hostvars"]
        servers = list(groups.get(args["servers"], ()))
        if not servers:
            raise OperatorError(f"servers: the inventory has no server in group {args['servers']}")
        verb = args["verb"]
        verbs = (*VERBS, _MOVE, RESTORE_FROM)
        if verb not in verbs:
            raise OperatorError(f"verb={verb} is not a verb; use one of {', '.join(verbs)}")
        known = list(groups.get(ALL_VMS, ()))
        if not known:
            for server in servers:
                refuse_problems(hostvars[server])
        broken: t.Mapping[str, t.Sequence[str]] = plain(hostvars[servers[0]].get(BROKEN) or {})
        if args["drain"]:
            return _drain(args, servers, known, hostvars)
        if bool(args["to"]) != (verb == _MOVE):
            raise OperatorError(f"verb={_MOVE} and -e to=SERVER go together: give both, or neither")
        names = _names(args["vm"], known, verb, broken)
        fleet = FleetDirectory(Path(str(hostvars[servers[0]][FLEET_DIRECTORY])))
        journals = _journals(fleet, names)
        if args["left"]:
            return _left(names, verb, args, journals)
        if verb == _MOVE:
            return _move(names, args["to"], servers, hostvars)
        for name in names:
            if (move := plain(hostvars[name]["vmm_moving"])) and verb != "status":
                why = moving(name, Moving(**move))
                raise OperatorError(f"{verb} is not for {name}, which {why}")
        states = {name: str(hostvars[name]["vmm_state"]) for name in names}
        _refuse(verb, states, args["confirm"])
        for name in names if verb == "purge" else ():
            for left in journals[name].left:
                raise OperatorError(
                    f"{name}: moves left images of it on {left.server} ({move_source(name)}); purge"
                    f" them first: -e vm={name} -e verb=purge -e left={left.server} -e "
                    f"confirm={name}"
                )
        if verb == RESTORE_FROM:
            return self._restore_from(fleet, names, known, args, task_vars)
        new_texts = _new_texts(fleet, verb, states)
        if verb in _ADDS and new_texts:
            _refuse_new_problems(fleet, new_texts, task_vars, args["servers"])
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

    def _restore_from(
        self,
        fleet: FleetDirectory,
        names: t.Sequence[str],
        known: t.Collection[str],
        args: t.Mapping[str, t.Any],
        task_vars: dict[str, t.Any],
    ) -> dict[str, t.Any]:
        """Return the VM that a backup is for; its file is written where there is none."""
        hostvars = task_vars["hostvars"]
        if len(names) != 1:
            raise OperatorError(f"{RESTORE_FROM} is for one VM at a time: -e vm=web1")
        (source,) = names
        name = vm_name(args["target"] or source)
        new = name not in known
        if new:
            text = _restored(fleet, source, name, plain(hostvars[source]["vmm_image"]["format"]))
            _refuse_new_problems(fleet, {name: ("", text)}, task_vars, args["servers"])
            self._display.display(f"  {VMS}/{name}.yml is written like that of {source}")
            if not self.check_mode:
                with fleet.lock(_LOCK_SECONDS):
                    create_file(fleet.path / VMS / f"{name}.yml", text.encode(), 0o644)
        here = not (new and self.check_mode)
        server = str(hostvars[source if new else name]["vmm_server"])
        return {
            "changed": new,
            "verb": RESTORE_FROM,
            "fleet": str(fleet.path),
            "vms": [name] if here else [],
            "source": source,
            "installable": [],
            "servers": [server] if here else [],
        }


def _restored(fleet: FleetDirectory, source: str, name: str, image_format: str) -> str:
    """Return the text of a new VM's file, based on those of the VM whose backup it gets."""
    texts = fleet.read()
    fields: dict[str, t.Any] = {}
    for text in (texts.vms.get(f"{source}.yml"), texts.orders.get(f"{source}.yml")):
        fields |= plain(load(text or "", VMS, _LONGEST_FILE).fields)
    return restored(name, fields, image_format)


def _journals(fleet: FleetDirectory, names: t.Iterable[str]) -> dict[str, Moves]:
    """Return the journals of VMs. Raises Problems."""
    report, texts = Report(), fleet.read_moves()
    journals = {name: moves_of(texts, name, report) for name in names}
    report.raise_problems()
    return journals


def _left(
    names: t.Sequence[str],
    verb: str,
    args: t.Mapping[str, t.Any],
    journals: t.Mapping[str, Moves],
) -> dict[str, t.Any]:
    """Return what moves left of VMs on a server, to be purged. Raises OperatorError."""
    server, confirm = args["left"], ",".join(names)
    if verb != "purge" or args["to"]:
        raise OperatorError("left=SERVER is for verb=purge: what moves of a VM left on that server")
    vms = []
    for name in names:
        paths = [
            path for left in journals[name].left if left.server == server for path in left.images
        ]
        if not paths:
            raise OperatorError(f"{name}: no move left images of it on {server}")
        vms.append({"vm": name, "source": server, "to": server, "images": [], "paths": paths})
    if args["confirm"] != confirm:
        shown = ", ".join(path for vm in vms for path in vm["paths"])
        raise OperatorError(
            f"purge removes images for good: {shown} on {server}; confirm with -e confirm={confirm}"
        )
    return {**_NOTHING, "verb": verb, "left": plain(vms)}


def _move(
    names: t.Sequence[str], to: str, servers: t.Sequence[str], hostvars: t.Mapping[str, t.Any]
) -> dict[str, t.Any]:
    """Return the VMs that should move to a server. Raises OperatorError."""
    if to not in servers:
        near = difflib.get_close_matches(to, servers, 3)
        hint = f"is {' or '.join(near)} meant?" if near else f"use one of {', '.join(servers)}"
        raise OperatorError(f"to={to} is not a server of the inventory; {hint}")
    here = {str(hostvars[name]["vmm_server"]) for name in names}
    for name in names:
        if hostvars[name]["vmm_server"] == to and not hostvars[name]["vmm_moving"]:
            raise OperatorError(f"{name}: is on {to} already, so there is nothing to move")
    ends = {move[end] for name in names if (move := hostvars[name]["vmm_moving"]) for end in _ENDS}
    return _asked(names, to, "", sorted({*here, *ends, to}))


def _drain(
    args: t.Mapping[str, t.Any],
    servers: t.Sequence[str],
    known: t.Sequence[str],
    hostvars: t.Mapping[str, t.Any],
) -> dict[str, t.Any]:
    """Return all VMs of a server that were installed. Raises OperatorError."""
    server = args["drain"]
    if args["vm"] or args["to"] or args["verb"] not in ("apply", _MOVE):
        raise OperatorError(
            "drain=SERVER moves all VMs of a server; give no vm, verb or to with it"
        )
    if server not in servers:
        raise OperatorError(
            f"drain={server} is not a server of the inventory; use one of {', '.join(servers)}"
        )
    problems = [problem for name in servers for problem in hostvars[name].get(PROBLEMS) or ()]
    if problems:
        raise OperatorError(f"drain needs a fleet without problems; correct this: {problems[0]}")
    names = [
        name
        for name in known
        if (hostvars[name]["vmm_server"] == server and hostvars[name]["vmm_installed"])
        or (hostvars[name]["vmm_moving"] or {}).get("source") == server
    ]
    return _asked(sorted(names), "", server, list(servers))


def _asked(names: t.Sequence[str], to: str, drain: str, look: t.Sequence[str]) -> dict[str, t.Any]:
    """Return the request for the plays that move VMs; all others have nothing to do then."""
    asked = {"vms": list(names), "to": to, "drain": drain, "look": list(look)}
    return {**_NOTHING, "verb": _MOVE, "move": plain(asked)}


def _new_texts(
    fleet: FleetDirectory, verb: str, states: t.Mapping[str, str]
) -> dict[str, tuple[str, str]]:
    """Return the old and new texts of the VM files whose state the verb changes, by VM."""
    new = NEW_STATE.get(verb)
    texts: dict[str, tuple[str, str]] = {}
    for name in [name for name, state in states.items() if new and state != new]:
        try:
            old = (fleet.path / VMS / f"{name}.yml").read_text("utf-8")
            texts[name] = old, with_field(old, "state", new or "")
        except ValueError as error:
            raise OperatorError(f"{VMS}/{name}.yml: {error}") from error
    return texts


def _refuse_new_problems(
    fleet: FleetDirectory,
    new_texts: t.Mapping[str, tuple[str, str]],
    task_vars: t.Mapping[str, t.Any],
    group: str,
) -> None:
    """Refuse a state that the fleet has no room for, before it is written."""
    of_task = task_fleet(task_vars, group, str(fleet.path))
    known = {text for host in of_task.servers.values() for text in host.get(PROBLEMS) or ()}
    texts = fleet.read()
    vms = {**texts.vms, **{f"{name}.yml": new for name, (_old, new) in new_texts.items()}}
    after = of_task.inventory.build(replace(texts, vms=vms))
    new = [text for text in map(str, after.problems) if text not in known]
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
    names_text: str,
    known: t.Sequence[str],
    verb: str,
    broken: t.Mapping[str, t.Sequence[str]],
) -> list[str]:
    names = [name for part in names_text.split(",") if (name := part.strip())]
    if not names and verb == "status":
        return sorted(known)
    if not names:
        raise OperatorError("name one or more VMs: -e vm=web1, or -e vm=web1,web2")
    for name in names:
        if name in broken and (verb != "status" or name not in known):
            raise OperatorError(
                f"{verb} is not for {name} until this is corrected: {'; '.join(broken[name])}"
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
            "purge removes images for good; confirm with -e confirm=" + ",".join(sorted(states))
        )
