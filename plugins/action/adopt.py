# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The action of puffy.vmm.adopt: a server, or text files of an operator's own, become a fleet's."""

from __future__ import annotations

import typing as t
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.server import VARIABLES
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.model import Fleet
from ansible_collections.puffy.vmm.plugins.module_utils._grammar import ssh_keys
from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError, Refused
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt import fit
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.look.options import Options
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.look.seen import Seen, questions
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.read import flat_files
from ansible_collections.puffy.vmm.plugins.plugin_utils._adopt.read.notes import Notes
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.client import Agent
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.action import Action
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.plain import plain, untrusted
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.directory import (
    FleetDirectory,
    FleetTexts,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.files import (
    Unreadable,
    read_text,
    write_file,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.load import TaskInventory
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.new_files import (
    refuse_existing,
    take_back,
    write_new,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._tasks.fleet_directory import task_fleet

_LOCK_SECONDS: t.Final = 60.0
_STAGE: t.Final = ".adopting"
# Files that name files, four deep, are more than anybody has.
_MOST_LOOKS: t.Final = 8


class ActionModule(Action):
    """Looks at a server and changes nothing there; writes new files beside the inventory."""

    SPEC: t.ClassVar[dict[str, t.Any]] = {
        "server": {"type": "str"},
        "files": {"type": "path"},
        "mapping": {"type": "path"},
        "owner": {"type": "str"},
        "ssh_keys": {"type": "path", "no_log": False},
        "inventory": {"type": "path"},
        "servers": {"type": "str", "default": "vmd_servers"},
        "write": {"type": "bool", "default": False},
        "report": {"type": "path"},
    }

    def perform(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        _refuse_arguments(args)
        fleet = task_fleet(task_vars, args["servers"])
        directory, texts = fleet.directory, fleet.directory.read()
        check = _checker(fleet.inventory, texts)
        notes = Notes()
        records, mapped = _records(args, notes)
        server = args["server"]
        options = Options(
            server or "",
            datetime.now(UTC).replace(microsecond=0),
            args["owner"],
            _keys(args["ssh_keys"]),
            {record.name: record for record in records},
            fleet.inventory.kept.settings.get(server, {}),
        )
        if server and server not in fleet.servers:
            raise OperatorError(f"server: {server} is not in the group {args['servers']}")
        if server:
            fitted = fit.fit_server(self._look(), options, check)
            for kind in ("reported", "kept", "expected"):
                getattr(notes, kind).extend(getattr(fitted.notes, kind))
            fitted = replace(fitted, notes=notes)
        elif mapped is not None:
            fitted = fit.fit_records(records, mapped, options, notes, check)
        else:
            raise OperatorError("there is nothing to adopt: give server, or files and mapping")
        files = self._files(fitted, directory, args, task_vars)
        self._write(files, directory, texts, args)
        return self._result(fitted, files, args, task_vars)

    def _look(self) -> Seen:
        """Ask until no answer names a file that was not asked for yet."""
        agent, seen = Agent(self.execute, self.run_process), Seen()
        for _look in range(_MOST_LOOKS):
            asked = questions(seen)
            if asked is None:
                break
            seen = seen.with_answer(asked, agent.look(asked))
        return seen

    def _files(
        self,
        fitted: fit.Fitted,
        directory: FleetDirectory,
        args: Mapping[str, t.Any],
        task_vars: Mapping[str, t.Any],
    ) -> dict[Path, str]:
        """Return the texts by their paths: ledgers first, so that no VM file lacks its records."""
        files = {
            directory.path / "allocations" / name: text for name, text in fitted.ledgers.items()
        }
        if fitted.host_vars:
            again = plain(self.loader.load(fitted.host_vars))
            if again != plain(dict(fitted.variables)):
                raise OperatorError("the host_vars that would be written do not say what was read")
            place = Path(args["inventory"] or str(task_vars["inventory_dir"])) / "host_vars"
            name = str(args["server"])
            folder = place / name
            path = folder / "adopted.yml" if folder.is_dir() else place / f"{name}.yml"
            files[path] = fitted.host_vars
        files |= {directory.path / "vms" / name: text for name, text in sorted(fitted.vms.items())}
        return files

    def _write(
        self,
        files: Mapping[Path, str],
        directory: FleetDirectory,
        texts: FleetTexts,
        args: Mapping[str, t.Any],
    ) -> None:
        stage = directory.path / _STAGE
        if not args["write"] or self.check_mode:
            return
        with directory.lock(_LOCK_SECONDS):
            take_back(stage)
            refuse_existing(files)
            if directory.read() != texts:
                raise OperatorError("the fleet directory changed meanwhile; run again")
            write_new(stage, files)

    def _result(
        self,
        fitted: fit.Fitted,
        files: Mapping[Path, str],
        args: Mapping[str, t.Any],
        task_vars: Mapping[str, t.Any],
    ) -> dict[str, t.Any]:
        text = _shown(fitted.notes, files, written=args["write"] and not self.check_mode)
        self._display.display(text)
        if args["report"]:
            write_file(Path(args["report"]), text.encode(), 0o644)
        result: dict[str, t.Any] = {
            "changed": bool(args["write"] and files),
            "files": {str(path): text for path, text in files.items()},
            **{
                kind: list(map(str, getattr(fitted.notes, kind)))
                for kind in ("reported", "kept", "expected")
            },
        }
        return t.cast(dict[str, t.Any], untrusted(result))


def _refuse_arguments(args: Mapping[str, t.Any]) -> None:
    if not args["server"] and not args["files"]:
        raise OperatorError("name a server, or files of your own: -e server=NAME or -e files=DIR")
    if bool(args["files"]) != bool(args["mapping"]):
        raise OperatorError("files and mapping need each other: -e files=DIR -e mapping=FILE")


def _checker(inventory: TaskInventory, texts: FleetTexts) -> fit.Check:
    kept = inventory.kept

    def check(
        settings: Mapping[str, Mapping[str, object]],
        vms: Mapping[str, str],
        ledgers: Mapping[str, str],
    ) -> Fleet:
        together = dict(kept.settings)
        for server, variables in settings.items():
            own = {name: value for name, value in variables.items() if name in VARIABLES}
            together[server] = {**together.get(server, {}), **own}
        more = replace(texts, vms={**texts.vms, **vms}, ledgers={**texts.ledgers, **ledgers})
        adopted = replace(inventory, kept=replace(kept, settings=together))
        return adopted.build(more)

    return check


def _records(
    args: Mapping[str, t.Any], notes: Notes
) -> tuple[list[flat_files.Record], flat_files.Mapped | None]:
    if not args["files"]:
        return [], None
    mapping, folder = Path(args["mapping"]), Path(args["files"])
    mapped = flat_files.read_mapping(mapping.name, _text(mapping))
    if not folder.is_dir():
        raise OperatorError(f"files: {folder} is not a directory with one file per VM")
    records = [
        flat_files.read(path.name, path.stem, _text(path), mapped, notes)
        for path in sorted(folder.iterdir())
        if not path.name.startswith(".") and path.resolve() != mapping.resolve() and path.is_file()
    ]
    for name, times in sorted(Counter(record.name for record in records).items()):
        if times > 1:
            raise OperatorError(f"files: {name} is the name of more than one VM")
    return records, mapped


def _text(path: Path) -> str:
    try:
        return read_text(path, flat_files.LONGEST_FILE)
    except Unreadable as reason:
        raise OperatorError(f"{path}: {reason}") from reason


def _keys(path: str | None) -> tuple[str, ...]:
    if not path:
        return ()
    lines = [line for line in _text(Path(path)).splitlines() if line.strip() and line[0] != "#"]
    try:
        return tuple(str(ssh_keys.parse_ssh_key(line)) for line in lines)
    except Refused as refused:
        raise OperatorError(f"ssh_keys: {path}: {refused}") from refused


def _shown(notes: Notes, files: Mapping[Path, str], *, written: bool) -> str:
    """Return all that a person should read, in the order in which it matters."""
    parts = []
    for title, lines in (
        ("Not in the fleet, line by line", notes.reported),
        ("Kept as it is, and by what", notes.kept),
        ("What site.yml --check --diff shows after this, and means the same", notes.expected),
    ):
        if lines:
            parts.append("\n".join([f"{title}:", *(f"  {line}" for line in lines)]))
    title = "Written" if written else "Would be written, with -e write=true"
    parts.append("\n".join([f"{title}:", *(f"  {path}" for path in files)]))
    if not written:
        parts += [f"{path}:\n{text}" for path, text in files.items()]
    return "\n" + "\n\n".join(parts) + "\n"
