# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Each action has a module with its documentation, which describes the options as they are."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
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


@pytest.fixture(scope="session")
def shown() -> t.Mapping[str, t.Any]:
    """What ansible-doc(1) has of each module, fragments included."""
    names = [f"puffy.vmm.{name}" for name in _ACTIONS]
    command = [sys.executable, "-m", "ansible.cli.doc", "--type", "module", "--json", *names]
    printed = subprocess.run(command, check=True, capture_output=True, text=True)
    assert not printed.stderr
    return {name: json.loads(printed.stdout)[f"puffy.vmm.{name}"]["doc"] for name in _ACTIONS}


def test_each_action_has_a_module_of_its_name() -> None:
    assert sorted(path.stem for path in (_PLUGINS / "modules").glob("*.py")) == _ACTIONS


@pytest.mark.parametrize("name", _ACTIONS)
def test_the_options_are_documented_as_they_are(name: str, shown: t.Mapping[str, t.Any]) -> None:
    assert shown[name]["module"] == name
    _compare(_load("action", name).ActionModule.SPEC, shown[name]["options"], name)


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
