# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Diffs in the form that Ansible shows."""

from __future__ import annotations

import typing as t

from ansible_collections.puffy.vmm.plugins.module_utils._problems import shown_text
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.secrets import masked
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import FileDiff
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.plan import Plan


def asks(plan: Plan) -> list[dict[str, t.Any]]:
    """What has to be read of the server to show what changes."""
    return [
        {"path": diff.path, "read": 1}
        for diff in plan.diffs
        if diff.existed and not diff.sensitive and diff.before is None
    ]


def diffs(plan: Plan, old: t.Mapping[str, bytes]) -> list[dict[str, str]]:
    """What --diff prints: contents of files that change, and the other changes in words."""
    shown: list[dict[str, str]] = []
    for part in plan.parts:
        for job in part.jobs:
            shown += [{"prepared": f"{change}\n"} for change in job.changes]
        for step in part.steps:
            if step.diff:
                before = step.diff.before
                shown.append(
                    _file(step.diff, old.get(step.diff.path, b"") if before is None else before)
                )
            elif step.change:
                shown.append({"prepared": f"{step.change}\n"})
    return [{name: shown_text(masked(text)) for name, text in item.items()} for item in shown]


def _file(item: FileDiff, before: bytes) -> dict[str, str]:
    verb = "remove" if item.after is None else "change" if item.existed else "create"
    if item.sensitive:
        return {"prepared": f"{verb} {item.path} (its content is secret and not shown)\n"}
    if b"\0" in before or b"\0" in (item.after or b""):
        sizes = f"{len(before)} and {len(item.after or b'')} bytes"
        return {"prepared": f"{verb} {item.path} (not text: {sizes} before and after)\n"}
    return {
        "before_header": item.path if item.existed else "(no file)",
        "after_header": item.path if item.after is not None else "(no file)",
        "before": before.decode("utf-8", "replace"),
        "after": (item.after or b"").decode("utf-8", "replace"),
    }
