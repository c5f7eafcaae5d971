# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

from typing import Any

from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.action import Action
from ansible_collections.puffy.vmm.plugins.plugin_utils._dns.records import SPEC, desired_records
from ansible_collections.puffy.vmm.plugins.plugin_utils._dns.update import (
    ALGORITHMS,
    Change,
    Key,
    Primary,
    Rrset,
)


class ActionModule(Action):
    SPEC = {
        **SPEC,
        "server": {"type": "str", "required": True},
        "port": {"type": "int", "default": 53},
        "key_name": {"type": "str", "required": True, "no_log": False},
        "key_secret": {"type": "str", "required": True, "no_log": True},
        "key_algorithm": {
            "type": "str", "default": "hmac-sha256", "choices": list(ALGORITHMS), "no_log": False,
        },
        "timeout": {"type": "float", "default": 10.0},
    }  # fmt: skip

    def perform(self, args: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        if args["fragment"]:
            args["fragment"] = self._loader.path_dwim(args["fragment"])
        zone, names = desired_records(args, task_vars)
        key = Key(args["key_name"], args["key_secret"], args["key_algorithm"])
        primary = Primary(zone, args["server"], args["port"], key, args["timeout"])
        if not names:
            return {"names": []}
        with primary.session() as session:
            changes = []
            for name, texts in sorted(names.items()):
                before = session.look(name)
                after = Rrset(args["ttl"], texts) if texts else None
                if before != after:
                    changes.append(Change(name, before, after))
            if changes and not self.check_mode:
                session.replace(changes)
        result: dict[str, Any] = {
            "changed": bool(changes),
            "names": [change.name for change in changes],
        }
        if self.diff:
            result["diff"] = [_diff(change, primary.server) for change in changes]
        return result


def _diff(change: Change, server: str) -> dict[str, str]:
    title = f"{change.name} SSHFP at {server}"
    return {
        "before_header": title,
        "after_header": title,
        "before": _lines(change.name, change.before),
        "after": _lines(change.name, change.after),
    }


def _lines(name: str, rrset: Rrset | None) -> str:
    if rrset is None:
        return ""
    return "".join(f"{name} {rrset.ttl} IN SSHFP {text}\n" for text in sorted(rrset.texts))
