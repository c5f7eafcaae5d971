# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Renders Jinja2 templates of a role as ansible.builtin.template does."""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

import ansible.template
from ansible.errors import AnsibleError
from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.action import Action

# ansible-core 2.18 takes every string for a template.
trusted: t.Callable[[str], str] = getattr(ansible.template, "trust_as_template", str)


def render_text(templar: t.Any, text: str, title: str) -> str:
    """Return a template's text with its variables filled in. Raises OperatorError."""
    how: dict[str, t.Any] = {"escape_backslashes": False, "overrides": {"lstrip_blocks": True}}
    try:
        if hasattr(templar, "evaluate_expression"):
            return str(templar.template(text, **how))
        return str(templar.do_template(text, preserve_trailing_newlines=True, **how))
    except AnsibleError as error:
        raise OperatorError(f"{title}: {error}") from error


class Templates:
    """Templates of the role that a task belongs to; `variables` are the task's."""

    def __init__(self, action: Action, variables: dict[str, t.Any]) -> None:
        self._action = action
        self._variables = variables
        self._texts: dict[str, tuple[str, list[str]]] = {}

    def render(self, name: str, extra: t.Mapping[str, t.Any]) -> str:
        """Return the text of a template. Raises OperatorError that names it."""
        text, search = self._load(name)
        templar = self._action.templar.copy_with_new_env(
            searchpath=search, available_variables={**self._variables, **extra}
        )
        return render_text(templar, text, f"template {name}")

    def _load(self, name: str) -> tuple[str, list[str]]:
        if name not in self._texts:
            try:
                path = self._action.find_template(name)
                real = self._action.loader.get_real_file(path)
            except AnsibleError as error:
                raise OperatorError(f"template {name}: {error}") from error
            text = trusted(Path(real).read_text("utf-8"))
            search = [os.path.dirname(path), *self._variables.get("ansible_search_path", ())]
            self._texts[name] = (text, search)
        return self._texts[name]
