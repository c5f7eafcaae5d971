# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The action of puffy.vmm.configure: all roles of a server in one look and one change."""

from __future__ import annotations

import base64
import typing as t

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.client import Agent
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.action import (
    Action,
    refuse_problems,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.plain import plain
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.roles import Role, Variables
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.one_time import (
    DHCPD_CONF,
    OneTime,
    for_review,
    one_time,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.arguments import DOCUMENT
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.converge import Converger, look
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.document import (
    Document,
    check,
    document,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.resources.base import Context
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.review import write


class ActionModule(Action):
    """Brings a server to what roles of this collection want of it."""

    SPEC: t.ClassVar[dict[str, t.Any]] = {
        "roles": {"type": "list", "elements": "str", "required": True},
        "installing": {"type": "list", "elements": "str", "default": []},
        "held": {"type": "list", "elements": "str", "default": []},
        "only": {"type": "list", "elements": "str"},
        "render_to": {"type": "path"},
    }

    def perform(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        refuse_problems(task_vars)
        server = str(task_vars["inventory_hostname"])
        names = _tagged(args["roles"], task_vars)
        roles = [Role(name, self) for name in names]
        if args["render_to"]:
            paths = for_review(plain(task_vars.get("vmm_vms", [])), args["installing"])
            return write(self._documents(roles, args, task_vars, paths), args["render_to"], server)
        agent = Agent(self.execute)
        paths = self._one_time(agent, args, task_vars)
        documents = self._documents(roles, args, task_vars, paths)
        if not any(document.wants for document in documents):
            return {"changed": False, "changes": []}
        seen = look(agent, documents, check_mode=self.check_mode)
        run = Converger(
            agent,
            self._display.display,
            server,
            self.check_mode,
            self.diff,
            reconnect=self.reconnect,
        )
        outcome = run.carry_out(documents, seen, only=args["only"])
        return outcome.result(diffs=self.diff) | {"roles": names}

    def _one_time(
        self, agent: Agent, args: t.Mapping[str, t.Any], task_vars: t.Mapping[str, t.Any]
    ) -> OneTime:
        """Only the server knows the paths of installations that are under way."""
        conf = ""
        if args["installing"] or args["held"]:
            read = agent.look({"paths": [{"path": DHCPD_CONF, "read": 1}]})["read"]
            conf = base64.b64decode(read.get(DHCPD_CONF, "")).decode("utf-8", "replace")
        vms = plain(task_vars.get("vmm_vms", []))
        return one_time(vms, args["installing"], args["held"], conf)

    def _documents(
        self,
        roles: t.Sequence[Role],
        args: t.Mapping[str, t.Any],
        task_vars: Variables,
        paths: OneTime,
    ) -> tuple[Document, ...]:
        variables: Variables = {}
        for role in roles:
            variables |= role.defaults
        variables |= task_vars
        variables |= {
            "vmm_installing": args["installing"],
            "vmm_held": args["held"],
            "one_time": dict(paths.directories),
            "one_time_kept": list(paths.kept),
        }
        documents: list[Document] = []
        for role in roles:
            role.check(variables)
            documents.extend(_of_role(role, variables, paths))
        check(documents)
        return tuple(documents)


def _of_role(role: Role, variables: Variables, paths: OneTime) -> t.Iterator[Document]:
    def template(name: str, extra: t.Mapping[str, t.Any]) -> str:
        return role.template(name, {**variables, **extra})

    for args in role.documents(variables):
        result = ArgumentSpecValidator(DOCUMENT).validate(args)
        if result.error_messages:
            raise OperatorError(f"role {role.name}: {'; '.join(result.error_messages)}")
        checked = result.validated_parameters
        context = Context(str(checked["name"]), template, role.find, paths.directories)
        yield document(checked, context)


def _tagged(roles: t.Sequence[str], task_vars: t.Mapping[str, t.Any]) -> list[str]:
    """The roles that --tags and --skip-tags leave: each role has a tag of its name."""
    run = set(plain(task_vars.get("ansible_run_tags") or ["all"]))
    skip = set(plain(task_vars.get("ansible_skip_tags") or []))
    wanted = [name for name in roles if run & {"all", "tagged", name}]
    return [name for name in wanted if name not in skip]
