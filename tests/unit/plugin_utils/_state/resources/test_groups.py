# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Groups."""

from __future__ import annotations

from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import NOBODYS
from unit.plugin_utils._state.servers import (
    Server,
    change,
    changes,
    commands,
    plan_on,
    undos,
    wants,
)


def test_a_missing_group_is_made() -> None:
    made = plan_on(wants(groups=["vmdusers", "more"]), Server(groups={"more": ()}))
    assert changes(made) == ["create group vmdusers"]
    assert commands(made) == ["groupadd vmdusers"]
    assert undos(made) == ["groupdel vmdusers"]
    # Nobody is touched by an empty group.
    assert change(made, "create").vms == NOBODYS


def test_a_group_with_members_is_left_alone() -> None:
    assert plan_on(wants(groups=["x"]), Server(groups={"x": ("puffy",)})).steps == ()


def test_a_group_is_made_once_for_two_documents() -> None:
    documents = [wants("a", groups=["x"]), wants("b", groups=["x"])]
    assert commands(plan_on(documents)) == ["groupadd x"]
