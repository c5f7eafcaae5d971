# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The collection's roles as data: their variables, checked, and their state documents.

A role keeps its state document as NAME_document in vars/main.yml. Read here, it needs no task of
its own, so that one task can be for all roles of a server.
"""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

import yaml
from ansible.errors import AnsibleError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.action import Action
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.plain import (
    plain,
    untrusted,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.templates import (
    render_text,
    trusted,
)

ROLES: t.Final = Path(__file__).parents[3] / "roles"

Variables = dict[str, t.Any]

# libyaml's where it is there, which is ten times as fast.
_YamlLoader: t.Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Role:
    """A role of this collection, by its name."""

    def __init__(self, name: str, action: Action) -> None:
        self.name = name
        self.path = ROLES / name
        if not (self.path / "vars/main.yml").is_file():
            known = sorted(path.parent.parent.name for path in ROLES.glob("*/vars/main.yml"))
            raise OperatorError(f"{name!r} is not a role of puffy.vmm; use {', '.join(known)}")
        self._action = action
        self.defaults: Variables = self._load("defaults/main.yml")
        self._vars: Variables = self._load("vars/main.yml")
        self._texts: dict[str, str] = {}

    def _load(self, file: str) -> Variables:
        path = self.path / file
        if not path.is_file():
            return {}
        text = trusted(path.read_text("utf-8"))
        return dict(self._action.loader.load(text, file_name=str(path)) or {})

    def check(self, variables: Variables) -> Variables:
        """Checks what the role's argument spec describes. Raises OperatorError.

        Returns what the options evaluate to, to be used in their place: Ansible would evaluate an
        expression again for each use.
        """
        options = self._options()
        values = {
            name: plain(self._evaluate(name, variables)) for name in options if name in variables
        }
        result = ArgumentSpecValidator(options).validate(values)
        if result.error_messages:
            raise OperatorError(f"role {self.name}: {'; '.join(result.error_messages)}")
        return {name: untrusted(value) for name, value in values.items()}

    def _options(self) -> dict[str, t.Any]:
        # No value of it is ever a template, so it needs none of what Ansible's own loader notes.
        text = (self.path / "meta/argument_specs.yml").read_text("utf-8")
        options: dict[str, t.Any] = yaml.load(text, _YamlLoader)["argument_specs"]["main"].get(
            "options", {}
        )
        return options

    def documents(self, variables: Variables) -> list[Variables]:
        """The arguments of the role's state documents. Raises OperatorError."""
        written = self._evaluate(f"{self.name}_document", {**variables, **self._vars})
        documents = plain(written if isinstance(written, list) else [written])
        return [{"name": self.name, **document} for document in documents]

    def template(self, name: str, variables: Variables) -> str:
        """The text of one of the role's templates. Raises OperatorError that names it."""
        if name not in self._texts:
            self._texts[name] = trusted((self.path / "templates" / name).read_text("utf-8"))
        templar = self._templar({**variables, **self._vars})
        return render_text(templar, self._texts[name], f"role {self.name}: template {name}")

    def find(self, name: str) -> str:
        """A file of the controller: absolute, or in the role's files/."""
        return name if os.path.isabs(name) else str(self.path / "files" / name)

    def _evaluate(self, name: str, variables: Variables) -> t.Any:
        try:
            return self._templar(variables).template(variables[name])
        except AnsibleError as error:
            raise OperatorError(f"role {self.name}: {name}: {error}") from error

    def _templar(self, variables: Variables) -> t.Any:
        return self._action.templar.copy_with_new_env(
            searchpath=[str(self.path / "templates")], available_variables=variables
        )
