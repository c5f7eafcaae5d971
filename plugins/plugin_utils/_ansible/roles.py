# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The collection's roles as data: their variables, checked, and their state documents.

A role keeps its state document as NAME_document in vars/main.yml. Read here, it needs no task of
its own, so that one task can be for all roles of a server.
"""

from __future__ import annotations

import functools
import os
import typing as t
from collections import ChainMap
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.action import Action
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.role_texts import (
    Text,
    TextError,
    Variables,
    compiled,
    sources,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.templates import trusted
from jinja2 import TemplateAssertionError

_ROLES: t.Final = Path(__file__).parents[3] / "roles"

# libyaml's where it is there, which is ten times as fast.
_YamlLoader: t.Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Role:
    """A role of this collection: its files, read and compiled."""

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self._path = path
        self.defaults: dict[str, t.Any] = compiled(_load(path / "defaults/main.yml"))
        self.own: dict[str, t.Any] = compiled(_load(path / "vars/main.yml"))
        spec = _load(path / "meta/argument_specs.yml")["argument_specs"]["main"]
        self._options: dict[str, t.Any] = spec.get("options", {})
        self._validator = ArgumentSpecValidator(self._options)
        self._templates = {
            file.name: Text(file.read_text("utf-8"), template=True)
            for file in path.glob("templates/*.j2")
        }

    def check(self, variables: Variables) -> None:
        """Check what the role's argument spec describes. Raises OperatorError."""
        values = {name: self._value(name, variables) for name in self._options if name in variables}
        result = self._validator.validate(values)
        if result.error_messages:
            raise OperatorError(f"role {self.name}: {'; '.join(result.error_messages)}")

    def documents(self, variables: Variables) -> list[dict[str, t.Any]]:
        """Return the arguments of the role's state documents. Raises OperatorError."""
        written = self._value(f"{self.name}_document", variables)
        documents = written if isinstance(written, list) else [written]
        return [{"name": self.name, **document} for document in documents]

    def template(self, name: str, variables: Variables, extra: Mapping[str, t.Any]) -> str:
        """Return the text of a template of the role. Raises OperatorError that names it."""
        try:
            seen = ChainMap(t.cast(dict[str, t.Any], extra), t.cast(dict[str, t.Any], variables))
            return str(self._templates[name].evaluate(seen))
        except TextError as error:
            raise OperatorError(f"role {self.name}: template {name}: {error}") from error

    def find(self, name: str) -> str:
        """Return the path of a file on the controller: absolute, or in the role's files/."""
        return name if os.path.isabs(name) else str(self._path / "files" / name)

    def _value(self, name: str, variables: Variables) -> t.Any:
        try:
            return variables.value(name)
        except TextError as error:
            raise OperatorError(f"role {self.name}: {name}: {error}") from error


def _load(path: Path) -> dict[str, t.Any]:
    """Return the content of a role's YAML file, which may be empty."""
    content: dict[str, t.Any] = yaml.load(path.read_text("utf-8"), _YamlLoader) or {}
    return content


@functools.cache
def role(name: str) -> Role:
    """Return a role of this collection. Raises OperatorError for an unknown name."""
    if name not in _names():
        raise OperatorError(f"{name!r} is not a role of puffy.vmm; use {', '.join(_names())}")
    return Role(_ROLES / name)


def read_all() -> None:
    """Read all roles, or the first ones where Ansible's filters are not known yet."""
    with suppress(TemplateAssertionError):
        for name in _names():
            role(name)


def _names() -> list[str]:
    return sorted(path.parents[1].name for path in _ROLES.glob("*/vars/main.yml"))


def variables_of(
    roles: t.Sequence[Role], known: Mapping[str, t.Any], more: Mapping[str, t.Any], action: Action
) -> Variables:
    """Return all variables of roles; `more` takes precedence over the `known` ones of a task."""
    defaults: dict[str, t.Any] = {}
    own: dict[str, t.Any] = {}
    for each in roles:
        defaults |= each.defaults
        own |= each.own

    @functools.cache
    def templar() -> t.Any:
        everything = {**sources(defaults, trusted), **known, **more}
        return action.templar.copy_with_new_env(available_variables=everything)

    return Variables(own, {**known, **more}, defaults, lambda value: templar().template(value))
