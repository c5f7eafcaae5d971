# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""A type of resource is one file, one line of the registry, and its tests."""

from __future__ import annotations

import inspect
import typing as t
from pathlib import Path

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.resource import Resource
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.resources.registry import RESOURCES

TYPES = {resource.OPTION: resource for resource in RESOURCES}
Any = Resource[t.Any, t.Any]
# Files beside the types.
_OTHERS = {"registry"}


@pytest.mark.parametrize("option", TYPES)
def test_a_type_is_a_file_with_tests(option: str) -> None:
    path = Path(inspect.getfile(type(TYPES[option])))
    assert path.stem == option
    assert Path(__file__).with_name(f"test_{option}.py").is_file()


def test_each_file_is_a_type_that_is_registered() -> None:
    path = Path(inspect.getfile(type(RESOURCES[0]))).parent
    assert {file.stem for file in path.glob("*.py")} - _OTHERS == TYPES.keys()
    assert len(TYPES) == len(RESOURCES)


@pytest.mark.parametrize("option", TYPES)
def test_a_type_has_all_that_the_engine_asks_of_one(option: str) -> None:
    resource = TYPES[option]
    for method in ("desired", "questions", "facts", "plan", "review"):
        desired = inspect.signature(getattr(Resource, method)).parameters
        given = inspect.signature(getattr(type(resource), method)).parameters
        assert len(given) == len(desired), method
    assert type(resource).__doc__
    # The spec is one that Ansible takes, and nothing of it is required of a document.
    assert not ArgumentSpecValidator({option: resource.SPEC}).validate({}).error_messages
