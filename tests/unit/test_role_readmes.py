# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Each role's README tells its variables as they are, and each variable has a default."""

from __future__ import annotations

import importlib.util
import types
from pathlib import Path

import pytest
import yaml


def _load() -> types.ModuleType:
    path = Path(__file__).parents[1] / "role_readmes.py"
    spec = importlib.util.spec_from_file_location("role_readmes", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


READMES = _load()


@pytest.mark.parametrize("role", READMES.roles(), ids=lambda role: role.name)
def test_readme_is_current(role: Path) -> None:
    assert (role / "README.md").read_text() == READMES.readme(role)


@pytest.mark.parametrize("role", READMES.roles(), ids=lambda role: role.name)
def test_specs_and_defaults_name_the_same_variables(role: Path) -> None:
    spec = yaml.safe_load((role / "meta/argument_specs.yml").read_text())
    options = spec["argument_specs"]["main"].get("options", {})
    required = {name for name, option in options.items() if option.get("required")}
    defaults = yaml.safe_load((role / "defaults/main.yml").read_text()) or {}
    assert set(defaults) == set(options) - required


@pytest.mark.parametrize("role", READMES.roles(), ids=lambda role: role.name)
def test_a_role_is_one_task(role: Path) -> None:
    tasks = yaml.safe_load((role / "tasks/main.yml").read_text())
    assert [task.get("puffy.vmm.host_state") is not None for task in tasks] == [True]
    # check.yml reads it there.
    assert tasks[0].get("register") == f"{role.name}_state"
