# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.puffy.vmm.plugins.module_utils._formats.sshfp import render_fragment
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.action import Action
from ansible_collections.puffy.vmm.plugins.plugin_utils._dns.records import (
    SPEC,
    desired_records,
    fragment_records,
    fragment_text,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.files import write_file
from ansible_collections.puffy.vmm.plugins.plugin_utils._store.lock import exclusive_lock


class ActionModule(Action):
    SPEC = {
        **{name: option for name, option in SPEC.items() if name != "fragment"},
        "path": {"type": "path", "required": True},
        "lock_timeout": {"type": "float", "default": 60.0},
    }

    def perform(self, args: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        path = Path(self._loader.path_dwim(args["path"]))
        zone, names = desired_records({**args, "fragment": path}, task_vars)
        records = {name: (args["ttl"], texts) for name, texts in names.items()}
        before, after = _texts(path, zone, records)
        if before != after and not self.check_mode:
            path.parent.mkdir(mode=0o755, exist_ok=True)
            with exclusive_lock(path.parent / ".lock", args["lock_timeout"]):
                # Runs for other servers write to the same file.
                before, after = _texts(path, zone, records)
                if before != after:
                    write_file(path, after.encode("ascii"), 0o644)
        result: dict[str, Any] = {"changed": before != after, "path": str(path)}
        if self.diff and before != after:
            result["diff"] = {
                "before_header": str(path) if before else "(no file)",
                "after_header": str(path),
                "before": before,
                "after": after,
            }
        return result


def _texts(
    path: Path, zone: str, records: dict[str, tuple[int, frozenset[str]]]
) -> tuple[str, str]:
    """Return the file's text, empty where there is none, and the one with the records in it."""
    before, merged = fragment_text(path), {**fragment_records(path), **records}
    return before, render_fragment(zone, {name: each for name, each in merged.items() if each[1]})
