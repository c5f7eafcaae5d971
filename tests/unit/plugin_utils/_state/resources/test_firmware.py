# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Firmware that fw_update(8) installs."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import EVERYBODYS, PlanError
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.arguments import DocumentError
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.document import Document
from unit.plugin_utils._state.servers import (
    Server,
    change,
    changes,
    notices,
    plan_on,
    steps,
    wants,
)

BIOS = "/etc/firmware/vmm-bios"
FETCH = "run 'fw_update -d vmm' and 'fw_update vmm' there"


def firmware(**more: t.Any) -> Document:
    item = {"path": BIOS, "driver": "vmm", "without": "none starts", "advice": "set a mirror"}
    return wants(firmware=[{**item, **more}], files=[{"path": "/etc/x", "content": ""}])


def test_firmware_that_is_there() -> None:
    made = plan_on(firmware(), Server({BIOS: "bios"}))
    assert changes(made) == ["create /etc/x"]


def test_firmware_comes_before_anything_else() -> None:
    made = plan_on(firmware())
    assert changes(made) == ["fetch firmware vmm", "create /etc/x"]
    # fw_update(8) keeps what it has on record, even if the file is gone.
    fetches = ["run fw_update -d vmm", "run fw_update vmm", f"expect {BIOS}"]
    assert steps(made)[:4] == [*fetches, "stage /etc/x"]
    needs, own = made.transactions({})
    assert [step.do for step in needs.steps] == ["run", "run", "expect"]
    assert [step.do for step in own.steps] == ["stage", "commit"]
    assert change(made, "fetch").vms == EVERYBODYS
    # fw_update(8) may exit with 0 without the file, so the file decides.
    _forget, fetch, expect = needs.steps
    assert fetch.fields["ok"] == []
    assert expect.fields["lacking"] == (
        f"is missing, and fw_update(8) did not fetch it: none starts; {FETCH}, set a mirror"
    )


def test_firmware_from_a_mirror() -> None:
    made = plan_on(firmware(source="http://a/7.8"))
    assert steps(made)[1] == "run fw_update -p http://a/7.8 vmm"


def test_firmware_that_nobody_waits_for() -> None:
    made = plan_on(firmware(missing="ignore"))
    assert changes(made) == ["create /etc/x"]
    assert notices(made) == [f"r: {BIOS}: is missing: none starts until you {FETCH}"]
    assert notices(plan_on(firmware(missing="ignore"), Server({BIOS: ""}))) == []


def test_firmware_that_nobody_may_fetch() -> None:
    with pytest.raises(PlanError) as error:
        plan_on(firmware(missing="fail"))
    assert str(error.value) == (
        f"r: {BIOS}: is missing on this server: none starts; {FETCH}, set a mirror"
    )


@pytest.mark.parametrize("source", ["http://a/x';reboot;'", "firmware", "-n", "http://a/ b"])
def test_sources_that_a_shell_would_read(source: str) -> None:
    with pytest.raises(DocumentError, match="is not a source for fw_update"):
        firmware(source=source)
