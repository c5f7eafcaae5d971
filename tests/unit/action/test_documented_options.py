# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Each action has a module with its documentation, which describes the options as they are."""

from __future__ import annotations

import importlib
import typing as t
from pathlib import Path

import pytest
import yaml

Options = t.Mapping[str, t.Mapping[str, t.Any]]

_PLUGINS = Path(__file__).parents[3] / "plugins"
_ACTIONS = sorted(path.stem for path in (_PLUGINS / "action").glob("*.py"))


def _load(kind: str, name: str) -> t.Any:
    return importlib.import_module(f"ansible_collections.puffy.vmm.plugins.{kind}.{name}")


def _compare(spec: Options, documented: Options, where: str) -> None:
    """Asserts that all options of an argument spec, and no others, are documented as they are."""
    assert sorted(documented) == sorted(spec), where
    for name, option in spec.items():
        described, place = documented[name], f"{where}.{name}"
        assert described["description"], place
        for part in ("type", "elements", "choices", "default"):
            assert described.get(part) == option.get(part), (place, part)
        assert described.get("required", False) == option.get("required", False), place
        _compare(option.get("options", {}), described.get("suboptions", {}), place)


def test_each_action_has_a_module_of_its_name() -> None:
    assert sorted(path.stem for path in (_PLUGINS / "modules").glob("*.py")) == _ACTIONS


@pytest.mark.parametrize("name", _ACTIONS)
def test_the_options_are_documented_as_they_are(name: str) -> None:
    documented = yaml.safe_load(_load("modules", name).DOCUMENTATION)
    assert documented["module"] == name
    _compare(_load("action", name).ActionModule.SPEC, documented["options"], name)


@pytest.mark.parametrize("name", _ACTIONS)
def test_examples_use_options_of_the_action(name: str) -> None:
    spec = _load("action", name).ActionModule.SPEC
    tasks = yaml.safe_load(_load("modules", name).EXAMPLES)
    used = [task[f"puffy.vmm.{name}"] or {} for task in tasks if f"puffy.vmm.{name}" in task]
    assert used
    assert {option for arguments in used for option in arguments} <= spec.keys()


@pytest.mark.parametrize("name", _ACTIONS)
def test_returned_values_are_described(name: str) -> None:
    returned = yaml.safe_load(_load("modules", name).RETURN) or {}
    for key, value in returned.items():
        assert value["description"] and value["type"] and value["returned"], key
