# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Device nodes."""

from __future__ import annotations

import pytest
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import EVERYBODYS
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.answer import PathFacts
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.arguments import DocumentError
from unit.plugin_utils._state.servers import (
    Server,
    change,
    changes,
    plan_on,
    steps,
    undos,
    wants,
)

NODE = PathFacts("character device", "0600", "root", "wheel")


def test_all_missing_nodes_by_one_makedev() -> None:
    document = wants(devices=["tap3", "tap4", "tap5"])
    # Somebody wrote to a tap that was not there.
    made = plan_on(document, Server({"/dev/tap3": NODE, "/dev/tap4": "captured"}))
    assert changes(made) == ["make device nodes tap4 tap5"]
    assert steps(made) == ["run sh MAKEDEV tap4 tap5", "expect /dev/tap4", "expect /dev/tap5"]
    assert made.steps[0].fields["cwd"] == "/dev"
    assert undos(made) == ["rm -f /dev/tap4 /dev/tap5"]
    # A VM may run with one by then.
    assert undos(made, later=True) == []
    assert change(made, "make").vms == EVERYBODYS


def test_nodes_that_are_there() -> None:
    assert plan_on(wants(devices=["tap0"]), Server({"/dev/tap0": NODE})).steps == ()


@pytest.mark.parametrize("name", ["../etc/x", "tap0;reboot", "tap 0"])
def test_names_that_are_not_safe(name: str) -> None:
    with pytest.raises(DocumentError, match="is not a valid path"):
        wants(devices=[name])
