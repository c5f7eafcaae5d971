# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The action of puffy.vmm.host_state: probe a server once, plan, apply in one transaction."""

from __future__ import annotations

import typing as t
from dataclasses import replace
from pathlib import Path

from ansible.errors import AnsibleError
from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.client import Agent
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.secrets import masked
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import PlanError
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.action import (
    Action,
    refuse_problems,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.templates import Templates
from ansible_collections.puffy.vmm.plugins.plugin_utils._state import probe, render
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.arguments import SPEC
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.diff import file_diffs
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.document import (
    Document,
    DocumentError,
    check,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.guard import Only, others
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.one_time import OneTime
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.plan import Plan, plan
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.resources import (
    accounts,
    files,
    links,
    mirrors,
    needs,
    pf,
    vm_conf,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.resources.accounts import keys_file


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
                documents = one_time.resolve(documents, probe.Current(), check_mode=True)
                return _write(documents, directory)
            if all(item == Document(item.name, sysctls={}) for item in documents):
                return {"changed": False, "changes": []}
            return self._converge(documents, one_time, args)
        except (DocumentError, PlanError) as error:
            raise OperatorError(masked(str(error))) from error

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
            render.document(item["name"] or name, item, templates.render, self._find, one_time)
            for item in wanted
        )
        check(documents)
        return documents

    def _find(self, name: str) -> str:
        try:
            return self.find_file(name)
        except AnsibleError as error:
            raise OperatorError(f"source: {error}") from error

    def _converge(
        self, wanted: t.Sequence[Document], one_time: OneTime, args: t.Mapping[str, t.Any]
    ) -> dict[str, t.Any]:
        agent = Agent(self.execute)
        questions = probe.questions(wanted)
        questions["paths"] += one_time.questions()
        current = probe.parse(agent.probe(questions))
        warnings = []
        if current.unfinished and self.check_mode:
            warnings.append("an earlier run was cut off on this server; the next one undoes it")
        elif current.unfinished:
            agent.apply([])
            warnings.append("an earlier run was cut off on this server; it was undone first")
            current = probe.parse(agent.probe(questions))
        documents = one_time.resolve(wanted, current, check_mode=self.check_mode)
        if self.check_mode:
            current, missing = _assume_interfaces(documents, current)
            warnings += missing
        made = plan(documents, current)
        warnings += needs.warnings(documents, current)
        warnings += [text for item in documents for text in accounts.warnings(item, current)]
        wants = [one for item in documents for one in mirrors.wanted(item, current)]
        fetches = [change for one in wants for change in one.changes]
        for item in documents:
            warnings += links.warnings(item, current)
            warnings += pf.warnings(item, current)
        if args["only"] is not None:
            _refuse_others(fetches, made, current, args["only"])
        changes = [*fetches, *made.changes]
        if not self.check_mode:
            made = self._fetched(agent, wants, made, current)
            changes = list(made.changes)
        if current.unfinished:
            changes.insert(0, "undo a run that was cut off")
        result: dict[str, t.Any] = {"changed": bool(changes), "changes": changes}
        pending = [name for item in documents for name in vm_conf.pending(item, current)]
        if current.applied:
            result["last_applied"] = current.applied
        if pending:
            result["pending_restart"] = pending
            names = ", ".join(pending)
            warnings.append(f"pending restart: {names} runs with an older definition until then")
        for path in (path for item in documents for path in files.left(item, current)):
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
        self, agent: Agent, wants: t.Sequence[mirrors.Wanted], made: Plan, current: probe.Current
    ) -> Plan:
        """The plan with the files that it was to fetch."""

        def show(line: str) -> None:
            self._display.display(f"  {self._server}: {line}")

        fetched = [mirrors.fetch(agent, one, current, show) for one in wants]
        put = [step for one in fetched for step in one.put]
        clear = [step for one in fetched for step in one.clear]
        return Plan((*put, *made.steps, *clear))

    def _show(self, changes: t.Iterable[str]) -> None:
        for change in changes:
            self._display.display(f"  would {change}")


def _assume_interfaces(
    documents: t.Sequence[Document], current: probe.Current
) -> tuple[probe.Current, list[str]]:
    """On a new server, a run makes interfaces that a look at what it would do does not find."""
    wanted = {name for item in documents for name in item.interfaces}
    missing = sorted(wanted - current.interfaces)
    texts = [f"there is no interface {name} yet; a run stops here without it" for name in missing]
    return replace(current, interfaces=current.interfaces | wanted), texts


def _refuse_others(
    fetches: list[str],
    made: Plan,
    current: probe.Current,
    vms: t.Sequence[t.Mapping[str, t.Any]],
) -> None:
    found = fetches + others(made, current, Only.of(vms))
    if found:
        names = ", ".join(vm["name"] for vm in vms)
        raise OperatorError(
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
        read = _written(probe.shared_files(document), directory)
        shared = [*links.files(document, read), *pf.files(document, read)]
        lines = files.line_edits(document, probe.Current())
        for item in (*document.files, *lines, *keys, *shared):
            path = directory / item.path.lstrip("/")
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                if not path.is_file() or path.read_bytes() != item.content:
                    path.touch(mode=0o600 if item.sensitive else 0o644)
                    path.write_bytes(item.content)
                    changed.append(str(path))
            except OSError as error:
                raise OperatorError(
                    f"{path}: {error.strerror}; name a directory to write to"
                ) from error
    return {"changed": bool(changed), "changes": [f"write {path}" for path in changed]}


def _written(paths: t.Iterable[str], directory: Path) -> probe.Current:
    """What was written of these files already, as if it were read from a server."""
    found = {path: directory / path.lstrip("/") for path in paths}
    return probe.Current(
        read={path: file.read_bytes() for path, file in found.items() if file.is_file()}
    )
