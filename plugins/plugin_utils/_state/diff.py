# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Diffs in the form that Ansible shows."""

from __future__ import annotations

import typing as t

from ansible_collections.puffy.vmm.plugins.module_utils._problems import shown_text
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.answers import read
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.secrets import masked
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import Change, FileDiff


def asks(shown: t.Iterable[FileDiff | Change]) -> list[dict[str, t.Any]]:
    """Return what has to be read on the server to show what changes."""
    return [
        read(item.path)
        for item in shown
        if isinstance(item, FileDiff)
        if item.existed and not item.sensitive and item.before is None
    ]


def diffs(shown: t.Iterable[FileDiff | Change], old: t.Mapping[str, bytes]) -> list[dict[str, str]]:
    """Return what --diff prints: contents of files that change, other changes in words."""
    items = [
        _file(item, old.get(item.path, b"") if item.before is None else item.before)
        if isinstance(item, FileDiff)
        else {"prepared": f"{item}\n"}
        for item in shown
    ]
    return [{name: shown_text(masked(text)) for name, text in item.items()} for item in items]


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
