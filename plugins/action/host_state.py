# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The action of puffy.vmm.host_state: documents of any playbook, on one server."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleError
from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.client import Agent
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.action import (
    Action,
    refuse_problems,
    refuse_unknown_vms,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.plain import plain
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.templates import Templates
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.converge import look
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.arguments import Context
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.document import (
    SPEC,
    Document,
    check,
    document,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.review import write
from ansible_collections.puffy.vmm.plugins.plugin_utils._tasks.server import converger


class ActionModule(Action):
    """Brings a server to what state documents want."""

    SPEC = SPEC

    def perform(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        refuse_problems(task_vars)
        refuse_unknown_vms(task_vars)
        server = str(task_vars["inventory_hostname"])
        documents = self._documents(plain(args), task_vars)
        if args["render_to"]:
            return write(documents, args["render_to"], server)
        if not any(document.wants for document in documents):
            return {"changed": False, "changes": []}
        agent = Agent(self.execute, self.run_process)
        seen = look(agent, documents, check_mode=self.check_mode)
        run = converger(self, agent, self._display.display, server)
        return run.carry_out(documents, seen).result(diffs=self.diff)

    def _documents(
        self, args: t.Mapping[str, t.Any], task_vars: dict[str, t.Any]
    ) -> tuple[Document, ...]:
        templates = Templates(self, task_vars)
        name = args["name"] or str(task_vars.get("role_name", "host_state"))
        documents = tuple(
            document(item, Context(item["name"] or name, templates.render, self._find))
            for item in args["documents"] or [{**args, "name": name}]
        )
        check(documents)
        return documents

    def _find(self, name: str) -> str:
        try:
            return self.find_file(name)
        except AnsibleError as error:
            raise OperatorError(f"source: {error}") from error
