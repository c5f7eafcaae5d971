# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Diffs in the form that Ansible shows, with the old contents fetched in one execution."""

from __future__ import annotations

import base64

from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.client import Agent
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.secrets import masked
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import FileDiff
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.plan import Plan


def file_diffs(plan: Plan, agent: Agent) -> list[dict[str, str]]:
    """What --diff prints: contents of files that change, and the other changes as they are."""
    wanted = [item for item in plan.diffs if item.existed and not item.sensitive]
    old: dict[str, bytes] = {}
    if wanted:
        asks = [
            {"path": item.path, "read": 1} | ({"as": item.as_user} if item.as_user else {})
            for item in wanted
        ]
        answer = agent.probe({"verb": "probe", "paths": asks})
        old = {path: base64.b64decode(text) for path, text in answer["read"].items()}
    shown: list[dict[str, str]] = []
    for step in plan.steps:
        if step.diff:
            shown.append(_one(step.diff, old.get(step.diff.path, b"")))
        elif step.change:
            shown.append({"prepared": f"{step.change}\n"})
    return [{key: masked(text) for key, text in one.items()} for one in shown]


def _one(item: FileDiff, before: bytes) -> dict[str, str]:
    verb = "remove" if item.after is None else "change" if item.existed else "create"
    if item.sensitive:
        return {"prepared": f"{verb} {item.path} (its content is secret and not shown)\n"}
    if b"\0" in before or b"\0" in (item.after or b""):
        sizes = f"{len(before)} and {len(item.after or b'')} bytes"
        return {"prepared": f"{verb} {item.path} (no text: {sizes} before and after)\n"}
    return {
        "before_header": item.path if item.existed else "(no file)",
        "after_header": item.path if item.after is not None else "(no file)",
        "before": before.decode("utf-8", "replace"),
        "after": (item.after or b"").decode("utf-8", "replace"),
    }
