# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The steps of an upgrade that concern VMs."""

from __future__ import annotations

from ansible_collections.puffy.vmm.plugins.plugin_utils._upgrade import steps


def test_all_vms_shut_down_at_the_same_time() -> None:
    """None waits for another one, and none is asked to while it is paused."""
    done = [(step.do, step.title) for step in steps.stop(["web1", "db1"])]
    assert done == [
        ("wait", "web1: is still paused"), ("wait", "db1: is still paused"),
        ("run", "web1: stop"), ("run", "db1: stop"),
        ("wait", "web1: does not stop"), ("wait", "db1: does not stop"),
    ]  # fmt: skip
    assert not [*steps.stop([])]
