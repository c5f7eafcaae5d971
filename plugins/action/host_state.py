# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The action of puffy.vmm.host_state: probe a server once, plan, apply in one transaction."""

from __future__ import annotations

import typing as t
from dataclasses import replace
from pathlib import Path

from ansible.errors import AnsibleError
from ansible_collections.puffy.vmm.plugins.plugin_utils import (
    _current,
    _fetch,
    _plan_accounts,
    _plan_files,
    _plan_needs,
    _plan_network,
    _plan_pf,
    _plan_vmd,
    _render,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._action import (
    Action,
    Failure,
    refuse_problems,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent import Agent
from ansible_collections.puffy.vmm.plugins.plugin_utils._diff import file_diffs
from ansible_collections.puffy.vmm.plugins.plugin_utils._document import (
    Document,
    DocumentError,
    check,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._host_state_spec import SPEC
from ansible_collections.puffy.vmm.plugins.plugin_utils._one_time import OneTime, masked
from ansible_collections.puffy.vmm.plugins.plugin_utils._only import Only, others
from ansible_collections.puffy.vmm.plugins.plugin_utils._plan import Plan, plan
from ansible_collections.puffy.vmm.plugins.plugin_utils._plan_accounts import keys_file
from ansible_collections.puffy.vmm.plugins.plugin_utils._steps import PlanError
from ansible_collections.puffy.vmm.plugins.plugin_utils._templates import Templates


class ActionModule(Action):
    """Brings a server to what state documents want."""

    SPEC = SPEC

    def perform(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        refuse_problems(task_vars)
        self._server = str(task_vars["inventory_hostname"])
        try:
            one_time = OneTime.of(args["one_time"], rendered=bool(args["render_to"]))
            documents = self._documents(args, task_vars, one_time.directories)
            if args["render_to"]:
                directory = Path(args["render_to"]) / str(task_vars["inventory_hostname"])
                documents = one_time.resolve(documents, _current.Current(), check_mode=True)
                return _write(documents, directory)
            if all(item == Document(item.name, sysctls={}) for item in documents):
                return {"changed": False, "changes": []}
            return self._converge(documents, one_time, args)
        except (DocumentError, PlanError) as error:
            raise Failure(masked(str(error))) from error

    def _documents(
        self,
        args: t.Mapping[str, t.Any],
        task_vars: dict[str, t.Any],
        one_time: t.Mapping[str, str],
    ) -> tuple[Document, ...]:
        templates = Templates(self, {**task_vars, "one_time": one_time})
        name = args["name"] or str(task_vars.get("role_name", "host_state"))
        wanted = args["documents"] or [{**args, "name": name}]
        documents = tuple(
            _render.document(item["name"] or name, item, templates.render, self._find, one_time)
            for item in wanted
        )
        check(documents)
        return documents

    def _find(self, name: str) -> str:
        try:
            return self.find_file(name)
        except AnsibleError as error:
            raise Failure(f"source: {error}") from error

    def _converge(
        self, wanted: t.Sequence[Document], one_time: OneTime, args: t.Mapping[str, t.Any]
    ) -> dict[str, t.Any]:
        agent = Agent(self.execute)
        questions = _current.questions(wanted)
        questions["paths"] += one_time.questions()
        current = _current.parse(agent.probe(questions))
        warnings = []
        if current.unfinished and self.check_mode:
            warnings.append("an earlier run was cut off on this server; the next one undoes it")
        elif current.unfinished:
            agent.apply([])
            warnings.append("an earlier run was cut off on this server; it was undone first")
            current = _current.parse(agent.probe(questions))
        documents = one_time.resolve(wanted, current, check_mode=self.check_mode)
        if self.check_mode:
            current, missing = _assume_interfaces(documents, current)
            warnings += missing
        made = plan(documents, current)
        warnings += _plan_needs.warnings(documents, current)
        warnings += [text for item in documents for text in _plan_accounts.warnings(item, current)]
        wants = [one for item in documents for one in _fetch.wanted(item, current)]
        fetches = [change for one in wants for change in one.changes]
        for item in documents:
            warnings += _plan_network.warnings(item, current)
            warnings += _plan_pf.warnings(item, current)
        if args["only"] is not None:
            _refuse_others(fetches, made, current, args["only"])
        changes = [*fetches, *made.changes]
        if not self.check_mode:
            made = self._fetched(agent, wants, made, current)
            changes = list(made.changes)
        if current.unfinished:
            changes.insert(0, "undo a run that was cut off")
        result: dict[str, t.Any] = {"changed": bool(changes), "changes": changes}
        pending = [name for item in documents for name in _plan_vmd.pending(item, current)]
        if current.applied:
            result["last_applied"] = current.applied
        if pending:
            result["pending_restart"] = pending
            names = ", ".join(pending)
            warnings.append(f"pending restart: {names} runs with an older definition until then")
        for path in (path for item in documents for path in _plan_files.left(item, current)):
            warnings.append(f"{masked(path)} is left: something in it is not ours; look into it")
        if warnings:
            result["warnings"] = warnings
        if self.diff:
            result["diff"] = file_diffs(made, agent)
        if self.check_mode:
            self._show(changes)
        elif made.steps:
            agent.apply(made.steps, args["confirm"], self.reconnect)
        return result

    def _fetched(
        self, agent: Agent, wants: t.Sequence[_fetch.Wanted], made: Plan, current: _current.Current
    ) -> Plan:
        """The plan with the files that it was to fetch."""

        def show(line: str) -> None:
            self._display.display(f"  {self._server}: {line}")

        fetched = [_fetch.fetch(agent, one, current, show) for one in wants]
        put = [step for one in fetched for step in one.put]
        clear = [step for one in fetched for step in one.clear]
        return Plan((*put, *made.steps, *clear))

    def _show(self, changes: t.Iterable[str]) -> None:
        for change in changes:
            self._display.display(f"  would {change}")


def _assume_interfaces(
    documents: t.Sequence[Document], current: _current.Current
) -> tuple[_current.Current, list[str]]:
    """On a new server, a run makes interfaces that a look at what it would do does not find."""
    wanted = {name for item in documents for name in item.interfaces}
    missing = sorted(wanted - current.interfaces)
    texts = [f"there is no interface {name} yet; a run stops here without it" for name in missing]
    return replace(current, interfaces=current.interfaces | wanted), texts


def _refuse_others(
    fetches: list[str],
    made: Plan,
    current: _current.Current,
    vms: t.Sequence[t.Mapping[str, t.Any]],
) -> None:
    found = fetches + others(made, current, Only.of(vms))
    if found:
        names = ", ".join(vm["name"] for vm in vms)
        raise Failure(
            f"this run is for {names} alone, but it would also touch: {'; '.join(found)}. "
            "Bring the server up to date first (playbook puffy.vmm.site), or allow it with "
            "-e others=allow",
            others=found,
        )


def _write(documents: t.Sequence[Document], directory: Path) -> dict[str, t.Any]:
    """Writes what a server would get below a directory of the controller."""
    changed = []
    for document in documents:
        keys = [keys_file(item, f"/home/{item.name}", item.name) for item in document.accounts]
        # Several roles may have lines in one of these.
        read = _written(_current.shared_files(document), directory)
        shared = [*_plan_network.files(document, read), *_plan_pf.files(document, read)]
        lines = _plan_files.line_edits(document, _current.Current())
        for item in (*document.files, *lines, *keys, *shared):
            path = directory / item.path.lstrip("/")
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                if not path.is_file() or path.read_bytes() != item.content:
                    path.touch(mode=0o600 if item.sensitive else 0o644)
                    path.write_bytes(item.content)
                    changed.append(str(path))
            except OSError as error:
                raise Failure(f"{path}: {error.strerror}; name a directory to write to") from error
    return {"changed": bool(changed), "changes": [f"write {path}" for path in changed]}


def _written(paths: t.Iterable[str], directory: Path) -> _current.Current:
    """What was written of these files already, as if it were read from a server."""
    found = {path: directory / path.lstrip("/") for path in paths}
    return _current.Current(
        read={path: file.read_bytes() for path, file in found.items() if file.is_file()}
    )
