# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What a customer may say, and what is the operator's."""

from __future__ import annotations

import jsonschema
import pytest
import yaml
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.fields import BY_NAME, FIELDS
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.schema import order_schema
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.vm import read_order
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.plain.yaml_text import load
from ansible_collections.puffy.vmm.plugins.module_utils._problems import Report
from unit.fleets import KEY, build, problems, sound, vm

ORDER = f"owner: mira\nhostname: web1.example.org\nssh_keys:\n  - {KEY}\n"
OPERATORS = sorted(field.name for field in FIELDS if not field.customer)


def test_whose_the_fields_are() -> None:
    assert sorted(field.name for field in FIELDS if field.customer) == [
        "disk", "hostname", "memory", "note", "owner", "sets", "ssh_keys", "timezone", "user",
    ]  # fmt: skip


def test_an_order_and_what_the_operator_says_are_one_vm() -> None:
    vms = {"web1.yml": "server: server6\nnumber: 7\n"}
    split = sound(build(vms, orders={"web1.yml": f"{ORDER}memory: 2G\n"}))
    whole = sound(build({"web1.yml": f"server: server6\nnumber: 7\nmemory: 2G\n{ORDER}"}))
    assert split.vms == whole.vms


@pytest.mark.parametrize("field", OPERATORS)
def test_an_order_says_nothing_that_is_the_operators(field: str) -> None:
    report = Report()
    example = yaml.safe_dump({field: BY_NAME[field].example or "x"})
    values = read_order("orders/web1.yml", load(ORDER + example, "", 4096), report)
    assert field not in values
    (problem,) = report.problems
    assert str(problem).startswith(f"orders/web1.yml: {field}: is not for the customer to say; ")
    fleet = build({"web1.yml": "server: server6\n"}, orders={"web1.yml": ORDER + example})
    assert fleet.vms == ()
    assert problem.text in str(fleet.problems)
    schema = jsonschema.Draft202012Validator(order_schema())
    assert schema.is_valid(yaml.safe_load(ORDER))
    assert not schema.is_valid(yaml.safe_load(ORDER + example))


def test_an_order_that_is_broken_holds_no_other_vm_up() -> None:
    vms = {"web1.yml": "server: server6\n", "web2.yml": vm()}
    for order in ("owner: 'x\n", "number: 7\nowner: 'x\n", ORDER.replace("mira", "root")):
        fleet = build(vms, orders={"web1.yml": order})
        assert [machine.name for machine in fleet.vms] == ["web2"]
        assert set(fleet.broken) == {"web1"}


def test_the_same_field_in_both_files() -> None:
    vms = {"web1.yml": "server: server6\nowner: puffy\n"}
    assert problems(vms, orders={"web1.yml": ORDER}) == [
        "orders/web1.yml: owner: is in vms/web1.yml too; keep one of them"
    ]


def test_what_is_missing_is_asked_of_who_can_say_it() -> None:
    complaints = problems({"web1.yml": "number: 7\n"}, orders={"web1.yml": "owner: mira\n"})
    assert [line.split(": is missing")[0] for line in complaints] == [
        "orders/web1.yml: hostname",
        "orders/web1.yml: ssh_keys",
        "vms/web1.yml: server",
    ]
    report = Report()
    read_order("orders/web1.yml", load("owner: mira\n", "", 4096), report)
    assert [problem.field for problem in report.problems] == ["ssh_keys", "hostname"]


def test_an_order_waits_for_its_server() -> None:
    fleet = build({}, orders={"web1.yml": ORDER})
    assert (fleet.vms, fleet.problems) == ((), ())
    assert [str(warning) for warning in fleet.warnings] == [
        "orders/web1.yml: waits for vms/web1.yml, which names its server"
    ]


def test_problems_of_an_order_name_its_file() -> None:
    vms = {"web1.yml": "server: server6\n"}
    order = ORDER + "disk: 900000T\nmemory: 100G\n"
    assert problems(vms, orders={"web1.yml": order}) == [
        "orders/web1.yml: disk: 900000T is more than one VM may have on server6: 8T; use less, or "
        "raise vmm_vm_disk_limit",
        "orders/web1.yml: memory: 100G is more than one VM may have on server6: 64G; use less, or "
        "raise vmm_vm_memory_limit",
    ]
