# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Interfaces that must be there."""

from __future__ import annotations

import pytest
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import PlanError
from unit.plugin_utils._state.servers import (
    Output,
    Server,
    plan_on,
    service,
    steps,
    wants,
)

DOCUMENT = wants(interfaces=["veb0", "veb0"], services=[{"name": "dhcpd", "flags": "veb0"}])
THERE: dict[str, Output] = {"ifconfig veb0": (0, "veb0: flags=8843<UP>\n")}


def test_an_interface_is_looked_at_again_before_a_service_is_touched() -> None:
    server = Server(outputs={**THERE, **service("dhcpd", flags="veb1")})
    assert steps(plan_on(DOCUMENT, server)) == [
        "run ifconfig veb0", "run rcctl set dhcpd flags veb0", "run rcctl restart dhcpd",
        "wait rcctl check dhcpd",
    ]  # fmt: skip


def test_nothing_is_done_where_all_is_there() -> None:
    server = Server(outputs={**THERE, **service("dhcpd", flags="veb0")})
    assert plan_on(DOCUMENT, server).steps == ()


def test_an_interface_that_is_missing() -> None:
    server = Server(outputs={"ifconfig veb0": (1, ""), **service("dhcpd")})
    with pytest.raises(PlanError) as error:
        plan_on(DOCUMENT, server)
    text = str(error.value)
    assert text.startswith("r: interface veb0: does not exist on this server; create it first")
    assert "vmd(8) exits, and every VM with it" in text
