# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The action of puffy.vmm.backup: copies of VMs' images, and the way back from them."""

from __future__ import annotations

import time
import typing as t
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from ansible import constants
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.sizes import size_text
from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError, shown_text
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.client import Agent
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import Step, stamp
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.action import (
    Action,
    refuse_unusable,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.plain import plain, untrusted
from ansible_collections.puffy.vmm.plugins.plugin_utils._backups import plan, records
from ansible_collections.puffy.vmm.plugins.plugin_utils._backups.jobs import Jobs, request
from ansible_collections.puffy.vmm.plugins.plugin_utils._backups.local import LocalPlace
from ansible_collections.puffy.vmm.plugins.plugin_utils._backups.places import (
    CONTROLLER,
    SPOOL,
    Place,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._backups.records import Backup
from ansible_collections.puffy.vmm.plugins.plugin_utils._backups.transfer import ServerPlace
from ansible_collections.puffy.vmm.plugins.plugin_utils._installation.report import Report
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines import facts as vm_facts
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.facts import VmFacts
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.machine import Machine
from ansible_collections.puffy.vmm.plugins.plugin_utils._tasks.server import machines_of

_IMAGE_DIRECTORY: t.Final = {"mode": "0755", "owner": "root", "group": "wheel"}
# Below the directory that Ansible makes for a run, for its user alone, and removes with it.
_STAGE: t.Final = "backups"


class ActionModule(Action):
    """Carries out a step for the VMs of a server, or for a place of backups."""

    SPEC: t.ClassVar[dict[str, t.Any]] = {
        "step": {
            "type": "str",
            "required": True,
            "choices": ["take", "put", "note", "list", "get", "restore", "test"],
        },
        "place": {"type": "str", "default": ""},
        "vms": {"type": "list", "elements": "str", "default": []},
        "mode": {"type": "str", "default": records.PAUSED, "choices": [*records.MODES]},
        "pause_limit": {"type": "int", "default": 300},
        "stop_timeout": {"type": "int", "default": 180},
        "keep": {"type": "int", "default": 7},
        "keep_days": {"type": "int", "default": 0},
        "taken": {"type": "list", "elements": "dict", "default": []},
        "backup": {"type": "str", "default": ""},
        "target": {"type": "str", "default": ""},
        "overwrite": {"type": "str", "default": ""},
    }

    def perform(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        refuse_unusable(task_vars)
        self._args, self._vars = args, task_vars
        servers = [str(name) for name in task_vars["groups"].get("vmd_servers", ())]
        self._place = Place.of(args["place"], servers)
        self._report = Report(self._display.display)
        self._agent = Agent(self.execute, self.run_process)
        self._jobs = Jobs(self._agent, self._report)
        step: t.Callable[[], dict[str, t.Any]] = getattr(self, f"_{args['step']}")
        result = step()
        return result | ({"progress": self._report.steps} if self._report.steps else {})

    # Where things are.

    @property
    def _kept(self) -> ServerPlace | LocalPlace:
        """The place itself, for a task on the host that has it."""
        if self._on_controller:
            return LocalPlace(self._place.path)
        return ServerPlace(self._agent, self._place.path, self._report)

    @property
    def _spool(self) -> ServerPlace:
        path = f"{self._vars['vmm_host']['image_directory']}/{SPOOL}"
        return ServerPlace(self._agent, path, self._report)

    @property
    def _stage(self) -> LocalPlace:
        path = Path(vars(constants)["DEFAULT_LOCAL_TMP"]) / _STAGE
        path.mkdir(mode=0o700, exist_ok=True)
        return LocalPlace(str(path))

    @property
    def _elsewhere(self) -> bool:
        """Whether the place is not on the host of this task.

        Steps about a place alone are delegated to the server that has it.
        """
        if self._on_controller:
            return True
        own = ("", str(self._vars["inventory_hostname"]))
        return self._args["step"] in ("take", "restore") and self._place.host not in own

    @property
    def _on_controller(self) -> bool:
        return self._place.host == CONTROLLER

    def _list_of(self, vms: t.Collection[str]) -> list[Backup]:
        """Return the backups of VMs in the place, of all without names."""
        return [backup for backup in self._kept.list() if not vms or backup.vm in vms]

    def _machines(self, names: t.Sequence[str]) -> list[Machine]:
        machines = [machine for machine in machines_of(self._vars) if machine.name in names]
        if lacking := set(names) - {machine.name for machine in machines}:
            server = self._vars["inventory_hostname"]
            raise OperatorError(f"{server} has no VM {', '.join(sorted(lacking))}")
        return machines

    def _facts(self, machines: t.Sequence[Machine]) -> dict[str, VmFacts]:
        answer = self._agent.look(vm_facts.questions(machines))
        return vm_facts.parse(answer, machines)

    # Taking one.

    def _take(self) -> dict[str, t.Any]:
        """Copy VMs, one after the other; a failure does not keep others from their backups."""
        machines = self._machines(self._args["vms"])
        facts = self._facts(machines)
        taken: list[Backup] = []
        changes: list[str] = []
        held = {} if self.check_mode else self._free()
        failures = [f"{name}: {text}" for name, text in held.items()]
        for machine in machines:
            now = facts[machine.name]
            if machine.name in held:
                continue
            if plan.nothing_to_copy(machine, now):
                self._report.say(f"{machine.name} has no system yet, so there is nothing to copy")
                continue
            if reason := plan.obstacle(machine, now, self._args["mode"]):
                failures.append(f"{machine.name}: {reason}")
                continue
            if warning := plan.warning(machine, now, self._args["mode"]):
                self._display.warning(f"{machine.name}: {warning}")
            if self.check_mode:
                changes.append(self._intent(machine, now))
            else:
                try:
                    taken.append(self._copy(machine, now))
                    changes.append(f"back up {machine.name} as {taken[-1].id}")
                except OperatorError as error:
                    failures.append(str(error))
        result: dict[str, t.Any] = {"changed": bool(changes), "changes": changes}
        result |= untrusted({"taken": [dict(backup.data) for backup in taken]})
        if failures:
            raise OperatorError("\n".join(failures), **result)
        return result

    def _free(self) -> dict[str, str]:
        """Have VMs run again that a backup held which was cut off; return which do not, and why."""
        answer, _piece = self._agent.backup(request("free", self._place.path, ""))
        for name in answer["freed"]:
            self._display.warning(f"{name} did not run, since a backup was cut off; it runs again")
        for name, text in answer["stopped"].items():
            self._display.warning(shown_text(f"{name}: {text}"))
        return {name: shown_text(str(text)) for name, text in sorted(answer["held"].items())}

    def _intent(self, machine: Machine, now: VmFacts) -> str:
        mode, limit = self._args["mode"], self._args["pause_limit"]
        text = plan.intent(machine, now, mode, str(self._place), limit)
        self._display.display(f"{machine.server}  would {text}")
        return text

    def _copy(self, machine: Machine, now: VmFacts) -> Backup:
        own = self._spool if self._elsewhere else t.cast(ServerPlace, self._kept)
        sources = plan.sources(machine, now)
        if self._elsewhere:
            self._clear_spool(machine.name)
        record = self._jobs.run(
            request(
                "take",
                own.path,
                machine.name,
                *(source.path for source in sources),
                id=records.new_id(datetime.now(UTC)),
                mode=self._args["mode"],
                hold_seconds=self._args["pause_limit"],
                stop_seconds=self._args["stop_timeout"],
                disks=[source.wire(number) for number, source in enumerate(sources)],
                about=plan.about(machine),
            )
        )
        backup = _sound(record)
        if self._elsewhere:
            to = self._kept if self._on_controller else self._stage
            own.pull(backup, t.cast(LocalPlace, to))
            self._clear_spool(machine.name)
        down = f", and was down for {backup.stood_still} s" if backup.stood_still else ""
        self._report.say(
            f"{backup.vm} was copied ({backup.mode}) as {backup.id}, "
            f"{size_text(backup.packed)}{down}"
        )
        if not self._elsewhere or self._on_controller:
            self._prune(backup.vm)
            self._note_newest(backup)
        return backup

    def _clear_spool(self, vm: str) -> None:
        """Remove what is on its way, or was when a run was cut off."""
        spool = self._spool
        spool.drop([backup for backup in spool.list() if backup.vm == vm])

    def _prune(self, vm: str) -> None:
        keep, days = self._args["keep"], self._args["keep_days"]
        old = records.superfluous(self._list_of([vm]), keep, days, datetime.now(UTC))
        self._kept.drop(old)
        for backup in old:
            self._report.say(
                f"{vm}: the backup {backup.id} was removed, since there are {keep} newer ones"
            )

    def _note_newest(self, backup: Backup) -> None:
        newest = {"id": backup.id, "mode": backup.mode, "place": str(self._place)}
        newest["taken"] = records.shown_time(backup.taken)
        self._agent.backup(request("note", self._place.path, backup.vm, newest=newest))

    def _put(self) -> dict[str, t.Any]:
        """Bring what was taken to this host, which is not its VMs' server."""
        stage, kept = self._stage, t.cast(ServerPlace, self._kept)
        for backup in self._taken():
            kept.push(backup, stage)
            stage.drop([backup])
            self._prune(backup.vm)
        return {"changed": bool(self._args["taken"])}

    def _note(self) -> dict[str, t.Any]:
        for backup in self._taken():
            self._note_newest(backup)
        return {"changed": False}

    def _taken(self) -> list[Backup]:
        return [_sound(data) for data in plain(self._args["taken"])]

    # Looking.

    def _list(self) -> dict[str, t.Any]:
        backups = self._list_of(self._args["vms"])
        lines = "\n".join(records.table(backups) or ["no backup"])
        self._display.display(f"\n{self._place}\n\n{lines}\n")
        return {"changed": False, "backups": untrusted([dict(each.data) for each in backups])}

    def _choose(self, backups: t.Iterable[Backup], vm: str) -> Backup:
        """Return the requested backup. Raises OperatorError."""
        own = [backup for backup in backups if backup.vm == vm]
        name = self._args["backup"]
        sound = [backup for backup in own if not backup.damaged]
        if name == records.LATEST and sound:
            return sound[-1]
        for backup in own:
            if backup.id == name:
                return backup
        ids = ", ".join(backup.id for backup in own) or "none"
        raise OperatorError(
            f"{vm} has no backup {name or '(backup=ID)'} in {self._place}; there are: {ids}"
        )

    # The way back.

    def _get(self) -> dict[str, t.Any]:
        """Bring a backup from this host to the controller, for another server."""
        kept = t.cast(ServerPlace, self._kept)
        backup = self._choose(kept.list(), self._args["vms"][0])
        if not self.check_mode:
            with self._marked(backup):
                kept.pull(backup, self._stage)
        return {"changed": True, "backups": untrusted([dict(backup.data)])}

    def _restore(self) -> dict[str, t.Any]:
        vm = self._args["vms"][0]
        (machine,) = self._machines([self._args["target"] or vm])
        now = self._facts([machine])[machine.name]
        out_of_reach = self._elsewhere and not self._on_controller
        backup = self._choose(self._taken() if out_of_reach else self._kept.list(), vm)
        reason = plan.restore_obstacle(backup, machine, now, self._args["overwrite"])
        if reason:
            raise OperatorError(f"{machine.name}: {reason}")
        steps = [*plan.put_into_place(machine, now, stamp())]
        changes = [str(step.change) for step in steps if step.change]
        if self.check_mode:
            for change in changes:
                self._display.display(f"{machine.server}  would {change}")
            return {"changed": True, "changes": changes}
        if not now.directory:
            make = {"path": machine.directory, **_IMAGE_DIRECTORY}
            self._agent.carry_out("restore", [Step("directory", machine.name, make)])
        to = [target.restoring for target in plan.targets(machine, now)]
        self._unpack(backup, machine.name, to)
        self._agent.carry_out("restore", steps)
        self._report.say(
            f"{machine.name} has the images of {vm} of {records.shown_time(backup.taken)} "
            f"({backup.mode}); it does not run: start it with verb=restart when all is well"
        )
        return {"changed": True, "changes": changes}

    def _at_server(self, backup: Backup) -> ServerPlace:
        """Return a place of this server that has the backup."""
        if not self._elsewhere:
            return t.cast(ServerPlace, self._kept)
        own = self._spool
        kept = self._kept if self._on_controller else self._stage
        if not any((each.vm, each.id) == (backup.vm, backup.id) for each in own.list()):
            own.push(backup, t.cast(LocalPlace, kept))
        return own

    def _test(self) -> dict[str, t.Any]:
        """Restore a backup to where it harms nobody, and remove it."""
        names = self._args["vms"]
        backups = self._list_of(names)
        backup = records.next_to_test(backups)
        if self._args["backup"]:
            backup = self._choose(backups, (names or [""])[0])
        if backup is None:
            self._report.say(f"{self._place} has no backup to test")
            return {"changed": False}
        if self.check_mode:
            self._display.display(f"would restore {backup.vm} {backup.id} for a test")
            return {"changed": False, "tested": backup.id, "vm": backup.vm}
        began = time.monotonic()
        self._unpack(backup, backup.vm)
        self._mark(backup, damaged=False)
        seconds = time.monotonic() - began
        size = size_text(sum(disk.size for disk in backup.disks))
        self._report.say(
            f"{backup.vm}: the backup {backup.id} ({backup.mode}) was restored for a test, {size} "
            f"in {seconds:.0f} s: its checksums are right and its images are sound"
        )
        return {"changed": False, "tested": backup.id, "vm": backup.vm}

    def _unpack(self, backup: Backup, vm: str, to: t.Sequence[str] | None = None) -> None:
        """Unpack to these paths, or for a test; a backup that is damaged is marked as such."""
        with self._marked(backup):
            source = self._at_server(backup)
            paths = to or [f"{source.path}/{vm}/test-{n}.partial" for n in range(len(backup.disks))]
            more = {"from": backup.id, "of": backup.vm, "to": [*paths], "discard": int(not to)}
            try:
                self._jobs.run(request("restore", source.path, vm, *paths, **more))
            finally:
                if self._elsewhere:
                    source.drop([backup])

    @contextmanager
    def _marked(self, backup: Backup) -> Iterator[None]:
        """Mark a backup as damaged in its place, if this task has access to that."""
        try:
            yield
        except OperatorError as error:
            here = self._on_controller or not self._elsewhere
            if here and error.fields.get("damaged"):
                self._mark(backup, damaged=True)
            raise

    def _mark(self, backup: Backup, *, damaged: bool) -> None:
        at = records.shown_time(datetime.now(UTC))
        self._kept.amend(backup, {"tested": {"at": at, "damaged": damaged}})


def _sound(data: t.Any) -> Backup:
    backup = records.read(data)
    if backup is None:
        raise OperatorError("the server's record of a backup is not valid")
    return backup
