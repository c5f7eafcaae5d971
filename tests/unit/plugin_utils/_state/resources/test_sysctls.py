# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Kernel variables."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import EVERYBODYS, PlanError
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.arguments import DocumentError
from unit.plugin_utils._state.servers import (
    Server,
    changes,
    plan_on,
    staged,
    steps,
    undos,
    wants,
)

NAME = "net.inet.ip.arpq.maxlen"
WANTS = wants(sysctls={NAME: 256})


def kernel(text: str, names: str = NAME) -> dict[str, tuple[int, str]]:
    return {f"sysctl {names}": (0, text)}


def test_a_variable_is_set_read_back_and_kept() -> None:
    made = plan_on(WANTS, Server(outputs=kernel(f"{NAME}=50\n")))
    assert changes(made) == ["create /etc/sysctl.conf", f"set {NAME} from 50 to 256"]
    assert steps(made) == [
        "stage /etc/sysctl.conf", "commit /etc/sysctl.conf", f"run sysctl {NAME}=256",
        f"wait sysctl -n {NAME}",
    ]  # fmt: skip
    assert undos(made) == [f"sysctl {NAME}=50"]
    assert undos(made, later=True) == []
    assert {found.vms for _name, found in made.changes} == {EVERYBODYS}
    assert staged(made) == {"/etc/sysctl.conf": f"{NAME}=256\n"}
    assert made.steps[-1].fields["match"] == [r"\A256$"]


def test_a_variable_that_is_so() -> None:
    server = Server({"/etc/sysctl.conf": f"{NAME}=256\n"}, kernel(f"{NAME}=256\n"))
    assert plan_on(WANTS, server).steps == ()
    made = plan_on(WANTS, Server(outputs=kernel(f"{NAME}=256\n")))
    assert changes(made) == ["create /etc/sysctl.conf"]


def test_a_variable_that_the_kernel_does_not_have() -> None:
    # sysctl(8) exits with 0 all the same.
    document = wants(sysctls={"net.nosuch": 1})
    with pytest.raises(PlanError, match="r: sysctl net.nosuch: this server's kernel has no such"):
        plan_on(document, Server(outputs=kernel("", "net.nosuch")))


def test_values_are_text() -> None:
    assert wants(sysctls={"kern.maxproc": 4000}).wants["sysctls"] == {"kern.maxproc": "4000"}


def test_no_variables_ask_nothing() -> None:
    # sysctl(8) without a name prints all of them.
    assert plan_on(wants(sysctls={})).steps == ()


@pytest.mark.parametrize(
    ("sysctls", "message"),
    [
        ({"net.inet.ip.forwarding": True}, "net.inet.ip.forwarding: true is no"),
        ({"kern.maxproc": "4000 # more"}, "'4000 # more' is no"),
        ({"kern.maxproc": "1\nkern.securelevel=-1"}, "value for a sysctl"),
        ({"kern.maxproc=1\nx": "1"}, "name of a sysctl"),
    ],
)
def test_no_variable_is_more_than_a_line(sysctls: dict[str, t.Any], message: str) -> None:
    with pytest.raises(DocumentError, match="r: sysctls: ") as refused:
        wants(sysctls=sysctls)
    assert message in str(refused.value)
