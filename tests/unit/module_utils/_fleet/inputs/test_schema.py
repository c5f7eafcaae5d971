# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The JSON Schemas of orders and VM files: current, and never stricter than the grammar."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
import yaml
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.fields import FIELDS
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.schema import (
    order_schema,
    render,
    vm_schema,
)
from ansible_collections.puffy.vmm.plugins.module_utils._grammar import questions, ssh_keys
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.plain.yaml_text import Text
from hypothesis import given
from hypothesis import strategies as st
from make_schema import SCHEMAS
from unit.fleets import KEY, OTHER_KEY, problems, vm

VALIDATOR = jsonschema.Draft202012Validator(vm_schema())


def test_the_files_are_current() -> None:
    for path, schema in SCHEMAS.items():
        text = path.read_text(encoding="utf-8")
        assert text == render(schema), "run: ./dev run python -m make_schema"


def test_it_is_a_schema() -> None:
    for schema in (order_schema(), vm_schema()):
        jsonschema.Draft202012Validator.check_schema(json.loads(render(schema)))


def test_a_full_file_is_valid() -> None:
    text = vm(
        "user: admin",
        "number: 7",
        "memory: 1G",
        "autostart: no",
        "sets: [-x*, +site*]",
        "timezone: Europe/Amsterdam",
        "install_options: {Some question: yes, Another one(s): 115200, Third: text}",
    )
    assert problems({"web1.yml": text}) == []
    VALIDATOR.validate(yaml.safe_load(text))


@pytest.mark.parametrize(
    "line",
    [
        "memory: 1 GB",
        "owner: root",
        "user: Puffy",
        "hostname: a_b",
        "number: 0",
        "number: '7'",
        "autostart: 'yes'",
        "autostart: maybe",
        "state: running",
        "timezone: Mars/Base",
        "sets: []",
        "ssh_keys: [ssh-dss AAAA]",
        "install_options: {a=b: c}",
        "flavour: large",
    ],
)
def test_what_a_form_can_find_itself(line: str) -> None:
    field = line.split(":", maxsplit=1)[0]
    text = vm(line, **({field: None} if field != "flavour" else {}))
    assert problems({"web1.yml": text}) != []
    assert not VALIDATOR.is_valid(yaml.safe_load(text))


def test_every_required_field_is_required() -> None:
    fields = yaml.safe_load(vm(server=None))
    orders = jsonschema.Draft202012Validator(order_schema())
    for field in FIELDS:
        left = {name: value for name, value in fields.items() if name != field.name}
        assert orders.is_valid(left) is not (field.required and field.customer)
    assert VALIDATOR.is_valid({"server": "server6"})
    assert not VALIDATOR.is_valid({"number": 7})


def accepted(field: Any, value: object) -> bool:
    try:
        field.parse(value)
    except ValueError:
        return False
    return True


STRINGS = st.one_of(
    st.text(max_size=70),
    *(
        st.from_regex(pattern, fullmatch=True)
        for pattern in (ssh_keys.PATTERN, questions.QUESTION_PATTERN, "[a-zA-Z0-9.:_/+*-]{1,20}")
    ),
    st.sampled_from([KEY, OTHER_KEY, "1G", "fe:e1:bb:d1:c8:07", "UTC", "raw", "present"]),
)


@given(st.sampled_from(FIELDS), STRINGS)
def test_what_the_grammar_takes_the_schema_takes(field: Any, text: str) -> None:
    validator = jsonschema.Draft202012Validator(dict(field.schema))
    for value, written in (
        (text, Text(text)),
        ([text], [Text(text)]),
        ({"Some question": text}, {"Some question": Text(text)}),
        ({text: "x"}, {Text(text): Text("x")}),
    ):
        if field.name not in ("number", "autostart") and accepted(field, written):
            validator.validate(value)
