# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Whether a server can run VMs at all."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import PlanError
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.document import Document
from unit.plugin_utils._state.servers import (
    Server,
    changes,
    notices,
    plan_on,
    service,
    steps,
    wants,
)

WITH = Server(devices={"/dev/vmm": ""})
WITHOUT = Server(devices={"/dev/vmm": "Device not configured"})


def vmd(needed: str, **more: t.Any) -> Document:
    vmm = {"needed": needed, "service": "nsd", "advice": "boot again"}
    return wants(vmm=vmm, services=[{"name": "nsd"}], **more)


OFF = service("nsd", enabled=False, running=False)


def test_without_vmm_all_is_done_but_to_start_what_needs_it() -> None:
    server = WITHOUT.plus(outputs={**OFF, **service("httpd", running=False)})
    document = wants(
        vmm={"needed": "optional", "service": "nsd"},
        services=[{"name": "nsd"}, {"name": "httpd"}],
    )
    made = plan_on(document, server)
    assert changes(made) == ["enable nsd", "start httpd"]
    (notice,) = notices(made)
    assert notice.startswith(
        "r: /dev/vmm: Device not configured: this server has no usable vmm(4), so vmd(8) cannot run"
    )
    assert notice.endswith("; nsd is configured, but not started")


def test_without_vmm_nothing_that_runs_is_reloaded() -> None:
    document = vmd("optional", files=[{"path": "/etc/x", "content": ""}])
    assert changes(plan_on(document, WITHOUT.plus(outputs=service("nsd")))) == ["create /etc/x"]


def test_with_vmm_it_is_started() -> None:
    made = plan_on(vmd("optional"), WITH.plus(outputs=OFF))
    assert steps(made) == ["run rcctl enable nsd", "run rcctl start nsd", "wait rcctl check nsd"]
    assert notices(made) == []


def test_where_it_is_required_nothing_is_done_without_it() -> None:
    with pytest.raises(PlanError) as error:
        plan_on(vmd("required"), WITHOUT.plus(outputs=OFF))
    text = str(error.value)
    assert text.startswith("r: /dev/vmm: Device not configured: this server has no usable vmm(4)")
    assert text.endswith("boot again")
    assert plan_on(vmd("required"), WITH.plus(outputs=service("nsd"))).steps == ()
