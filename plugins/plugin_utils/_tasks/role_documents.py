# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""State documents of several roles of a server, which depend on its VMs."""

from __future__ import annotations

import typing as t

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.action import Action
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.plain import plain
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.role_texts import Variables
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.roles import (
    Role,
    role,
    variables_of,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._installation.one_time import OneTime
from ansible_collections.puffy.vmm.plugins.plugin_utils._life.look import Share
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.arguments import Context
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.document import (
    DOCUMENT,
    Document,
    check,
    document,
)

_DOCUMENT: t.Final = ArgumentSpecValidator(DOCUMENT)


class RoleDocuments:
    """The roles that a task names, except those that --tags and --skip-tags leave out.

    With `keep_going`, a role that cannot be evaluated is noted in `errors` and hides no other.
    """

    def __init__(
        self,
        action: Action,
        roles: t.Sequence[str],
        variables: t.Mapping[str, t.Any],
        *,
        keep_going: bool,
    ) -> None:
        self.names = tuple(_tagged(roles, variables))
        self.errors: list[dict[str, str]] = []
        self._keep_going = keep_going
        self._roles = [role(name) for name in self.names]
        self._action, self._variables = action, variables

    def documents(
        self,
        share: Share,
        paths: OneTime,
        *,
        hashes: t.Mapping[str, str] | None = None,
        release: str = "",
    ) -> tuple[Document, ...]:
        """Return the documents for this share of the VMs. Raises OperatorError.

        `release` is what the server runs, once that is known.
        """
        more: dict[str, t.Any] = {
            "vmm_installing": list(share.installing),
            "vmm_held": list(share.held),
            "vmm_defined": list(share.defined),
            "vmm_disks": list(share.disks),
            "vmm_cdrom": list(share.cdrom),
            "vmm_kernel": list(share.kernel),
            "one_time": dict(paths.directories),
            "one_time_kept": list(paths.kept),
            "vmm_release_seen": release,
        }
        if hashes:
            more["autoinstall_hashes"] = dict(hashes)
        variables = variables_of(self._roles, self._variables, more, self._action)
        self.errors.clear()
        documents: list[Document] = []
        for each in self._roles:
            try:
                each.check(variables)
                documents.extend(_of_role(each, variables, paths))
            except OperatorError as error:
                if not self._keep_going:
                    raise
                self.errors.append({"document": each.name, "text": str(error)})
        check(documents)
        return tuple(documents)


def _of_role(own: Role, variables: Variables, paths: OneTime) -> t.Iterator[Document]:
    def template(name: str, extra: t.Mapping[str, t.Any]) -> str:
        return own.template(name, variables, extra)

    for args in own.documents(variables):
        result = _DOCUMENT.validate(args)
        if result.error_messages:
            raise OperatorError(f"role {own.name}: {'; '.join(result.error_messages)}")
        checked = result.validated_parameters
        context = Context(str(checked["name"]), template, own.find, paths.directories)
        yield document(checked, context)


def _tagged(roles: t.Sequence[str], task_vars: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    """Each role has a tag of its name."""
    run = set(plain(task_vars.get("ansible_run_tags") or ["all"]))
    skip = set(plain(task_vars.get("ansible_skip_tags") or []))
    for name in plain(roles):
        if run & {"all", "tagged", name} and name not in skip:
            yield name
